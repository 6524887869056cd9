package pcap

import (
	"net/netip"
	"time"

	"rapport/knock/arrivals"
)

// Side is where a capture was made.
type Side string

// The sides.
const (
	Client Side = "client"
	Server Side = "server"
)

// sideOf tells the side of a capture alone, by the directions of its SYNs if they are
// known, else by how many sources knock, and how far their packets have come.
func sideOf(c *Capture) Side {
	coming, going, fresh := 0, 0, 0
	sources := map[netip.Addr]bool{}
	for _, s := range c.segments {
		if s.kind != arrivals.SYN {
			continue
		}
		switch s.way {
		case incoming:
			coming++
		case outgoing:
			going++
		}
		if isFirst(s.ttl) {
			fresh++
		} else {
			fresh--
		}
		sources[s.src.Addr()] = true
	}
	const many = 3 // addresses of one client
	switch {
	case coming != going:
		return either(going > coming, Client, Server)
	case len(sources) > many:
		return Server
	}
	return either(fresh >= 0, Client, Server)
}

// isFirst reports whether a packet with this TTL has passed no router.
func isFirst(ttl uint8) bool { return ttl == 64 || ttl == 128 || ttl == 255 }

func either[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// order returns the client's capture and the server's. On the way from one to the other
// the TTL falls, SYNs get lost, sources are translated and answers take longer.
func order(a, b *Capture) (client, server *Capture) {
	votes := 0 // for a as the client's
	vote := func(first, second bool, weight int) {
		if first != second {
			votes += either(first, weight, -weight)
		}
	}
	for _, p := range pairs(synsOf(a), synsOf(b)) {
		if p.sent != nil && p.arrived != nil {
			vote(p.sent.ttl > p.arrived.ttl, p.sent.ttl < p.arrived.ttl, 4)
			vote(p.sent.way == outgoing, p.arrived.way == outgoing, 4)
			vote(p.arrived.way == incoming, p.sent.way == incoming, 4)
			vote(p.sent.src.Addr().IsPrivate(), p.arrived.src.Addr().IsPrivate(), 4)
		}
	}
	quickA, quickB := quickest(a), quickest(b)
	if quickA > 0 && quickB > 0 {
		vote(quickA > quickB, quickA < quickB, 3)
	}
	manyA, manyB := sources(a), sources(b)
	vote(manyA < manyB, manyA > manyB, 3)
	sideA, sideB := sideOf(a), sideOf(b)
	vote(sideA == Client, sideB == Client, 2)
	lostA, lostB := lacking(a, b), lacking(b, a)
	vote(lostA > lostB, lostA < lostB, 1)
	if votes < 0 {
		return b, a
	}
	return a, b
}

// sources counts the addresses that sent SYNs.
func sources(c *Capture) int {
	all := map[netip.Addr]bool{}
	for _, s := range c.segments {
		if s.kind == arrivals.SYN {
			all[s.src.Addr()] = true
		}
	}
	return len(all)
}

// lacking counts the SYNs of a that are not in b.
func lacking(a, b *Capture) (n int) {
	for _, p := range pairs(synsOf(a), synsOf(b)) {
		if p.arrived == nil {
			n++
		}
	}
	return n
}

// quickest is the least time between a SYN and an answer to it, 0 without one.
func quickest(c *Capture) (least time.Duration) {
	asked := map[flow]time.Time{}
	for _, s := range c.segments {
		f := flow{s.src, s.dst}
		if s.kind == arrivals.SYN {
			asked[f] = s.at
		} else if at, ok := asked[f]; ok {
			if d := s.at.Sub(at); least == 0 || d < least {
				least = max(d, 1)
			}
		}
	}
	return least
}

// flow is a SYN's source and destination.
type flow struct{ src, dst netip.AddrPort }
