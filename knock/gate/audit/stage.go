package audit

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter/machine"
)

const (
	// pace is the time between two packets of a client that does not wait.
	pace = time.Millisecond
	// endless is what a window without an end counts as.
	endless = time.Minute
)

// stage is a gate with its owner, on which a check is played.
type stage struct {
	*Request
	ctx    context.Context
	gate   *gate.Gate
	owner  netip.Addr
	knocks []int
	free   machine.Truth // SSH opens without a knock
	opens  machine.Truth // and with the handshake
	met    int           // the rules that a wrong SYN meets
	work   *int          // what is left of those that the knocks of a check may meet
}

const (
	// checkWork bounds the rules that the knocks of a check meet: a check plays as many
	// of its questions as it can expect to fit. One that takes twice as many is given up.
	checkWork = 2_000_000
	// leastTries is how often a question is played in any rules.
	leastTries = 8
)

func newStage(ctx context.Context, r *Request, g *gate.Gate) *stage {
	s := &stage{Request: r, ctx: ctx, gate: g}
	if g.Played() {
		s.owner, s.knocks = g.Owner(), g.Knocks()
		s.met = 10 + s.play().Met(s.wrong()[0])
		s.free, s.opens = s.play().Opens(s.owner), s.opened(s.knocks)
	}
	return s
}

// play returns a server on which nothing has happened.
func (s *stage) play() *gate.Play {
	p := s.gate.Play(s.ctx, s.ListTotal)
	p.Bound(s.work)
	return p
}

// tries returns how many of n questions of so many packets a check can play.
func (s *stage) tries(n, packets int) int {
	return max(leastTries, min(n, checkWork/(packets*s.met)))
}

// send sends knocks from an address, the pause before each but the first as given, or
// else at once.
func send(p *gate.Play, src netip.Addr, knocks []int, pauses ...time.Duration) {
	for i, port := range knocks {
		at := p.Now() + pace
		if i > 0 && i <= len(pauses) {
			at = p.Now() + pauses[i-1]
		}
		p.Knock(src, port, at)
	}
}

// opened reports whether knocks of the owner open SSH to him.
func (s *stage) opened(knocks []int, pauses ...time.Duration) machine.Truth {
	p := s.play()
	send(p, s.owner, knocks, pauses...)
	return p.Opens(s.owner)
}

// window returns the window behind a knock.
func (s *stage) window(i int) time.Duration {
	if i < len(s.gate.Windows) && s.gate.Windows[i] > 0 {
		return s.gate.Windows[i]
	}
	return endless
}

// longest returns the longest window.
func (s *stage) longest() (d time.Duration) {
	for i := range s.knocks {
		d = max(d, s.window(i))
	}
	return d
}

// source returns an address of the n-th attacker, in IPv6 one with a /64 of its own.
func (s *stage) source(n int) netip.Addr {
	if s.gate.Family == knock.Family6 {
		a := [16]byte{0x26, 0x00, 0x1f, 15: 1}
		binary.BigEndian.PutUint32(a[4:], uint32(n))
		return netip.AddrFrom16(a)
	}
	a := [4]byte{45}
	binary.BigEndian.PutUint32(a[:], 45<<24+uint32(n))
	return netip.AddrFrom4(a)
}

// wrong returns some ports that are none of the gate's.
func (s *stage) wrong() []int { return s.gate.Wrong()[:3] }

// span returns the ports that a sweep goes over, and whether they are the range.
func (s *stage) span() (r knock.Range, known bool) {
	if s.Range.IsValid() {
		return s.Range, true
	}
	r, _ = knock.NewRange(1, 65535)
	return r, false
}

// guarded reports whether wrong knocks count against their source.
func (s *stage) guarded() bool { return s.gate.Strict || s.gate.SweepGuard > 0 }

// computed reports whether a script computes the ports, so that they are not known.
func (s *stage) computed() bool {
	return slices.ContainsFunc(s.knocks, func(k int) bool { return k <= 0 })
}

// otherSequence returns the sequence of another hour: with a secret the one so many
// hours after now, without one the ports of the gate in the opposite order.
func (s *stage) otherSequence(hours int) (ports []int, ok bool) {
	if s.computed() {
		return nil, false
	}
	if !s.Secret.IsZero() && s.Range.IsValid() && len(s.knocks) == knock.Knocks {
		hour := s.Hour
		if c := s.Inspection.Candidate(); c != nil {
			hour = c.Hour
		}
		for _, p := range knock.Derive(hour.Add(hours), s.Range, s.Secret).Ports() {
			ports = append(ports, int(p))
		}
		return ports, !slices.Equal(ports, s.knocks)
	}
	ports = slices.Clone(s.knocks)
	slices.Reverse(ports)
	return ports, !slices.Equal(ports, s.knocks)
}
