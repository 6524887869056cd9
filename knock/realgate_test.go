package knock_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

func TestMain(m *testing.M) {
	if !knocktest.RunsLong() { // the long tests load the machine by themselves
		knocktest.Parallel(12)
	}
	knocktest.Main(m)
}

// at is the time of client and server in these tests, far from the hour change.
var at = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// clockAt returns a client whose clock starts at t.
func clockAt(t time.Time) *knock.Client {
	started := time.Now()
	return &knock.Client{Clock: func() time.Time { return t.Add(time.Since(started)) }}
}

func target(s *knocktest.Server, addr netip.Addr) knock.Target {
	return knock.Target{Host: "server", Addr: s.SSHAddr(addr), Range: s.Range, Secret: s.Secret, Window: s.Window}
}

// mustKnock knocks as a client whose clock shows now.
func mustKnock(t *testing.T, now time.Time, target knock.Target, o knock.Options) knock.Report {
	t.Helper()
	r, err := clockAt(now).Knock(t.Context(), target, o, nil)
	if err != nil {
		t.Fatalf("%v (%+v)", err, r)
	}
	return r
}

// answers lists the answers to the knocks of a report.
func answers(r knock.Report) (all []knock.Answer) {
	for _, a := range r.Attempts {
		for _, k := range a.Knocks {
			all = append(all, k.Answer)
		}
	}
	return all
}

func TestRealGateOpensAndShuts(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{At: at, Window: 2 * time.Second})
	for _, addr := range []netip.Addr{s.Addr4, s.Addr6} {
		t.Run(addr.String(), func(t *testing.T) {
			capture := s.Capture(t)
			r := mustKnock(t, at, target(s, addr), knock.Options{})
			if !r.Opened || r.Before.State != knock.SSHFiltered || !strings.HasPrefix(r.SSH.Banner, "SSH-2.0-OpenSSH") {
				t.Fatalf("%+v", r)
			}
			if len(r.Attempts) != 1 || slices.ContainsFunc(answers(r), func(a knock.Answer) bool { return a != knock.Silent }) {
				t.Errorf("attempts: %+v", r.Attempts)
			}
			if r.SSH.RTT <= 0 || r.SSH.Connect < r.SSH.RTT || r.SSH.Read < r.SSH.Connect || r.Elapsed < knock.Millis(r.SSH.Read) {
				t.Errorf("times do not add up: %+v, elapsed %v", r.SSH, r.Elapsed)
			}
			// On the wire: the probe before, five knocks in order, the probe after.
			// Nothing is repeated, even a second later.
			time.Sleep(1500 * time.Millisecond)
			ports := s.Ports(t, s.Hour)
			want := append(append([]uint16{22}, ports[:]...), 22)
			if got := capture.Ports(); !slices.Equal(got, want) {
				t.Errorf("SYNs went to %v, want %v", got, want)
			}
			shutAgain(t, s.SSHAddr(addr), s.Window)
		})
	}
}

