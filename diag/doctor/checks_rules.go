package doctor

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/answers"
	"rapport/diag/check"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/trace"
	"rapport/knock/netfilter/machine"
)

// playRules plays the handshake of the server's gate through its rules: they may shut
// this address out, or everybody, or open with wide gaps alone.
func (x *run) playRules() {
	from := answers.Sources(x.seen().Handshake)
	if x.Rules == nil || x.seen().Rules.Gate == nil || len(from) == 0 {
		return
	}
	r := trace.Request{Family: x.seen().Family()}
	x.listed(from[0])
	all := x.played(trace.Anyone, r)
	if all == nil {
		return
	}
	if !all.Opened {
		for _, gap := range slices.Backward(slowGaps) {
			wide := r
			wide.Gap = gap
			t := x.played(trace.Anyone, wide)
			if t == nil || !t.Opened {
				break // a narrower one does not open it either
			}
			all, r = t, wide
		}
	}
	x.learn(func(e *diag.Evidence) { e.Played, e.PlayedGap = all, r.Gap })
	if !all.Opened {
		return
	}
	shut := trace.ShutOut(*x.Rules, r)
	if to := x.seen().Target.Addr.Addr(); to.IsGlobalUnicast() && !inner(to) { // it sees no such address
		shut.Named = slices.DeleteFunc(shut.Named, func(p netip.Prefix) bool { return inner(p.Addr()) })
	}
	x.learn(func(e *diag.Evidence) { e.Shut = shut })
	if translated(from[0], x.seen().Target.Addr.Addr()) {
		return
	}
	opens := func(a netip.Addr) bool {
		near := r
		near.From = a
		t := x.played(trace.Run, near)
		return t == nil || t.Opened
	}
	r.From = from[0]
	here := x.played(trace.Run, r)
	network := here != nil && !here.Opened && !slices.ContainsFunc(trace.Neighbours(from[0]), opens)
	x.learn(func(e *diag.Evidence) { e.PlayedHere, e.NetworkShut = here, network })
}

// listed learns whose members the rules shut out, and whether they show this machine's address
// among them.
func (x *run) listed(from netip.Addr) {
	lists := trace.Lists(*x.Rules, x.seen().Family())
	at := slices.IndexFunc(lists, func(l trace.List) bool { return l.Has(from) != nil })
	x.learn(func(e *diag.Evidence) {
		if e.Lists = lists; at >= 0 && !translated(from, e.Target.Addr.Addr()) {
			e.Listed = &lists[at]
		}
	})
}

// playUnknocked plays a SYN to SSH through the server's rules, which may let this address in,
// and nobody else.
func (x *run) playUnknocked() {
	if x.Rules == nil || x.seen().Rules.Gate == nil {
		return
	}
	from := x.local()
	if !from.IsValid() || translated(from, x.seen().Target.Addr.Addr()) {
		return
	}
	r := trace.Request{Family: x.seen().Family(), Packets: []trace.Packet{{Proto: machine.TCP, Port: int(x.seen().Target.Addr.Port())}}}
	others := x.played(trace.Run, r)
	r.From = from
	here := x.played(trace.Run, r)
	if here == nil || others == nil {
		return
	}
	var by *trace.Hit
	if here.Opened && !others.Opened {
		_, by = here.Parts(*others)
	}
	x.learn(func(e *diag.Evidence) { e.Unknocked, e.LetIn = here, by })
}

// local returns this machine's address for the target, the zero Addr if that is not known. It
// sends nothing.
func (x *run) local() netip.Addr {
	to := x.seen().Target.Addr
	if s := x.Client.Source; s != nil {
		from, _ := s.Local(to.Addr())
		return from
	}
	c, err := net.Dial("udp", to.String())
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	from, _ := netip.ParseAddrPort(c.LocalAddr().String())
	return from.Addr().WithZone("")
}

// played plays a request through the server's rules, nil where that proves nothing.
func (x *run) played(run func(gate.Findings, trace.Request) (trace.Trace, error), r trace.Request) *trace.Trace {
	t, err := run(*x.Rules, r)
	if err != nil {
		return nil
	}
	if len(t.Unmodelled) > 0 {
		x.learn(func(e *diag.Evidence) { e.Unmodelled = t.Unmodelled })
		return nil
	}
	if t.Unanswered() {
		return nil
	}
	return &t
}

