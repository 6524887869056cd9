package arrivals_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/solve"
)

// story is what reaches a server: what one client of each kind of mistake sends.
type story struct {
	t       *testing.T
	q       arrivals.Query
	at      time.Time
	packets []arrivals.Packet
	seq     uint32
}

var server4, server6 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")

const gap = 10 * time.Millisecond

// ports are the sequence of an hour of this query, with a range and variant.
func (s *story) ports(offset int, r knock.Range, v solve.Variant) []uint16 {
	p := v.Ports(s.q.Hour.Add(offset), r, s.q.Secret)
	return p[:]
}

// mine is the sequence that the gate has.
func (s *story) mine() []uint16 { return s.ports(0, s.q.Range, solve.AsGiven) }

// syn adds a SYN, and after it the answer, if there is one.
func (s *story) syn(from string, port uint16, after time.Duration, answer arrivals.Kind) {
	src := netip.MustParseAddr(from)
	dst := server4
	if src.Is6() {
		dst = server6
	}
	s.seq++
	p := arrivals.Packet{Src: netip.AddrPortFrom(src, uint16(30000+s.seq)), Dst: netip.AddrPortFrom(dst, port), Seq: s.seq, Arrived: s.at.Add(after)}
	s.packets = append(s.packets, p)
	if answer != arrivals.SYN {
		p.Kind, p.Arrived, p.Sent, p.By = answer, time.Time{}, p.Arrived.Add(time.Millisecond), dst
		s.packets = append(s.packets, p)
	}
}

// shake adds knocks a gap apart, and SSH behind them.
func (s *story) shake(from string, ports []uint16, gap time.Duration, answer arrivals.Kind) {
	for i, p := range ports {
		s.syn(from, p, time.Duration(i)*gap, arrivals.SYN)
	}
	s.syn(from, 22, time.Duration(len(ports))*gap, answer)
}

// run plays all in order of time, and returns the clients by address.
func (s *story) run(g arrivals.Gate) map[string]arrivals.Client {
	slices.SortStableFunc(s.packets, func(a, b arrivals.Packet) int {
		return when(a).Compare(when(b))
	})
	track := arrivals.NewTracker(s.q, g)
	all := map[string]arrivals.Client{}
	last := time.Time{}
	take := func(some []arrivals.Client) {
		for _, c := range some {
			if _, twice := all[c.Addr.String()]; twice {
				s.t.Errorf("%v is told twice", c.Addr)
			}
			all[c.Addr.String()] = c
		}
	}
	for _, p := range s.packets {
		track.Add(p)
		if now := p.Arrived; now.Sub(last) > 200*time.Millisecond {
			take(track.Expire(now))
			last = now
		}
	}
	take(track.Flush())
	return all
}

func when(p arrivals.Packet) time.Time {
	if p.Arrived.IsZero() {
		return p.Sent
	}
	return p.Arrived
}

func begin(t *testing.T) *story {
	q := query(t)
	return &story{t: t, q: q, at: q.Hour.Start().Add(30 * time.Minute)}
}

func (s *story) gate() arrivals.Gate {
	return arrivals.Gate{Range: s.q.Range, SSHPort: 22, Window: 5 * time.Second, SweepGuard: 20, ReplayGuard: true,
		Accepts: [][knock.Knocks]uint16{[knock.Knocks]uint16(s.mine())}}
}

// TestKnocksRefused: a server that refuses knocks itself is no mistake of a client that
// got in, nor of one with another mistake.
func TestKnocksRefused(t *testing.T) {
	s := begin(t)
	shake := func(from string, ports []uint16, ssh arrivals.Kind) {
		for i, p := range ports {
			s.syn(from, p, time.Duration(i)*gap, arrivals.Refused)
		}
		s.syn(from, 22, time.Duration(len(ports))*gap, ssh)
	}
	shake("198.51.100.1", s.mine(), arrivals.Accepted)
	shake("198.51.100.2", s.ports(-3, s.q.Range, solve.AsGiven), arrivals.SYN)
	g := s.gate()
	got := s.run(g)
	for addr, want := range map[string]string{"198.51.100.1": "", "198.51.100.2": "hour-behind"} {
		if said := codesOf(got[addr]); said != want {
			t.Errorf("%s: %q, want %q", addr, said, want)
		}
	}
	s = begin(t)
	shake("198.51.100.3", s.mine(), arrivals.SYN)
	if said := codesOf(s.run(g)["198.51.100.3"]); said != "unanswered knocks-rejected" {
		t.Errorf("SSH stayed silent: %q", said)
	}
}