// shutAgain waits until SSH is filtered again.
func shutAgain(t *testing.T, addr netip.AddrPort, window time.Duration) {
	t.Helper()
	var c knock.Client
	for deadline := time.Now().Add(window + 10*time.Second); time.Now().Before(deadline); {
		r, err := c.Probe(t.Context(), "h", addr, knock.Options{Timeout: 500 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if r.SSH.State == knock.SSHFiltered {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("SSH stays open")
}

func TestRealGateStaysShut(t *testing.T) {
	knocktest.Long(t)
	fast := knock.Options{Gaps: []time.Duration{time.Millisecond, 20 * time.Millisecond}}
	other, err := knock.ParseRange("10000-11000")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		server knocktest.Options
		change func(*knock.Target)
		before knock.SSHState
		after  knock.SSHState
		answer knock.Answer
	}{
		{name: "wrong hour", server: knocktest.Options{At: at.Add(-time.Hour)}, before: "filtered", after: "filtered", answer: "silent"},
		{name: "wrong range", server: knocktest.Options{At: at}, change: func(t *knock.Target) { t.Range = other }, before: "filtered", after: "filtered", answer: "silent"},
		{name: "wrong hour, reset", server: knocktest.Options{At: at.Add(-time.Hour), Refusal: knocktest.Reset}, before: "refused", after: "refused", answer: "refused"},
		{name: "wrong hour, icmp", server: knocktest.Options{At: at.Add(-time.Hour), Refusal: knocktest.PortUnreachable}, before: "unreachable", after: "unreachable", answer: "unreachable"},
		{name: "sshd down", server: knocktest.Options{At: at, NoSSHD: true}, before: "filtered", after: "refused", answer: "silent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := knocktest.NewServer(t, tt.server)
			for _, addr := range []netip.Addr{s.Addr4, s.Addr6} {
				target := target(s, addr)
				if tt.change != nil {
					tt.change(&target)
				}
				r := mustKnock(t, at, target, fast)
				if r.Opened || r.Before.State != tt.before || r.SSH.State != tt.after {
					t.Errorf("%s: before %s, after %s; want %s, %s", addr, r.Before.State, r.SSH.State, tt.before, tt.after)
				}
				for _, a := range answers(r) {
					if a != tt.answer {
						t.Errorf("%s: knocks answered %v, want %s", addr, answers(r), tt.answer)
						break
					}
				}
			}
		})
	}
}

// A gate that rejects instead of dropping opens too.
func TestRealGateThatRejectsOpens(t *testing.T) {
	t.Parallel()
	for _, refusal := range []knocktest.Refusal{knocktest.Reset, knocktest.PortUnreachable} {
		t.Run(refusal.String(), func(t *testing.T) {
			s := knocktest.NewServer(t, knocktest.Options{At: at, Refusal: refusal})
			for _, addr := range []netip.Addr{s.Addr4, s.Addr6} {
				if r := mustKnock(t, at, target(s, addr), knock.Options{}); !r.Opened || r.Before.State.Connected() {
					t.Errorf("%s: %+v", addr, r)
				}
			}
		})
	}
}

func TestRealGateWithARepeatedPort(t *testing.T) {
	t.Parallel()
	r, err := knock.NewRange(10000, 10007)
	if err != nil {
		t.Fatal(err)
	}
	s := knocktest.NewServer(t, knocktest.Options{At: at, Range: r})
	// With eight ports nearly every hour repeats one; take hours that repeat in
	// different places, two of them next to each other.
	seen := map[string]bool{}
	for h := knock.HourOf(at); len(seen) < 4; h = h.Add(1) {
		ports := knock.Derive(h, r, s.Secret).Ports()
		shape := ""
		for i, p := range ports {
			shape += fmt.Sprint(slices.Index(ports[:], p), " ")
			if i > 0 && ports[i-1] == p {
				shape += "next "
			}
		}
		if seen[shape] || shape == "0 1 2 3 4 " {
			continue
		}
		seen[shape] = true
		now := h.Start().Add(30 * time.Minute)
		s.Refresh(t, now)
		if got := mustKnock(t, now, target(s, s.Addr4), knock.Options{}); !got.Opened || len(got.Attempts) != 1 {
			t.Errorf("ports %v: %+v", ports, got)
		}
	}
}

// Without a gate SSH is found open before the handshake, with one connection to
// sshd.
func TestRealServerWithoutGate(t *testing.T) {
	s := knocktest.NewServer(t, knocktest.Options{At: at, NoGate: true})
	r := mustKnock(t, at, target(s, s.Addr4), knock.Options{KeepConn: true})
	if !r.Opened || r.Before.State != knock.SSHOpen {
		t.Fatalf("%+v", r)
	}
	defer r.Conn.Close()
	line, err := bufio.NewReader(r.Conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "SSH-2.0-OpenSSH") {
		t.Errorf("the connection handed on gives %q, %v", line, err)
	}
}

func TestRealNetworkWithoutTheHost(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{At: at, NoSSHD: true})
	unused := s.Addr4
	for range 100 { // an unused address in the server's network
		unused = unused.Next()
	}
	for name, addr := range map[string]netip.Addr{"no neighbour": unused, "no route": netip.MustParseAddr("198.51.100.7")} {
		t.Run(name, func(t *testing.T) {
			r, err := clockAt(at).Knock(t.Context(), target(s, addr), knock.Options{}, nil)
			if r.SSH.State != knock.SSHUnreachable || r.Opened || !errors.Is(err, knock.ErrUnreachable) {
				t.Errorf("knock: %+v, %v", r.SSH, err)
			}
			var c knock.Client
			p, err := c.Probe(t.Context(), "h", netip.AddrPortFrom(addr, 22), knock.Options{})
			if p.SSH.State != knock.SSHUnreachable || !errors.Is(err, knock.ErrUnreachable) {
				t.Errorf("probe: %+v, %v", p.SSH, err)
			}
		})
	}
}

// At the hour change the server's rules change during the handshake: the article's
// refresh flushes the chain, adds rules one by one, and clears the lists. Knocks
// start from 40 ms before it to 40 ms after it.
func TestRealGateAtTheHourChange(t *testing.T) {
	knocktest.Long(t)
	s := knocktest.NewServer(t, knocktest.Options{At: at})
	change := knock.HourOf(at).End()
	for i := range 20 {
		s.Refresh(t, change.Add(-time.Minute))
		offset := time.Duration(i-10) * 4 * time.Millisecond
		refreshed := make(chan struct{})
		go func() {
			defer close(refreshed)
			s.Refresh(t, change)
		}()
		time.Sleep(max(0, offset+40*time.Millisecond))
		r := mustKnock(t, change.Add(offset), target(s, s.Addr4), knock.Options{})
		<-refreshed
		if !r.Opened {
			t.Errorf("knocking %v from the hour change: %+v", offset, r)
		}
	}
}

// Near the hour change the first attempt opens, though a server refreshes up to a
// minute late, and clocks are off by up to half a minute.
func TestRealGateRefreshedLate(t *testing.T) {
	knocktest.Long(t)
	s := knocktest.NewServer(t, knocktest.Options{At: at})
	change := knock.HourOf(at).End()
	dice := rand.New(rand.NewPCG(1, 2))
	within := func(from, to time.Duration) time.Duration {
		return from + time.Duration(dice.Float64()*float64(to-from))
	}
	const moment = 50 * time.Millisecond // the handshake itself takes time
	type moments struct{ true, late, off time.Duration }
	all := []moments{ // the corners
		{-time.Millisecond, 0, 30 * time.Second}, {-time.Millisecond, 0, -30*time.Second + moment},
		{0, 0, 30 * time.Second}, {0, 0, -30 * time.Second},
		{time.Minute - moment, time.Minute, 30 * time.Second}, {time.Minute - moment, time.Minute, -30 * time.Second},
		{time.Minute, time.Minute, 30 * time.Second}, {time.Minute, time.Minute, -30 * time.Second},
	}
	for len(all) < 100 {
		all = append(all, moments{within(-time.Minute, 2*time.Minute), within(0, time.Minute), within(-30*time.Second, 30*time.Second)})
	}
	handshake := func(m moments) knock.Report {
		s.Refresh(t, change.Add(-time.Minute))
		if m.true >= m.late {
			s.Refresh(t, change)
		}
		return mustKnock(t, change.Add(m.true+m.off), target(s, s.Addr4), knock.Options{})
	}
	for _, m := range all {
		r := handshake(m)
		for again := 0; r.OpenedBy > 0 && again < 3; again++ { // a busy machine answers the first attempt late
			r = handshake(m)
		}
		if !r.Opened || r.OpenedBy != 0 {
			t.Errorf("%v from the hour change, with a refresh %v late and a clock %v off: %+v", m.true, m.late, m.off, r)
		}
	}
}

// Where a connection is made and no banner comes, the server may not know of it
// yet: the handshake makes a few more, not one with every attempt.
func TestRealServerWithoutBanner(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{At: at, CutOff: true})
	capture := s.Capture(t)
	r := mustKnock(t, at, target(s, s.Addr4), knock.Options{Timeout: 4 * time.Second})
	if r.Opened || r.SSH.State != knock.SSHSilent || r.SSH.Connect == 0 {
		t.Errorf("%+v", r)
	}
	if n := capture.Connections(22); n < 2 || n > 3 {
		t.Errorf("%d connections", n)
	}
}

