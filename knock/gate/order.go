package gate

import (
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
)

// burst is the time within which the order of knocks is not trusted. Clients
// send a handshake within about 4 ms; each port is accepted by a goroutine of
// its own, and on a busy machine these run 10 ms and more late, in any order. A
// handshake sent with gaps of 20 ms takes twice the burst.
const burst = 40 * time.Millisecond

// maxHeld bounds the knocks remembered. A handshake needs five, and on loopback
// few addresses knock within one burst.
const maxHeld = 64

// ordered is phases fed with knocks whose order may have got lost. No knock
// waits for another: each goes to the phases when it comes. If these did not
// open, but the five knocks of a whole handshake came within one burst, then
// they are taken once more in the order of the sequence. So the gate opens with
// the last knock to come, whichever that is. The price: a handshake sent within
// a burst in a wrong order opens this gate, and would not open a real one.
type ordered struct {
	phases *Phases
	held   []heldKnock
}

type heldKnock struct {
	addr netip.Addr
	port uint16
	at   time.Time
}

// knock is [Phases.Knock] for a knock that came at now.
func (o *ordered) knock(addr netip.Addr, port uint16, now time.Time) []int {
	entered := o.phases.Knock(addr, port, now)
	o.held = slices.DeleteFunc(o.held, func(h heldKnock) bool { return now.Sub(h.at) > burst })
	if len(o.held) == maxHeld {
		o.held = slices.Delete(o.held, 0, 1)
	}
	o.held = append(o.held, heldKnock{addr, port, now})
	if !slices.Contains(entered, knock.Knocks) {
		if !o.complete(addr) {
			return entered
		}
		for _, port := range o.phases.ports {
			entered = append(entered, o.phases.Knock(addr, port, now)...)
		}
	}
	o.held = slices.DeleteFunc(o.held, func(h heldKnock) bool { return h.addr == addr }) // used up
	return entered
}

// complete reports whether the knocks held from addr are a whole handshake, a
// port that repeats in the sequence as often as it does there.
func (o *ordered) complete(addr netip.Addr) bool {
	missing := slices.Clone(o.phases.ports[:])
	for _, h := range o.held {
		if i := slices.Index(missing, h.port); i >= 0 && h.addr == addr {
			missing = slices.Delete(missing, i, i+1)
		}
	}
	return len(missing) == 0
}

// refresh is [Phases.Refresh].
func (o *ordered) refresh(seq knock.Sequence) {
	o.phases.Refresh(seq)
	o.held = nil
}
