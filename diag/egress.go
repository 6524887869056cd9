package diag

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
)

// compareEgress compares rejected knocks with ports outside the range. done says
// that this explains the failure.
func (x *run) compareEgress(ctx context.Context) (done bool, err error) {
	g := &egress{host: time.Duration(x.e.before.RTT)}
	for _, a := range []knock.Answer{knock.Unreachable, knock.Refused} {
		if ports, _ := answered(x.e.handshake, a); len(ports) > 0 {
			g.ports, g.answer = ports, a
			g.mixed = a == knock.Refused && slices.ContainsFunc(knocksOf(x.e.handshake), func(k knock.SentKnock) bool { return !slices.Contains(ports, k.Port) })
			break
		}
	}
	if len(g.ports) == 0 {
		x.skip(CheckEgress, "no knock was rejected")
		return false, nil
	}
	// On loopback a stand-in accepts knocks. It refuses the one that a fault drops;
	// fewer accepted knocks than that come from another hour's sequence.
	if x.e.target.Addr.Addr().IsLoopback() && x.e.acceptedKnocks(x.e.handshake) < knock.Knocks-1 {
		x.skip(CheckEgress, "loopback: there is nothing on the way", "loopback")
		return false, nil
	}
	const probeGap = 20 * time.Millisecond // so that answers come in order
	s := x.begin(CheckEgress, "comparing with ports outside the range")
	var packets []knock.Packet
	r := x.e.target.Range
	for _, port := range []int{r.Bottom() - 7, r.Top() + 7, r.Bottom() - 131, r.Top() + 131} {
		if port >= 1024 && port <= 65535 {
			packets = append(packets, knock.Packet{At: time.Duration(len(packets)) * probeGap, Port: uint16(port)})
		}
	}
	n := len(packets)
	g.control = slices.Repeat([]knock.Answer{knock.Silent}, n)
	// The handshake does not say who rejects the knocks; this packet does.
	packets = append(packets, knock.Packet{At: time.Duration(n) * probeGap, Port: g.ports[0]})
	_, err = x.Client.SendBatch(ctx, x.e.target.Addr, packets, knock.BatchOptions{}, func(r knock.PacketReport) {
		switch {
		case r.Answer == knock.Pending:
		case r.Index < n:
			g.control[r.Index] = r.Answer
			if rtt := time.Duration(r.RTT); g.host == 0 || rtt > 0 && rtt < g.host {
				g.host = rtt
			}
		default:
			g.from, g.rejected = r.From, time.Duration(r.RTT)
		}
	})
	if err != nil {
		return false, err
	}
	g.fromHere = g.from.IsValid() && isOwn(g.from)
	x.e.egress = g
	summary := fmt.Sprintf("knocks %s, ports outside the range %s", g.answer, answerList(g.control))
	if !x.e.blocked() {
		s.end(OK, summary, nil)
		return false, nil
	}
	if g.fromOther(x.e.target.Addr.Addr()) {
		summary += fmt.Sprintf("; %s rejects them", g.from)
	}
	s.end(Fail, summary, nil)
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