// askRules makes the handshake that the rules expect which were given, at their SSH port, where
// they show that this client's opens nothing: they are a file, and may be another server's, or
// old. done says that it opens, so that they are the server's and nothing else needs to be tried.
func (x *run) askRules(ctx context.Context) (done bool, err error) {
	e := x.seen()
	ports := x.claimedPorts()
	if ports == nil || e.StandIn {
		return false, nil
	}
	own := e.Target.Addr
	addr := netip.AddrPortFrom(own.Addr(), cmp.Or(uint16(e.OtherPort()), own.Port()))
	shut := e.ShutState()
	if addr != own {
		if shut, err = x.shutState(ctx, addr); err != nil || shut.Connected() {
			return false, err
		}
	}
	r := knock.Report{Before: knock.Before{State: shut}, SSH: knock.SSH{State: shut}}
	var packets []knock.Packet
	for _, gap := range x.gaps()[1:3] { // packets get lost
		packets = inOrder(packets, ports, max(gap, e.PlayedGap), lateProbe(addr.Addr()))
	}
	got, err := x.Client.SendBatch(ctx, addr, packets, knock.BatchOptions{Shut: shut, Wait: x.within(quickWait(addr.Addr()))}, nil)
	x.made.Add(int32(got.Connections))
	if err != nil {
		return false, unlessUnreachable(err)
	}
	if got.Hit >= 0 {
		r.SSH, r.Opened = got.SSH, got.SSH.State == knock.SSHOpen
	}
	x.log.Debug("handshake of the rules made", "address", addr, "opened", r.Opened, "ssh", r.SSH.State)
	x.learn(func(e *diag.Evidence) {
		if e.Claimed = &r; e.RulesProof() == diag.Refuted { // neither does their guard hold
			e.Target.SweepGuard = x.host.SweepGuard
		}
	})
	x.guess()
	if x.seen().RulesProof() == diag.Confirmed {
		x.skip(check.Scan, check.ScanPointless, check.Args{})
		return true, nil
	}
	if addr == own || e.Target.Window > longestWait {
		return false, nil
	}
	// Rules that are old may have opened this client's own port just now.
	now, err := x.probe(ctx, knock.Options{Timeout: x.within(firstProbe)})
	if err == nil && now.State.Connected() && !knock.Wait(ctx, x.over()) {
		err = context.Cause(ctx)
	}
	return false, err
}

// doubtRules keeps a sweep guard in the given rules from holding the search back, where what they
// expect was sent in vain: they may be another server's with the same secret. If they are this
// one's, its guard does not count the ports of other hours.
func (x *run) doubtRules() {
	e := x.seen()
	if e.Rules == nil || e.Rules.Gate == nil || e.Rules.Gate.SweepGuard == 0 || e.Rules.Candidate() == nil || e.RulesContradict() {
		return
	}
	x.doubtful = true
	x.learn(func(e *diag.Evidence) { e.Target.SweepGuard = x.host.SweepGuard })
}

// shutState is what SSH answers at an address while its gate is shut: the handshake before may
// have opened it.
func (x *run) shutState(ctx context.Context, addr netip.AddrPort) (knock.SSHState, error) {
	for again := false; ; again = true {
		r, err := x.Client.Probe(ctx, x.host.Name, addr, knock.Options{Timeout: x.within(firstProbe)})
		if r.SSH.State.Connected() {
			x.made.Add(1)
		}
		if err != nil || again || !r.SSH.State.Connected() || x.seen().Target.Window > longestWait {
			return r.SSH.State, unlessUnreachable(err)
		}
		if !knock.Wait(ctx, x.over()) {
			return r.SSH.State, context.Cause(ctx)
		}
	}
}

// claimedPorts are the ports of the handshake by which the rules say that their gate opens, to
// this client too unless a NAT changes its address, nil where this client made that handshake
// already, or cannot make it.
func (x *run) claimedPorts() (ports []uint16) {
	e := x.seen()
	if e.Played == nil || !e.Played.Opened {
		return nil
	}
	c := e.Rules.Candidate()
	fits := c != nil && c.IsClients(e.Target.Range)
	switch {
	case e.ShutOut() && (c == nil || fits && e.OtherPort() == 0):
		return nil
	case !e.ShutOut() && !e.OtherSecret() && e.OtherPort() == 0 && (!e.WrongGate() || fits):
		return nil
	}
	for _, p := range e.Played.Packets[:len(e.Played.Packets)-1] {
		if p.Proto != machine.TCP.String() {
			return nil
		}
		ports = append(ports, uint16(p.Port))
	}
	return ports
}

// lateProbe is how long after a handshake SSH is probed once more, since a gate may open late.
func lateProbe(addr netip.Addr) time.Duration {
	if scan.OnLink(addr) {
		return 100 * time.Millisecond
	}
	return 250 * time.Millisecond
}

// inOrder adds knocks at ports, and two probes of SSH behind them, late or a gap apart: packets get
// lost.
func inOrder(packets []knock.Packet, ports []uint16, gap, late time.Duration) []knock.Packet {
	late = max(late, gap)
	var at time.Duration
	if n := len(packets); n > 0 {
		at = packets[n-1].At + late
	}
	for _, port := range ports {
		packets = append(packets, knock.Packet{At: at, Port: port})
		at += gap
	}
	return append(packets, knock.Packet{At: at, Probe: true}, knock.Packet{At: at + late, Probe: true})
}

// unlessUnreachable is an error, but none where there is no route: that is evidence.
func unlessUnreachable(err error) error {
	if errors.Is(err, knock.ErrUnreachable) {
		return nil
	}
	return err
}

// sharedSpace are the addresses between a carrier and its customers, RFC 6598.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// inner reports whether an address is one of a network behind NAT.
func inner(a netip.Addr) bool { return a.IsPrivate() || sharedSpace.Contains(a) }

// translated reports whether a NAT must stand between an address of this machine and the
// server: then the server's rules never see that address, and a filter for private networks
// says nothing of this client.
func translated(from, to netip.Addr) bool {
	return inner(from) && !inner(to) && to.IsGlobalUnicast()
}
