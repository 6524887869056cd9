package demo

import (
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
)

// maxAddrs is how many addresses a list holds, as xt_recent's ip_list_tot by default.
// A new address replaces the oldest.
const maxAddrs = 100

// Phases is the article's five netfilter rules as a state machine: for each of the
// phases 1 to 5 a list of addresses with the time at which each was added. It does no
// I/O, and the caller gives the times. Its memory is bounded. It is not safe for
// concurrent use.
type Phases struct {
	ports  [knock.Knocks]uint16
	window time.Duration
	lists  [knock.Knocks]recent
}

// NewPhases returns empty phases for the ports of seq. An address stays in a phase
// for the window, 5 seconds in the article.
func NewPhases(seq knock.Sequence, window time.Duration) *Phases {
	return &Phases{ports: seq.Ports(), window: window}
}

// Knock plays a SYN from addr to port through the rules, in their order, and returns
// the phases that addr entered: none for a wrong port, which resets nothing. A rule
// does not end the walk: if the sequence repeats a port, one packet may enter several
// phases.
func (p *Phases) Knock(addr netip.Addr, port uint16, now time.Time) (entered []int) {
	addr = addr.Unmap()
	for k, want := range p.ports {
		if port != want {
			continue
		}
		if k > 0 {
			if !p.lists[k-1].within(addr, now, p.window) {
				continue
			}
			p.lists[k-1].remove(addr)
		}
		p.lists[k].set(addr, now)
		entered = append(entered, k+1)
	}
	return entered
}

// Open reports whether SSH is open for addr, that is, whether it is in phase 5. It
// neither ends nor extends the window.
func (p *Phases) Open(addr netip.Addr, now time.Time) bool { return p.In(addr, knock.Knocks, now) }

// In reports whether addr entered the phase (1 to 5) no longer than one window
// ago, the last instant included. It may be in several phases at once.
func (p *Phases) In(addr netip.Addr, phase int, now time.Time) bool {
	return p.lists[phase-1].within(addr.Unmap(), now, p.window)
}

// Refresh does what the article's refresh does every hour: the rules follow the
// ports of seq from now on, and every list is emptied, so that handshakes under
// way start over and open windows shut.
func (p *Phases) Refresh(seq knock.Sequence) {
	p.ports = seq.Ports()
	p.lists = [knock.Knocks]recent{}
}

// recent is one list of xt_recent, the address that was set last at its end.
type recent []stamp

type stamp struct {
	addr netip.Addr
	at   time.Time
}

func (r recent) within(addr netip.Addr, now time.Time, window time.Duration) bool {
	return slices.ContainsFunc(r, func(s stamp) bool { return s.addr == addr && now.Sub(s.at) <= window })
}

func (r *recent) remove(addr netip.Addr) {
	*r = slices.DeleteFunc(*r, func(s stamp) bool { return s.addr == addr })
}

func (r *recent) set(addr netip.Addr, now time.Time) {
	r.remove(addr)
	if len(*r) == maxAddrs {
		*r = slices.Delete(*r, 0, 1)
	}
	*r = append(*r, stamp{addr, now})
}

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
