package watch

import (
	"net/netip"
	"slices"
	"time"
)

// maxAlone is how many phases an address can make by itself and still be thought
// one of several. With every further knock that leaves by it this is less likely.
const maxAlone = 2

// maxPartners is how many addresses one client can be thought to leave by. More
// that are stuck at the same time are a scan.
const maxPartners = 3

// partners returns the addresses that may be the same client as v's, its
// knocks leaving by more than one address as behind carrier NAT: they are near
// to it, began within half a window of it, as the attempts of one client do that
// tries again at once, and got stuck as it did, early inside the gate.
// The knocks that such a client lacks leave no trace: a rule that asks for a list
// counts only those who are on it. So this is never proof.
func partners(v *Visit, all map[netip.Addr]*Visit, window time.Duration) (others []netip.Addr) {
	if v.Phase > maxAlone {
		return nil
	}
	crowd := 0
	for _, o := range all {
		if o.Addr == v.Addr || o.Earlier || o.Phase == 0 || o.start.Sub(v.start).Abs() > window/2 || !sameNetwork(o.Addr, v.Addr) {
			continue
		}
		crowd++ // also who is still inside: a scan is not over all at once
		if o.State == VisitStuck && o.Phase <= maxAlone && !o.gateChanged {
			others = append(others, o.Addr)
		}
	}
	if crowd > maxPartners {
		return nil
	}
	slices.SortFunc(others, netip.Addr.Compare)
	return others
}

// sameNetwork reports whether two addresses can be of one network's pool: carriers
// hand out IPv4 from pools of up to a /16, and sites have an IPv6 /48.
func sameNetwork(a, b netip.Addr) bool {
	bits := 16
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	return err == nil && a.Is6() == b.Is6() && p.Contains(b.WithZone(""))
}
