package watch

import (
	"net/netip"
	"slices"
	"time"

	"rapport/knock/arrivals"
	"rapport/knock/netfilter/machine"
)

// maxAlone is the highest phase of an address that may be one of several of a
// client. With every further knock from it that is less likely.
const maxAlone = 2

// maxPartners is how many further addresses one client may have. More that are stuck
// at the same time are a scan.
const maxPartners = 3

// partners returns the addresses that may belong to the client of v, which knocks
// from several addresses, as behind carrier NAT. They are in the same network, began
// within half a window of it, and got stuck in an early phase too. Missing knocks
// leave no trace: a rule that checks a list counts only addresses on it. So this is
// never proof.
// all are the visits of its network.
func partners(v *Visit, all []*Visit, window time.Duration) (others []netip.Addr) {
	if v.Phase > maxAlone {
		return nil
	}
	crowd := 0
	for _, o := range all {
		if o.Addr == v.Addr || o.Earlier || o.Phase == 0 || o.start.Sub(v.start).Abs() > window/2 {
			continue
		}
		// Also addresses still inside: a scan does not end all at once.
		if crowd++; crowd > maxPartners {
			return nil
		}
		if o.State == VisitStuck && o.Phase <= maxAlone && !o.gateChanged {
			others = append(others, o.Addr)
		}
	}
	slices.SortFunc(others, netip.Addr.Compare)
	return others
}

// neighbours returns the visits of the network of an address: addresses of one pool.
func (v *Visits) neighbours(addr netip.Addr) []*Visit {
	if v.networks == nil {
		v.networks = map[netip.Prefix][]*Visit{}
		for _, one := range v.all {
			p := arrivals.Network(one.Addr)
			v.networks[p] = append(v.networks[p], one)
		}
	}
	return v.networks[arrivals.Network(addr)]
}

// counting is a reading of a counter.
type counting struct {
	at    time.Time
	count machine.Count
}

// drops are readings of the counter of dropped SYNs, around and in the time in which
// SSH is open for a visit.
type drops struct {
	before, first, last, after counting
}

// record records a reading. Readings come in order, and may come again.
func (d *drops) record(c counting, opened, end time.Time) {
	switch {
	case c.at.Before(opened.Add(-lateConnection)), c.at.After(end.Add(lateConnection)):
	case c.at.Before(opened):
		d.before = c
	case c.at.After(end):
		if d.after.at.IsZero() {
			d.after = c
		}
	default:
		if d.first.at.IsZero() {
			d.first = c
		}
		d.last = c
	}
}

// count returns how many SYNs were dropped between two readings while SSH was open.
// A busy machine may allow only one or none: then those just before and after count,
// though the client itself may have tried too early or too late.
func (d *drops) count() uint64 {
	from, to := d.first, d.last
	if from.at.Equal(to.at) {
		if !d.before.at.IsZero() {
			from = d.before
		}
		if !d.after.at.IsZero() {
			to = d.after
		}
	}
	return to.count.Since(from.count)
}
