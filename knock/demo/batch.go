package demo

import (
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
)

// arrival is a knock that was accepted.
type arrival struct {
	addr netip.Addr
	port uint16
}

// batch is knocks that were accepted together.
type batch struct {
	first []arrival // in the order in which they arrived
	late  []arrival // in unknown order, at most later than a first one to the same port
}

// play plays a batch through the phases. If the sequence repeats a port, a late knock
// to it counts where it helps; the other late ones come last, in the order of the
// sequence. It calls entered, if not nil, after each knock that entered phases.
func (p *Phases) play(b batch, now time.Time, entered func(a arrival, phases []int)) {
	enter := func(a arrival) {
		if phases := p.Knock(a.addr, a.port, now); len(phases) > 0 && entered != nil {
			entered(a, phases)
		}
	}
	late := slices.Clone(b.late)
	for n, a := range b.first {
		enter(a)
		for {
			i := p.nextKnock(late, a.addr, now)
			if i < 0 || !p.repeats(late[i].port) || !slices.Contains(b.first[:n+1], late[i]) {
				break
			}
			enter(late[i])
			late = slices.Delete(late, i, i+1)
		}
	}
	for len(late) > 0 {
		i := max(p.nextKnock(late, late[0].addr, now), 0)
		enter(late[i])
		late = slices.Delete(late, i, i+1)
	}
}

// nextKnock returns the index of the knock by which addr enters the phase after the
// highest that it is in, -1 for none.
func (p *Phases) nextKnock(late []arrival, addr netip.Addr, now time.Time) int {
	k := knock.Knocks - 1
	for k > 0 && !p.In(addr, k, now) {
		k--
	}
	return slices.Index(late, arrival{addr, p.ports[k]})
}

// repeats reports whether the sequence has the port more than once.
func (p *Phases) repeats(port uint16) bool {
	i := slices.Index(p.ports[:], port)
	return i >= 0 && slices.Contains(p.ports[i+1:], port)
}
