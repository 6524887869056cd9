//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// client is what watch --clients and pcap say in JSON about a client.
type client struct {
	Address  string
	In       bool
	Summary  string
	Findings []struct{ Code string }
}

// codes are the client's findings, "in" for one that got in.
func (c client) codes() string {
	var words []string
	if c.In {
		words = append(words, "in")
	}
	for _, f := range c.Findings {
		words = append(words, f.Code)
	}
	return strings.Join(words, " ")
}

// crowd is many clients, each with a mistake.
type crowd struct {
	s       *knocktest.Server
	hour    knock.Hour
	packets []timed
	want    map[string]string // the codes by address
}

// timed is a packet, and when it is sent.
type timed struct {
	at time.Duration
	knocktest.Packet
}

const pace = 10 * time.Millisecond

// send adds packets to ports, a gap apart.
func (c *crowd) send(at time.Duration, gap time.Duration, from netip.Addr, ports ...uint16) time.Duration {
	for _, p := range ports {
		c.packets = append(c.packets, timed{at, knocktest.Packet{From: from, Port: p, SourcePort: uint16(2000 + len(c.packets))}})
		at += gap
	}
	return at
}

// sequence is what a candidate makes.
func (c *crowd) sequence(offset int, r knock.Range, v solve.Variant) []uint16 {
	p := v.Ports(c.hour.Add(offset), r, c.s.Secret)
	return p[:]
}

// perKind is how many clients make each mistake.
const perKind = 5

// newCrowd writes what 65 clients do: 60 make one of twelve mistakes.
func newCrowd(s *knocktest.Server) *crowd {
	c := &crowd{s: s, hour: knock.HourOf(time.Now()), want: map[string]string{}}
	five := c.sequence(0, s.Range, solve.AsGiven)
	wide, _ := knock.NewRange(10000, 20000)
	swapped := []uint16{five[0], five[1], five[3], five[2], five[4]}
	for i := range perKind {
		kind := byte(0)
		start := time.Duration(i) * 300 * time.Millisecond
		tell := func(codes string) netip.Addr {
			kind++
			a := netip.AddrFrom4([4]byte{172, 16 + kind, byte(i), 1})
			c.want[a.String()] = codes
			return a
		}
		whole := func(codes string, ports []uint16) {
			a := tell(codes)
			c.send(c.send(start, pace, a, ports...), pace, a, 22)
		}
		whole("in", five)
		whole("hour-behind", c.sequence(-3, s.Range, solve.AsGiven))
		whole("hour-ahead", c.sequence(1, s.Range, solve.AsGiven))
		whole("range", c.sequence(0, wide, solve.AsGiven))
		whole("secret-variant", c.sequence(0, s.Range, solve.CarriageReturn))
		whole("reordered", swapped)
		whole("knock-missing", slices.Delete(slices.Clone(five), 2, 3))
		late := tell("late")
		c.send(c.send(start, pace, late, five[:3]...)+5500*time.Millisecond, pace, late, five[3], five[4], 22)
		c.send(start+150*time.Millisecond, pace, tell("no-ssh"), five...)
		other := []uint16{10001 + uint16(i), 10400, 10900, 10222, 10333}
		c.send(start, pace, tell("no-candidate"), other...)
		ignored := tell("ignored")
		for k := range 40 { // a quarter of them are those of other hours
			c.send(start+time.Duration(k)*pace, 0, ignored, wrongPort(five, 10100+20*k))
		}
		c.send(c.send(start+time.Second, pace, ignored, five...), pace, ignored, 22)
		c.send(start, pace, tell("other-family"), five...)
		c.send(start+60*time.Millisecond, 0, netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::9", i+1)), 22)
		nat := netip.AddrFrom4([4]byte{100, 64 + byte(i), 0, 5})
		c.want[nat.String()] = "address-changes"
		c.send(start, pace, nat, five...)
		c.send(start+70*time.Millisecond, 0, netip.AddrFrom4([4]byte{100, 64 + byte(i), 0, 9}), 22)
	}
	sweeper := netip.AddrFrom4([4]byte{203, 0, 113, 66})
	c.want[sweeper.String()] = "sweep"
	for k := range 1000 {
		c.send(time.Duration(k)*2*time.Millisecond, 0, sweeper, uint16(10000+k))
	}
	slices.SortStableFunc(c.packets, func(a, b timed) int { return int(a.at - b.at) })
	return c
}

// wrongPort returns a port that is none of five.
func wrongPort(five []uint16, p int) uint16 {
	for slices.Contains(five, uint16(p)) {
		p++
	}
	return uint16(p)
}

// play sends everything in time, with a flood beside it.
func (c *crowd) play(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	flooded := make(chan int)
	flood := c.s.NewSender(t)
	go func() {
		dice := rand.New(rand.NewPCG(1, 2))
		n := uint32(0)
		flooded <- flood.Flood(ctx, 800, 0, func() knocktest.Packet {
			n++
			return knocktest.Packet{From: netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)}), Port: uint16(10000 + dice.IntN(1000))}
		})
	}()
	x := c.s.NewSender(t)
	began := time.Now()
	for _, p := range c.packets {
		time.Sleep(p.at - time.Since(began))
		x.Send(p.Packet)
	}
	cancel()
	t.Logf("%d SYNs of clients, %d of the flood", len(c.packets), <-flooded)
}

