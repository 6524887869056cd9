//go:build linux

package knocktest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

func TestMain(m *testing.M) {
	knocktest.Parallel(8)
	knocktest.Main(m)
}

// enough bounds what ought to happen soon, on a machine that is busy elsewhere.
const enough = 20 * time.Second

// syn sends one SYN and does not wait for what comes of it.
func syn(t testing.TB, to netip.AddrPort) {
	t.Helper()
	family, sa := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Port: int(to.Port()), Addr: [4]byte(to.Addr().AsSlice())})
	if to.Addr().Is6() {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Connect(fd, sa); err != syscall.EINPROGRESS {
		t.Fatalf("connect to %v: %v", to, err)
	}
}

func handshake(t testing.TB, to netip.Addr, seq knock.Sequence) {
	t.Helper()
	for _, p := range seq.Ports() {
		syn(t, netip.AddrPortFrom(to, p))
	}
}

func sequence(s *knocktest.Server) knock.Sequence { return knock.Derive(s.Hour, s.Range, s.Secret) }

// banner connects and returns the first line, or an error within the time given.
func banner(to netip.AddrPort, within time.Duration) (string, error) {
	c, err := net.DialTimeout("tcp", to.String(), within)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(enough)); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

func wantOpen(t testing.TB, to netip.AddrPort) {
	t.Helper()
	if line, err := banner(to, enough); err != nil || !strings.HasPrefix(line, "SSH-") {
		t.Fatalf("SSH at %v says %q, %v", to, line, err)
	}
}

func wantShut(t testing.TB, to netip.AddrPort) {
	t.Helper()
	if line, err := banner(to, 300*time.Millisecond); !isTimeout(err) {
		t.Fatalf("SSH at %v says %q, %v; want silence", to, line, err)
	}
}

// Dialling times out with one of two errors; this is what they share.
func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func families(t *testing.T, s *knocktest.Server, f func(t *testing.T, a, client netip.Addr)) {
	t.Run("v4", func(t *testing.T) { f(t, s.Addr4, s.Client4) })
	t.Run("v6", func(t *testing.T) { f(t, s.Addr6, s.Client6) })
}

func TestGateOpensAndShuts(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{Window: 3 * time.Second})
	families(t, s, func(t *testing.T, a, client netip.Addr) {
		ssh := s.SSHAddr(a)
		wantShut(t, ssh)

		seq, seen := sequence(s), s.Capture(t)
		start := time.Now()
		handshake(t, a, seq)
		ports := seq.Ports()
		if got := seen.Ports(); !slices.Equal(got, ports[:]) {
			t.Errorf("the ports %v arrived, want %v", got, ports)
		}
		wantOpen(t, ssh)
		if got, want := seen.Ports(), append(ports[:], uint16(s.SSHPort)); !slices.Equal(got, want) {
			t.Errorf("the ports %v arrived, want %v", got, want)
		}
		for _, syn := range seen.SYNs() {
			if syn.Src.Addr() != client || syn.Dst.Addr() != a || syn.Time.Before(start.Add(-time.Millisecond)) || syn.Time.After(time.Now()) {
				t.Errorf("%+v is not from %v to %v, after %v", syn, client, a, start)
			}
		}

		for deadline := time.Now().Add(enough); ; {
			if _, err := banner(ssh, 300*time.Millisecond); isTimeout(err) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the gate does not shut")
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestOtherSequencesStayShut(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := knocktest.NewServer(t, knocktest.Options{At: now.Add(3 * time.Hour)})
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		s.Refresh(t, now.Add(3*time.Hour))
		handshake(t, a, knock.Derive(knock.HourOf(now), s.Range, s.Secret))
		wantShut(t, s.SSHAddr(a))

		backwards := sequence(s).Ports()
		slices.Reverse(backwards[:])
		for _, p := range backwards {
			syn(t, netip.AddrPortFrom(a, p))
		}
		wantShut(t, s.SSHAddr(a))

		handshake(t, a, sequence(s))
		wantOpen(t, s.SSHAddr(a))
		s.Refresh(t, now)
		wantShut(t, s.SSHAddr(a)) // the lists are empty
		handshake(t, a, sequence(s))
		wantOpen(t, s.SSHAddr(a))
	})
}

func TestOnlyTheAddressThatKnocked(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{})
	other := knocktest.NewClient(t, s)
	look := func(t *testing.T, a netip.Addr) string {
		ctx, cancel := context.WithTimeout(t.Context(), enough)
		defer cancel()
		out, _ := other.Command(ctx, "nc", "-w", "1", a.String(), fmt.Sprint(s.SSHPort)).Output()
		return string(out)
	}
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		handshake(t, a, sequence(s))
		wantOpen(t, s.SSHAddr(a))
		if out := look(t, a); out != "" {
			t.Errorf("another client reads %q", out)
		}
	})
}

func TestArticleClient(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	// The characters are the ones that a shell would like to have a say in.
	s := knocktest.NewServer(t, knocktest.Options{Secret: `it's-"$HOME"\n*[a]?;&|<>(` + "`id`)~#!", SSHPort: 2222})
	script := knocktest.ArticleClient(t, s)
	other := knocktest.NewClient(t, s)
	seen := s.Capture(t)
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		ctx, cancel := context.WithTimeout(t.Context(), enough)
		defer cancel()
		cmd := other.Command(ctx, script, a.String(), fmt.Sprint(s.SSHPort))
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if !strings.HasPrefix(line, "SSH-") {
			t.Errorf("the script's SSH says %q, %v; ports %v arrived, want %v", line, err, seen.Ports(), sequence(s).Ports())
		}
		cancel()
		_ = cmd.Wait()
		wantShut(t, s.SSHAddr(a)) // it knocked from another address
	})
}

