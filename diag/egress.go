package diag

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
)

// compareEgress compares rejected knocks with ports outside the range. done says
// that this explains the failure.
func (x *run) compareEgress(ctx context.Context) (done bool, err error) {
	g := &Egress{Host: time.Duration(x.e.Before.RTT)}
	for _, a := range []knock.Answer{knock.Unreachable, knock.Refused} {
		if ports, _ := answered(x.e.Handshake, a); len(ports) > 0 {
			g.Ports, g.Answer = ports, a
			g.Mixed = a == knock.Refused && slices.ContainsFunc(knocksOf(x.e.Handshake), func(k knock.SentKnock) bool { return !slices.Contains(ports, k.Port) })
			break
		}
	}
	if len(g.Ports) == 0 {
		x.skip(CheckEgress, NoneRejected, Args{})
		return false, nil
	}
	// On loopback a stand-in accepts knocks. It refuses the one that a fault drops;
	// fewer accepted knocks than that come from another hour's sequence.
	if x.e.Target.Addr.Addr().IsLoopback() && x.e.acceptedKnocks(x.e.Handshake) < knock.Knocks-1 {
		x.skip(CheckEgress, NothingOnWay, Args{})
		return false, nil
	}
	const probeGap = 20 * time.Millisecond // so that answers come in order
	s := x.begin(CheckEgress, Comparing, Args{})
	var packets []knock.Packet
	r := x.e.Target.Range
	for _, port := range []int{r.Bottom() - 7, r.Top() + 7, r.Bottom() - 131, r.Top() + 131} {
		if port >= 1024 && port <= 65535 {
			packets = append(packets, knock.Packet{At: time.Duration(len(packets)) * probeGap, Port: uint16(port)})
		}
	}
	n := len(packets)
	g.Control = slices.Repeat([]knock.Answer{knock.Silent}, n)
	// The handshake does not say who rejects the knocks; this packet does.
	packets = append(packets, knock.Packet{At: time.Duration(n) * probeGap, Port: g.Ports[0]})
	_, err = x.Client.SendBatch(ctx, x.e.Target.Addr, packets, knock.BatchOptions{}, func(r knock.PacketReport) {
		switch {
		case r.Answer == knock.Pending:
		case r.Index < n:
			g.Control[r.Index] = r.Answer
			if rtt := time.Duration(r.RTT); g.Host == 0 || rtt > 0 && rtt < g.Host {
				g.Host = rtt
			}
		default:
			g.From, g.Rejected = r.From, time.Duration(r.RTT)
		}
	})
	if err != nil {
		return false, err
	}
	g.FromHere = g.From.IsValid() && isOwn(g.From)
	x.learn(func(e *Evidence) { e.Egress = g })
	a := Args{Egress: g, Address: x.e.Target.Addr.Addr()}
	if !x.e.blocked() {
		s.end(OK, Compared, a, nil)
		return false, nil
	}
	s.end(Fail, Compared, a, nil)
	return true, nil
}

// isOwn reports whether addr is one of this machine's.
func isOwn(addr netip.Addr) bool {
	all, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr() == addr
	})
}
