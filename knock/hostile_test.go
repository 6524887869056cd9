package knock_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rapport/knock"
)

// hostile listens on loopback and calls handle for each client. taken is how many
// bytes clients let it write.
func hostile(t *testing.T, handle func(c *net.TCPConn, write func(string) bool)) (addr netip.AddrPort, taken *atomic.Int64) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	taken = new(atomic.Int64)
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c, func(s string) bool {
					n, err := c.Write([]byte(s))
					taken.Add(int64(n))
					return err == nil
				})
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort(), taken
}

// allocated is the total allocated while f runs, an upper bound of what it needs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Hostile servers cost neither memory nor more than the timeout, and their text is
// reported in one printable line.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	endless := func(s string) func(*net.TCPConn, func(string) bool) {
		return func(c *net.TCPConn, write func(string) bool) {
			for write(s) {
			}
		}
	}
	drip := func(s string) func(*net.TCPConn, func(string) bool) {
		return func(c *net.TCPConn, write func(string) bool) {
			for i := 0; write(s[i : i+1]); i = (i + 1) % len(s) {
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
	for _, tt := range []struct {
		name   string
		handle func(*net.TCPConn, func(string) bool)
		want   knock.SSHState
	}{
		{"one line without end", endless(strings.Repeat("x", 1<<16)), knock.SSHNotSSH},
		{"a version without end", endless("SSH-"), knock.SSHOpen},
		{"lines without end", endless("hello\r\n"), knock.SSHNotSSH},
		{"empty lines without end", endless(strings.Repeat("\r\n", 1<<10)), knock.SSHSilent},
		{"nothing but zeros", endless(strings.Repeat("\x00", 1<<16)), knock.SSHNotSSH},
		{"escapes without end", endless("\x1b[2J\x1b]0;x\a"), knock.SSHNotSSH},
		{"a byte now and then", drip("x"), knock.SSHNotSSH},
		{"a version, a byte now and then", drip("SSH-2.0-x"), knock.SSHOpen},
		{"an empty line now and then", drip("\n"), knock.SSHSilent},
		{"it hangs up", func(*net.TCPConn, func(string) bool) {}, knock.SSHSilent},
		{"it resets", func(c *net.TCPConn, _ func(string) bool) { _ = c.SetLinger(0) }, ""}, // silent or refused
		{"it resets behind its version", func(c *net.TCPConn, write func(string) bool) {
			write("SSH-2.0-x\r\n")
			_ = c.SetLinger(0)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr, taken := hostile(t, tt.handle)
			var c knock.Client
			target := knock.Target{Host: "h", Addr: addr, Range: knock.DefaultRange, Secret: secret(t, "f00b4r")}
			start := time.Now()
			used := allocated(func() {
				p, err := c.Probe(t.Context(), "h", addr, knock.Options{Timeout: time.Second})
				if err != nil || p.SSH.State != tt.want && tt.want != "" {
					t.Errorf("a probe finds %q %q, %v; want %q", p.SSH.State, p.SSH.Banner, err, tt.want)
				}
				r, err := c.Knock(t.Context(), target, knock.Options{Timeout: 4 * time.Second}, nil)
				if err != nil || r.SSH.State != tt.want && tt.want != "" {
					t.Errorf("a handshake finds %q %q, %v; want %q", r.SSH.State, r.SSH.Banner, err, tt.want)
				}
				prints(t, p.SSH.Banner+r.SSH.Banner+r.Summary())
				v, err := c.SendBatch(t.Context(), addr, []knock.Packet{{Port: 1}, {Probe: true}}, knock.BatchOptions{}, nil)
				if err != nil || v.Hit != 1 && tt.want != "" && v.Connections == 0 {
					t.Errorf("a batch: %+v, %v", v, err)
				}
				prints(t, v.SSH.Banner)
			})
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("it took %v", d)
			}
			if used > 64<<20 {
				t.Errorf("%d MB of memory were used", used>>20)
			}
			if n := taken.Load(); n > 64<<20 { // the kernel's buffers
				t.Errorf("%d MB were taken from the server", n>>20)
			}
		})
	}
}

// With hostile name servers Resolve returns an address or a printable error, in
// time.
func TestHostileNameServers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(query []byte) [][]byte{
		"garbage":        func([]byte) [][]byte { return [][]byte{[]byte("\x1b[2J\x1b[2J\x1b[2J\x1b[2J")} },
		"nothing":        func([]byte) [][]byte { return nil },
		"another id":     func(q []byte) [][]byte { return [][]byte{dnsAnswer(q, 0, func(b []byte) { b[0]++ })} },
		"server failure": func(q []byte) [][]byte { return [][]byte{dnsAnswer(q, 2, nil)} },
		"no such name":   func(q []byte) [][]byte { return [][]byte{dnsAnswer(q, 3, nil)} },
		"refused":        func(q []byte) [][]byte { return [][]byte{dnsAnswer(q, 5, nil)} },
		"no address":     func(q []byte) [][]byte { return [][]byte{dnsAnswer(q, 0, nil)} },
		"a pointer loop": func(q []byte) [][]byte {
			return [][]byte{dnsAnswer(q, 0, func(b []byte) { b[7] = 1 }, 0xc0, 0xff, 0xc0)}
		},
		"answers it says": func(q []byte) [][]byte { return [][]byte{dnsAnswer(q, 0, func(b []byte) { b[6], b[7] = 0xff, 0xff })} },
		"truncated":       func(q []byte) [][]byte { return [][]byte{dnsAnswer(q, 0, func(b []byte) { b[2] |= 2 })} },
		"a flood": func(q []byte) (all [][]byte) {
			for range 5000 {
				all = append(all, dnsAnswer(q, 0, func(b []byte) { b[1]++ }))
			}
			return all
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() {
				buf := make([]byte, 1<<12)
				for {
					n, from, err := conn.ReadFrom(buf)
					if err != nil {
						return
					}
					for _, b := range answer(buf[:n]) {
						_, _ = conn.WriteTo(b, from)
					}
				}
			}()
			resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
			}}
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			c := knock.Client{Resolver: resolver}
			start := time.Now()
			addr, err := c.Resolve(ctx, "host.example.org", knock.FamilyAuto)
			if !errors.Is(err, knock.ErrName) || time.Since(start) > 5*time.Second {
				t.Fatalf("%v, %v after %v", addr, err, time.Since(start))
			}
			prints(t, err.Error())
		})
	}
}

// dnsAnswer answers a query of one question (RFC 1035, 4.1) with a code. more follows
// the question, and change, if not nil, edits the whole answer.
func dnsAnswer(query []byte, code byte, change func([]byte), more ...byte) []byte {
	b := append([]byte(nil), query...)
	b[2] |= 0x80
	b[3] = 0x80 | code
	binary.BigEndian.PutUint16(b[10:], 0) // no additional records
	// The question ends behind its name, type and class.
	end := 12
	for end < len(b) && b[end] != 0 {
		end += int(b[end]) + 1
	}
	b = append(b[:min(end+5, len(b))], more...)
	if change != nil {
		change(b)
	}
	return b
}