func TestLogin(t *testing.T) {
	t.Parallel()
	knocktest.NeedLogin(t, "ssh")
	s := knocktest.NewServer(t, knocktest.Options{})
	script := knocktest.ArticleClient(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	args := append(s.SSHArgs(), "-o", "ProxyCommand="+script+" %h %p", s.Addr4.String(), "echo", "in", "at", "last")
	out, err := exec.CommandContext(ctx, "ssh", args...).CombinedOutput()
	if err != nil || string(out) != "in at last\n" {
		t.Errorf("ssh: %v\n%s", err, out)
	}
}

func TestRefusals(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	for _, refusal := range []knocktest.Refusal{knocktest.Reset, knocktest.PortUnreachable} {
		s := knocktest.NewServer(t, knocktest.Options{Refusal: refusal})
		t.Run(refusal.String(), func(t *testing.T) {
			families(t, s, func(t *testing.T, a, _ netip.Addr) {
				n := 12 // more than the kernel's usual ration of ICMP
				if refusal == knocktest.PortUnreachable && a.Is6() {
					n = 2 // each takes the second until the SYN is repeated, see PortUnreachable
				}
				for range n {
					if _, err := banner(s.SSHAddr(a), enough); !errors.Is(err, syscall.ECONNREFUSED) {
						t.Fatalf("SSH, shut: %v", err)
					}
				}
				handshake(t, a, sequence(s))
				wantOpen(t, s.SSHAddr(a))
			})
		})
	}
}

func TestSSHDStopsAndStarts(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{NoGate: true, NoSSHD: true})
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		for range 3 {
			if _, err := banner(s.SSHAddr(a), enough); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("no sshd: %v", err)
			}
			s.StartSSHD(t)
			wantOpen(t, s.SSHAddr(a))
			s.StopSSHD(t)
		}
	})
	four := knocktest.NewServer(t, knocktest.Options{NoGate: true, SSHD: []string{"AddressFamily inet", "VersionAddendum four"}})
	line, err := banner(four.SSHAddr(four.Addr4), enough)
	if err != nil || !strings.Contains(line, "four") {
		t.Errorf("the banner is %q, %v", line, err)
	}
	if _, err := banner(four.SSHAddr(four.Addr6), enough); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("sshd for IPv4 only, over IPv6: %v", err)
	}
}

func TestCaptureCountsEachOnce(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{NoSSHD: true})
	seen := s.Capture(t)
	var want []uint16
	for range 2000 {
		a := s.Addr4
		if rand.IntN(2) == 0 {
			a = s.Addr6
		}
		want = append(want, uint16(1+rand.IntN(65535)))
		syn(t, netip.AddrPortFrom(a, want[len(want)-1]))
	}
	s.Run(t, "sh", "-c", "nc -z -w 1 "+s.Client4.String()+" 9 || true") // leaves the server, does not arrive
	if got := seen.Ports(); !slices.Equal(got, want) {
		t.Errorf("%d SYNs arrived, want the %d sent", len(got), len(want))
	}
}

func TestShellDerivesTheSame(t *testing.T) {
	t.Parallel()
	var ds []knocktest.Derivation
	n := 500
	if !knocktest.RunsLong() {
		n = 50
	}
	for len(ds) < n {
		text := make([]byte, 1+rand.IntN(40))
		for i := range text {
			for text[i] == 0 || text[i] == '%' {
				text[i] = byte('!' + rand.IntN('~'-'!'+1))
			}
		}
		secret, err := knock.ParseSecret(string(text))
		if err != nil {
			t.Fatal(err)
		}
		r, err := knock.NewRange(1+rand.IntN(65535), 1+rand.IntN(65535))
		if err != nil {
			continue
		}
		at := time.Unix(rand.Int64N(1<<33), 0)
		ds = append(ds, knocktest.Derivation{Hour: knock.HourOf(at), Range: r, Secret: secret})
	}
	for part := range slices.Chunk(ds, (len(ds)-1)/runtime.NumCPU()+1) {
		t.Run("part", func(t *testing.T) {
			t.Parallel()
			for i, ports := range knocktest.ShellPorts(t, part...) {
				d := part[i]
				if want := knock.Derive(d.Hour, d.Range, d.Secret).Ports(); ports != want {
					t.Errorf("%v, %v, secret %q: the shell has %v, Derive %v", d.Hour, d.Range, d.Secret.Reveal(), ports, want)
				}
			}
		})
	}
}

func TestServerPorts(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{NoSSHD: true})
	if got, want := s.Ports(t, s.Hour), sequence(s).Ports(); got != want {
		t.Errorf("Ports = %v, want %v", got, want)
	}
}

// Cancelling reaches the program, not only the nsenter in front of it.
func TestCommandEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{NoSSHD: true})
	ctx, cancel := context.WithCancel(t.Context())
	cmd := s.Command(ctx, "sh", "-c", "echo started; exec sleep 1000")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, len("started\n"))); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, stdout); err != nil { // until the program has closed it
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a cancelled command ended well")
	}
}
