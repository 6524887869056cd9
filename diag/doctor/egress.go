package doctor

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/answers"
	"rapport/diag/check"
	"rapport/diag/scan"
	"rapport/knock"
)

// compareEgress compares rejected knocks with ports outside the range. done says
// that this explains the failure.
func (x *run) compareEgress(ctx context.Context) (done bool, err error) {
	g := &answers.Egress{Host: time.Duration(x.seen().Before.RTT)}
	for _, a := range []knock.Answer{knock.Unreachable, knock.Refused} {
		if ports, others := answers.With(x.seen().Handshake, a); len(ports) > 0 {
			// Who sends ICMP errors limits them: some of the repeated knocks get none.
			g.Ports, g.Answer, g.Whole = ports, a, others == 0 || a == knock.Unreachable && len(ports) == len(answers.Ports(x.seen().Handshake))
			break
		}
	}
	if len(g.Ports) == 0 {
		x.skip(check.Egress, check.NoneRejected, check.Args{})
		return false, nil
	}
	// On loopback a stand-in accepts knocks. It refuses the one that a fault drops;
	// fewer accepted knocks than that come from another hour's sequence.
	if x.seen().StandIn && x.seen().AcceptedKnocks(x.seen().Handshake) < knock.Knocks-1 {
		x.skip(check.Egress, check.NothingOnWay, check.Args{})
		return false, nil
	}
	s := x.begin(check.Egress, check.Comparing, check.Args{})
	if err := x.askControls(ctx, g); err != nil {
		return false, err
	}
	if soon := g.Soonest(x.seen().Handshake); len(soon) > 0 {
		g.Whole = g.Whole && len(soon) == len(g.Ports)
		g.Ports, g.Answer = soon, knock.Refused
	}
	g.FromHere = g.From.IsValid() && isOwn(g.From)
	x.learn(func(e *diag.Evidence) { e.Egress = g })
	a := check.Args{Egress: g, Address: x.seen().Target.Addr.Addr()}
	if !x.seen().Blocked() {
		s.end(check.OK, check.Compared, a, nil)
		return false, nil
	}
	s.end(check.Fail, check.Compared, a, nil)
	return true, nil
}

// searchBeside tries the likeliest candidates where a part of the knocks is rejected: a port of this
// hour's sequence that is stops no other hour's.
func (x *run) searchBeside(ctx context.Context) error {
	e := x.seen()
	if e.StandIn || !e.Egress.Some(e.Handshake, answerOf(e.ShutState())) {
		return nil
	}
	x.guess()
	s := x.begin(check.Scan, check.Scanning, check.Args{})
	job, ok := x.wholeScan(ctx)
	if !ok {
		s.end(check.Skipped, check.ScanTooSlow, check.Args{}, func(e *diag.Evidence) { e.GapTooWide = true })
		return nil
	}
	c := x.likelyClock()
	job.Clock, job.Brief, job.Between = &c, true, nil
	last, err := x.scanOne(ctx, s, e.Target, job)
	if err != nil {
		return err
	}
	s.end(scanStatus(last), check.Scanned, check.Args{Scan: last}, nil)
	return nil
}

// askControls sends to ports outside the range, and in turns to a port that was rejected
// and to ones that may be nearer to the server than any filter: the handshake does not
// say who rejected it, a packet may get lost, and on a busy machine any may be late.
func (x *run) askControls(ctx context.Context, g *answers.Egress) error {
	const probeGap = 20 * time.Millisecond // so that answers come in order
	const web = 80
	var packets []knock.Packet
	send := func(port uint16) {
		packets = append(packets, knock.Packet{At: time.Duration(len(packets)) * probeGap, Port: port})
	}
	for _, port := range x.outside() {
		send(port)
	}
	n := len(packets)
	g.Control = slices.Repeat([]knock.Answer{knock.Silent}, n)
	suspect := g.Ports[0]
	var rejected []time.Duration
	for _, k := range answers.Knocks(x.seen().Handshake) {
		if k.Answer == g.Answer && k.Rejected.IsValid() {
			g.From = k.Rejected
		}
		if rtt := time.Duration(k.RTT); k.Answer == g.Answer && rtt > 0 && (len(rejected) == 0 || rtt < rejected[0]) {
			suspect, rejected = k.Port, []time.Duration{rtt}
		}
	}
	for range 4 {
		if send(suspect); !x.seen().StandIn {
			send(web)
			send(x.seen().Target.Addr.Port())
		}
	}
	nearest := time.Duration(0) // of the controls
	o := knock.BatchOptions{Wait: x.controlWait(rejected)}
	_, err := x.Client.SendBatch(ctx, x.seen().Target.Addr, packets, o, func(r knock.PacketReport) {
		rtt := time.Duration(r.RTT)
		switch {
		case r.Answer == knock.Pending:
		case r.Index < n:
			if g.Control[r.Index] = r.Answer; rtt > 0 && r.Answer != g.Answer && (nearest == 0 || rtt < nearest) {
				nearest = rtt
			}
		case packets[r.Index].Port != suspect:
			// A router may say that a port is unreachable, but so it did at first.
			like := r.Answer != knock.Unreachable || x.seen().Before.State == knock.SSHUnreachable
			if like && rtt > 0 && (g.Host == 0 || rtt < g.Host) {
				g.Host = rtt
			}
		case r.Answer == g.Answer || r.From.IsValid():
			if r.From.IsValid() {
				g.From = r.From
			}
			if rtt > 0 {
				rejected = append(rejected, rtt)
			}
		}
	})
	if slices.Sort(rejected); len(rejected) > 0 { // one that came too soon is an accident
		g.Rejected = rejected[min(1, len(rejected)-1)]
	}
	g.Host = cmp.Or(g.Host, nearest)
	return err
}

// controlWait is how long answers to controls are awaited, where the first rejection took so long, if
// that is known.
func (x *run) controlWait(rejected []time.Duration) time.Duration {
	wait := controlProbe
	if scan.OnLink(x.seen().Target.Addr.Addr()) {
		wait = firstProbe
	}
	if len(rejected) > 0 {
		wait = max(wait, rejected[0]+rejected[0]/4+100*time.Millisecond)
	}
	return x.within(wait)
}

// outside are ports near the range, and not in it.
func (x *run) outside() (ports []uint16) {
	r := x.seen().Target.Range
	for _, port := range []int{r.Bottom() - 7, r.Top() + 7, r.Bottom() - 131, r.Top() + 131} {
		if port >= 1024 && port <= 65535 {
			ports = append(ports, uint16(port))
		}
	}
	return ports
}

// isOwn reports whether addr is one of this machine's.
func isOwn(addr netip.Addr) bool {
	all, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr() == addr
	})
}