// TestMistakes: each kind of mistake gets its code, and no other.
func TestMistakes(t *testing.T) {
	s := begin(t)
	five := s.mine()
	swapped := []uint16{five[0], five[1], five[3], five[2], five[4]}
	wide, _ := knock.NewRange(10000, 20000)
	want := map[string]string{}
	tell := func(addr, codes string) string { want[addr] = codes; return addr }

	s.shake(tell("198.51.100.1", ""), five, gap, arrivals.Accepted)
	s.shake(tell("198.51.100.2", "hour-behind"), s.ports(-3, s.q.Range, solve.AsGiven), gap, arrivals.SYN)
	s.shake(tell("198.51.100.3", "hour-ahead"), s.ports(1, s.q.Range, solve.AsGiven), gap, arrivals.SYN)
	s.shake(tell("198.51.100.4", "range"), s.ports(0, wide, solve.AsGiven), gap, arrivals.SYN)
	s.shake(tell("198.51.100.5", "secret-variant"), s.ports(0, s.q.Range, solve.CarriageReturn), gap, arrivals.SYN)
	s.shake(tell("198.51.100.6", "knock-missing"), slices.Delete(slices.Clone(five), 2, 3), gap, arrivals.SYN)
	s.shake(tell("198.51.100.7", "reordered"), swapped, gap, arrivals.SYN)
	s.shake(tell("198.51.100.8", "late"), five, 6*time.Second, arrivals.SYN)
	s.shake(tell("198.51.100.10", "replayed"), five, gap+time.Microsecond, arrivals.SYN)
	s.shake(tell("198.51.100.11", "ssh-refused"), five, gap, arrivals.Refused)
	for i, p := range five {
		s.syn(tell("198.51.100.12", "no-ssh"), p, time.Duration(i)*gap, arrivals.SYN)
		s.syn(tell("198.51.100.13", "ssh-late"), p, time.Duration(i)*gap, arrivals.SYN)
		s.syn(tell("203.0.113.5", "address-changes"), p, time.Duration(i)*gap, arrivals.SYN)
		s.syn(tell("198.51.100.14", "other-family"), p, time.Duration(i)*gap+time.Minute, arrivals.SYN)
		from := tell("100.64.0.1", "address-changes")
		if i%2 == 1 {
			from = tell("100.64.0.2", "address-changes")
		}
		s.syn(from, p, time.Duration(i)*gap, arrivals.SYN)
	}
	s.syn("198.51.100.13", 22, 5500*time.Millisecond, arrivals.SYN)
	s.syn("203.0.113.9", 22, time.Second, arrivals.SYN)
	s.syn("2001:db8:1::9", 22, time.Second+time.Minute, arrivals.SYN)
	for i, p := range []uint16{10001, 10400, 10900, 10222, 10333} {
		s.syn(tell("198.51.100.15", "no-candidate"), p, time.Duration(i)*gap, arrivals.SYN)
	}
	for i := range 1000 {
		s.syn(tell("198.51.100.16", "sweep"), uint16(10000+i), time.Duration(i)*2*time.Millisecond, arrivals.SYN)
	}
	for i := range 40 {
		s.syn(tell("198.51.100.17", "ignored"), uint16(10600+i), time.Duration(i)*gap, arrivals.SYN)
	}
	for i, p := range append(slices.Clone(five), 22) {
		s.syn("198.51.100.17", p, time.Second+time.Duration(i)*gap, arrivals.SYN)
	}
	got := s.run(s.gate())
	for addr, codes := range want {
		c, ok := got[addr]
		if said := codesOf(c); !ok || said != codes {
			t.Errorf("%s: %v %q, want %q", addr, ok, said, codes)
		}
		delete(got, addr)
		t.Log(c.Line())
	}
	for addr, c := range got {
		t.Errorf("%s is told too: %s", addr, c.Line())
	}
}

func codesOf(c arrivals.Client) string {
	var words []string
	for _, f := range c.Findings {
		words = append(words, string(f.Code))
	}
	return strings.Join(words, " ")
}

// TestReached: how far a client came at the gate is told apart from how far its knocks lead
// at a gate of their own.
func TestReached(t *testing.T) {
	s := begin(t)
	five := s.mine()
	s.shake("198.51.100.1", s.ports(-3, s.q.Range, solve.AsGiven), gap, arrivals.SYN)
	s.shake("198.51.100.2", []uint16{five[0], five[1], five[3], five[2], five[4]}, gap, arrivals.SYN)
	got := s.run(s.gate())
	if c := got["198.51.100.1"]; c.Phase != 5 || c.Reached != 0 {
		t.Errorf("another hour: phase %d, reached %d", c.Phase, c.Reached)
	}
	c := got["198.51.100.2"]
	var entered []int
	for _, k := range c.Knocks {
		entered = append(entered, k.Entered)
	}
	if c.Reached != 3 || !slices.Equal(entered, []int{1, 2, 0, 3, 0}) {
		t.Errorf("out of order: reached %d, entered %v", c.Reached, entered)
	}
}

// TestTwoClientsOfOneAddress: the ports of another client do not hide behind those of the
// first; those of the hour before are the client's own.
func TestTwoClientsOfOneAddress(t *testing.T) {
	for want, beside := range map[string]func(*story) []uint16{
		"mixed": func(*story) []uint16 { return []uint16{10001, 10400, 10900, 10222, 10333} },
		"":      func(s *story) []uint16 { return s.ports(-1, s.q.Range, solve.AsGiven) },
	} {
		s := begin(t)
		for i, p := range beside(s) {
			s.syn("198.51.100.1", p, time.Duration(i)*gap, arrivals.SYN)
		}
		s.at = s.at.Add(time.Second)
		s.shake("198.51.100.1", s.mine(), gap, arrivals.Accepted)
		c := s.run(s.gate())["198.51.100.1"]
		if said := codesOf(c); said != want || !c.In {
			t.Errorf("%q, want %q: %s", said, want, c.Line())
		}
	}
}

// TestSSHElsewhere: another port than that of SSH, and SSH without knocks.
func TestSSHElsewhere(t *testing.T) {
	s := begin(t)
	for i, p := range append(s.mine(), 2222) {
		s.syn("198.51.100.1", p, time.Duration(i)*gap, arrivals.SYN)
	}
	s.syn("203.0.113.1", 22, 0, arrivals.SYN)
	s.syn("203.0.114.1", 22, 0, arrivals.Accepted)
	g := s.gate()
	g.LoneSSH = true
	got := s.run(g)
	if c := got["198.51.100.1"]; codesOf(c) != "ssh-port" || !strings.Contains(c.Line(), "port 2222") || !strings.Contains(c.Line(), "--ssh-port 22") {
		t.Errorf("another port: %s", c.Line())
	}
	if c := got["203.0.113.1"]; codesOf(c) != "no-knocks" || len(got) != 2 {
		t.Errorf("no knocks: %+v", got)
	}
}