// compare compares what was said with the truth.
func (c *crowd) compare(t *testing.T, who string, said map[string]client, truth func(string) string) {
	t.Helper()
	right := 0
	for addr, want := range c.want {
		got, ok := said[addr]
		if codes := got.codes(); !ok || codes != truth(want) {
			t.Errorf("%s: %s: told %v %q, want %q: %s", who, addr, ok, codes, truth(want), got.Summary)
			continue
		}
		right++
	}
	for addr, got := range said {
		if c.want[addr] == "" {
			t.Errorf("%s: a stranger is told: %s %s", who, addr, got.Summary)
		}
	}
	t.Logf("%s: %d of %d named rightly", who, right, len(c.want))
}

// tcpdump records until the returned function is called.
func tcpdump(t *testing.T, cmd *exec.Cmd) (end func()) {
	t.Helper()
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	text := ""
	for !strings.Contains(text, "listening on") {
		n, err := said.Read(b)
		if err != nil {
			t.Fatalf("tcpdump does not listen: %s", text)
		}
		text += string(b[:n])
	}
	go func() {
		for {
			if _, err := said.Read(b); err != nil {
				return
			}
		}
	}()
	return func() {
		time.Sleep(time.Second) // libpcap reads in blocks
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}

// TestEndsOfACrowd: while a sweep and a flood run, watch --clients names the mistake of
// each of 60 clients; so does pcap, from what tcpdump recorded on one side and on both.
func TestEndsOfACrowd(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft", "tcpdump", "setpriv")
	rapport := build(t)
	for _, format := range []string{"iptables", "nft"} {
		t.Run(format, func(t *testing.T) {
			s, _ := scripted(t, rapport, format, "--sweep-guard", "20")
			c := newCrowd(s)
			dir := t.TempDir()
			config := filepath.Join(dir, "hosts.toml")
			knocktest.WriteFile(t, config, fmt.Sprintf("[hosts.gate]\naddress = %q\nsweep_guard = 20\n", s.Addr4), 0o600)
			// The client's namespace is that of other tests too.
			dump := func(side, hosts string) []string {
				return []string{"tcpdump", "-Z", "root", "-i", "any", "-s", "160", "-U", "-B", "16384", "-w", filepath.Join(dir, side+".pcap"),
					hosts + "(tcp[13] & 6 != 0 or (ip6[6] = 6 and ip6[53] & 6 != 0))"}
			}
			here := dump("client", fmt.Sprintf("(host %v or host %v) and ", s.Addr4, s.Addr6))
			there := dump("server", "")
			w := watchOn(t, s, rapport, "--clients")
			// A signal to nsenter does not reach tcpdump; the end of its parent does.
			endHere := tcpdump(t, exec.Command(here[0], here[1:]...))
			endThere := tcpdump(t, s.Command(t.Context(), "setpriv", append([]string{"--pdeathsig", "TERM"}, there...)...))
			c.play(t)
			said := map[string]client{}
			for len(said) < len(c.want) {
				e := w.until("all clients", func(e watched) bool { return e.Client != nil })
				if _, twice := said[e.Client.Address]; twice {
					t.Errorf("%s is told twice", e.Client.Address)
				}
				said[e.Client.Address] = *e.Client
				if e.Client.codes() == "hour-behind" && *e.Phase != 0 {
					t.Errorf("%s knocks at another hour's gate, and is told in phase %d", e.Client.Address, *e.Phase)
				}
			}
			c.compare(t, "watch", said, func(want string) string { return want })
			endHere()
			endThere()
			c.compare(t, "pcap of the server", readClients(t, s, rapport, config, filepath.Join(dir, "server.pcap")), func(want string) string { return want })
			both := func(want string) string { return strings.ReplaceAll(want, "knock-missing", "knock-unsent") }
			c.compare(t, "pcap of both", readClients(t, s, rapport, config, filepath.Join(dir, "server.pcap"), filepath.Join(dir, "client.pcap")), both)
		})
	}
}

// readClients runs rapport pcap.
func readClients(t *testing.T, s *knocktest.Server, rapport, config string, files ...string) map[string]client {
	t.Helper()
	cmd := exec.Command(rapport, append(append([]string{"pcap", "--json", "--config", config}, files...), "gate")...)
	cmd.Env = append(os.Environ(), "RAPPORT_SECRET="+s.Secret.Reveal())
	out, _ := cmd.Output() // it exits 1: not all got in
	var r struct {
		Schema   int
		Captures []struct{ File, Side string }
		Clients  []client
	}
	if err := json.Unmarshal(out, &r); err != nil || r.Schema != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range r.Captures {
		if !strings.HasSuffix(c.File, c.Side+".pcap") {
			t.Errorf("%s is taken for the %s's", c.File, c.Side)
		}
	}
	said := map[string]client{}
	for _, one := range r.Clients {
		said[one.Address] = one
	}
	return said
}