// SSH answers the kernel's repeat of the first attempt's probe when the knocks of the
// second attempt have just opened it: the second attempt has.
func TestRealOpenedToARepeatedProbe(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{At: at})
	third := int(s.Ports(t, knock.HourOf(at))[2])
	s.Lose(t, knocktest.Loss{Ports: knocktest.Port(third), Nth: 1})
	// The repeat comes after a second: before the second attempt's own probe.
	r := mustKnock(t, at, target(s, s.Addr4), knock.Options{Gaps: []time.Duration{time.Millisecond, 160 * time.Millisecond}})
	if !r.Opened || r.OpenedBy != 1 {
		t.Errorf("opened %v by attempt %d: %+v", r.Opened, r.OpenedBy+1, r)
	}
}

// The link goes down during the handshake and comes up again.
func TestRealLinkComesBack(t *testing.T) {
	knocktest.Long(t)
	s := knocktest.NewServer(t, knocktest.Options{At: at})
	device := deviceOf(t, s.Client4)
	set := func(state string) {
		if out, err := exec.Command("ip", "link", "set", device, state).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	for _, knocks := range []int{1, 3, 5} {
		s.Refresh(t, at)
		up := make(chan struct{})
		r, err := clockAt(at).Knock(t.Context(), target(s, s.Addr4), knock.Options{}, func(e knock.Event) {
			if e.Kind == knock.KnockSent && e.Attempt == 0 && e.Knock == knocks-1 {
				set("down")
				time.AfterFunc(700*time.Millisecond, func() { set("up"); close(up) })
			}
		})
		<-up
		if err != nil || !r.Opened || r.OpenedBy == 0 {
			t.Errorf("down after %d knocks: %+v, %v", knocks, r, err)
		}
	}
	// Where it stays down, the error says so.
	s.Refresh(t, at) // this ends the last window
	r, err := clockAt(at).Knock(t.Context(), target(s, s.Addr4), knock.Options{Gaps: []time.Duration{time.Millisecond, time.Millisecond}}, func(e knock.Event) {
		if e.Kind == knock.KnockSent && e.Attempt == 0 && e.Knock == 2 {
			set("down")
		}
	})
	if !errors.Is(err, knock.ErrUnreachable) || r.Opened || r.SSH.State != knock.SSHUnreachable {
		t.Errorf("down for good: %+v, %v", r.SSH, err)
	}
	set("up")
}

// The client loses its only IPv6 address during the handshake. If it comes back
// the handshake continues; if not, the error comes at once.
func TestRealFamilyVanishes(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	for _, comes := range []bool{true, false} {
		s := knocktest.NewServer(t, knocktest.Options{At: at})
		device := deviceOf(t, s.Client6)
		ip := func(do string) {
			if out, err := exec.Command("ip", "-6", "addr", do, s.Client6.String()+"/64", "dev", device, "nodad").CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", do, err, out)
			}
		}
		back := make(chan struct{})
		r, err := clockAt(at).Knock(t.Context(), target(s, s.Addr6), knock.Options{}, func(e knock.Event) {
			if e.Kind != knock.KnockSent || e.Attempt != 0 || e.Knock != 2 {
				return
			}
			ip("del")
			if !comes {
				close(back)
				return
			}
			time.AfterFunc(700*time.Millisecond, func() { ip("add"); close(back) })
		})
		<-back
		if comes && (err != nil || !r.Opened) || !comes && (r.Opened || !errors.Is(err, knock.ErrUnreachable)) {
			t.Errorf("it comes back: %v; opened %v, SSH %+v, %v", comes, r.Opened, r.SSH, err)
		}
	}
}

// deviceOf returns the network device that has the address.
func deviceOf(t *testing.T, addr netip.Addr) string {
	t.Helper()
	devices, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		addrs, err := d.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == addr {
				return d.Name
			}
		}
	}
	t.Fatalf("no device has %v", addr)
	return ""
}
