package diag

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"rapport/diag/answers"
	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/trace"
	"rapport/knock/solve"
)

// Evidence is what a run has learnt: plain facts, each nil or zero until it is
// known. The verdict depends on nothing else. What the pointers point to never
// changes.
type Evidence struct {
	Now    time.Time    // of this machine, when the run began, or a scan found what opens the gate
	Target knock.Target // the server as this client knows it, and the address that is tried
	Past   int          // hours that a scan goes back
	Future int          // hours that a scan goes ahead
	Ended  bool         // the time was over before the run was
	Waited bool         // for the end of the window that the entry has, after SSH answered without a knock

	NameError error         // the name has no address
	Far       time.Duration // the round trip to SSH, where that is longer than the handshake waited
	NoRoute   error         // there is no route to the host
	OnlySSH   bool          // a router says so of SSH's port, and of no other
	Untried   []netip.Addr  // further addresses of the name, of the same family
	Elsewhere *knock.Report // the handshake at one of those, where the first does not answer

	Before      knock.SSH // without a knock
	BeforeAgain knock.SSH // the same after any earlier window ended, where Before was connected
	Later       knock.SSH // the same as late as there is time, where BeforeAgain was, and Before was not
	StandIn     bool      // the server is the demo's stand-in
	OwnAddr     bool      // it is this machine itself
	NoListener  bool      // it is, and nothing listens at SSH's port

	Clock        *clock.Report
	Handshake    *knock.Report
	Scan         *scan.Report
	Egress       *answers.Egress
	Slow         *knock.Report  // a handshake with wide gaps, after the usual ones failed
	OpenBefore   bool           // SSH was open before the knocks of a repeated handshake, which was then put off
	SlowHours    int            // how many other hours were tried with wide gaps
	Again        bool           // the handshake, or the slow one, opened the gate twice, by its own fifth knock
	Once         bool           // one opened it, and did not when it was made again
	Claimed      *knock.Report  // the handshake that the rules expect that were given, at their SSH port
	After        knock.SSH      // without a knock, when the scan was over
	Cut          bool           // there was no route to the host then
	Silenced     []string       // sources of the server's clock that answered at first, and do not now
	Limited      knock.SSHState // of SSH, while the knock ports answered as at first and SSH did not
	Awaiting     bool           // SSH accepted after the handshake, and its banner is late, and awaited still
	AcceptedOnce bool           // SSH accepted a connection, sent no banner, and that was not seen again
	Varies       knock.SSH      // what the first connection behind the gate got, where the next one got a banner
	GapTooWide   bool           // the gap that is set leaves no time for a scan

	// AcceptsOthers says that ports outside the range accept connections as those of the
	// knocks do.
	AcceptsOthers bool

	// The same over the other IP family, where the name has an address of it.
	OtherAddr netip.Addr
	Other     *knock.Report
	OtherSSH  knock.SSH // without a knock
	OtherScan *scan.Report

	// The handshake of the server's gate played through its rules: from this machine's
	// address, and from one that it opens to, if there is one; nil unless rules were given.
	PlayedHere, Played *trace.Trace
	PlayedGap          time.Duration      // with which alone it opens, if it does not at once
	NetworkShut        bool               // the addresses next to this machine's fare as that does
	Shut               trace.Shut         // whom the rules shut out
	Unmodelled         []trace.Unmodelled // for which they were not played to the end
	Lists              []trace.List       // whose members the rules shut out, but those of the phases
	Listed             *trace.List        // the one that held this machine's address when they were printed
	// A SYN to SSH alone from this machine's address, and the rule by which that comes in and
	// others do not; nil for none.
	Unknocked *trace.Trace
	LetIn     *trace.Hit

	Rules *gate.Inspection // the server's, compared with what this client has; nil unless they were given

	hidden bool // no sentence names a knock port
}

// OtherTarget is the server over the other IP family.
func (e *Evidence) OtherTarget() knock.Target {
	t := e.Target
	t.Addr = netip.AddrPortFrom(e.OtherAddr, t.Addr.Port())
	return t
}

// Family is the IP family of the target.
func (e *Evidence) Family() knock.Family { return knock.FamilyOf(e.Target.Addr.Addr()) }

// Clocks is what is known of the clocks, also where none was read.
func (e *Evidence) Clocks() clock.Report {
	if e.Clock == nil {
		return clock.Report{Schema: 1, Local: clock.LocalClock{Time: e.Now}}
	}
	return *e.Clock
}

// opening is a candidate that opened the gate, or that the rules prove.
type opening struct {
	solve.Candidate
	family    knock.Family
	confirmed bool
	awaited   bool      // its confirmation
	tried     int       // candidates of the scan that found it; 0: the rules prove it
	ssh       knock.SSH // behind the gate
}

// opened returns what opened the gate, or would, after the handshake failed.
func (e *Evidence) opened() (o opening, ok bool) {
	if e.OtherOpens() {
		hour := knock.HourOf(e.Now.Add(e.Target.Skew))
		return opening{solve.Candidate{Hour: hour, Range: e.Target.Range, Variant: solve.AsGiven}, knock.FamilyOf(e.OtherAddr), true, false, 1, e.Other.SSH}, true
	}
	for _, s := range []struct {
		*scan.Report
		family knock.Family
	}{{e.Scan, e.Family()}, {e.OtherScan, knock.FamilyOf(e.OtherAddr)}} {
		// An sshd that refuses this address was reached: there is no confirmation.
		if s.Report == nil || s.Opened == nil || !s.Confirmed && !s.StillOpen && !s.Confirming && s.SSH.State != knock.SSHRefusing {
			continue
		}
		c := *s.Opened
		c.Offset = c.Hour.Sub(knock.HourOf(e.Now.Add(e.Target.Skew)))
		return opening{c, s.family, s.Confirmed, s.Confirming, s.Candidates, s.SSH}, true
	}
	if asked := e.Claimed != nil && e.Claimed.Opened; e.Rules != nil && e.Rules.Others() == 0 && !e.playedShut() && (asked || !e.ShutOut()) {
		if h := e.Rules.Candidate(); h != nil && !h.IsClients(e.Target.Range) {
			return opening{Candidate: *h, family: e.Family(), confirmed: asked}, true
		}
	}
	return opening{}, false
}

// OtherOpens reports whether the handshake opened the gate over the other IP family, and not over
// this one, whatever SSH answers behind it; one with a banner outweighs one without.
func (e *Evidence) OtherOpens() bool {
	h := e.Other
	switch {
	case h == nil || h.Opened:
		return h != nil
	case h.Before.State.Connected() || e.SlowReached() || e.Handshake != nil && e.behindGate(e.Handshake.SSH) != "":
		return false
	}
	rejected, _ := answers.With(h, knock.Refused)
	return h.SSH.State.Connected() || h.SSH.State == knock.SSHRefused && h.Before.State != knock.SSHRefused && len(rejected) == 0
}

// unrepeated reports whether something opened the gate that did not repeat.
func (e *Evidence) unrepeated() bool {
	if e.Once || len(e.openedOnce()) > 0 {
		return true
	}
	hits := e.openedToOthers() || e.Scan != nil && e.Scan.Opened == nil && len(e.Scan.Unconfirmed) > 0
	return hits && e.Scan.Stopped.Reason != scan.Changed
}

// openedOwn reports whether the scan opened the gate with the very sequence of the handshake.
func (e *Evidence) openedOwn() bool {
	o, ok := e.opened()
	return ok && o.Offset == 0 && len(differences(e, o)) == 0 && e.Scan != nil && e.Scan.Opened != nil
}

// seemed returns what opened the gate and did not repeat: of several the first with this
// client's own range and secret.
func (e *Evidence) seemed() (c solve.Candidate, ok bool) {
	var all []solve.Candidate
	for _, r := range e.openedOnce() {
		all = append(all, *r.Opened)
	}
	if e.Scan != nil {
		all = append(all, e.Scan.Unconfirmed...)
	}
	if len(all) == 0 {
		return c, false
	}
	own := slices.IndexFunc(all, func(c solve.Candidate) bool { return c.Range == e.Target.Range && c.Variant == solve.AsGiven })
	return all[max(own, 0)], true
}

// openedOnce returns the scans with a hit that did not repeat.
func (e *Evidence) openedOnce() (all []*scan.Report) {
	for _, r := range []*scan.Report{e.Scan, e.OtherScan} {
		if r != nil && r.Opened != nil && !r.Confirmed && !r.StillOpen {
			all = append(all, r)
		}
	}
	return all
}

// withKnock returns the clocks with what the hour that opened the gate says about
// the server's. It has no vote in the verdict, since stale rules make it wrong.
func (e *Evidence) withKnock() clock.Report {
	c := e.Clocks()
	if e.Handshake == nil {
		return c
	}
	var hours []knock.Hour
	if o, found := e.opened(); e.Handshake.Opened {
		hours = append(answers.Hours(e.Handshake), knock.HourOf(e.Now.Add(e.Target.Skew)))
	} else if found {
		hours = append(hours, o.Hour)
	} else {
		return c
	}
	c.Sources = slices.Clone(c.Sources)
	allowed := func(h knock.Hour) clock.Interval { return clock.FromKnock(e.Now, h.Sub(knock.HourOf(e.Now))) }
	first, last := slices.MinFunc(hours, knock.Hour.Sub), slices.MaxFunc(hours, knock.Hour.Sub)
	c.Add(clock.NewReading(clock.SourceKnock, clock.Server, clock.Interval{Low: allowed(first).Low, High: allowed(last).High}))
	return c
}

// AnsweredAtAll reports whether the host ever answered anything.
func (e *Evidence) AnsweredAtAll() bool {
	ports, others := answers.With(e.Handshake, knock.Silent)
	return others > 0 || len(ports) == 0 || e.Before.RTT > 0 || e.Clocks().Known
}

// withoutKnock is what SSH answered without a knock, after any earlier window ended. Where it
// accepted then, a banner that was read before outweighs one that did not come, unless
// something accepted all the time, as a proxy does.
func (e *Evidence) withoutKnock() knock.SSHState {
	opened := e.Handshake != nil && e.Handshake.Opened && !e.Before.State.Connected()
	if e.BeforeAgain.State.Connected() && (e.Before.State == knock.SSHOpen || opened) {
		return knock.SSHOpen
	}
	return e.BeforeAgain.State
}

// ShutState is what SSH answered without a knock, after any earlier window ended. An answer to
// the probe right before the knocks outweighs that the first one was lost.
func (e *Evidence) ShutState() knock.SSHState {
	s := cmp.Or(e.BeforeAgain.State, e.Before.State)
	if h := e.Handshake; h != nil && (s == knock.SSHUnknown || s == knock.SSHFiltered && e.BeforeAgain.State == knock.SSHUnknown) {
		if before := h.Before.State; s == knock.SSHUnknown || before != knock.SSHUnknown && !before.Connected() {
			s = before
		}
	}
	return s
}

// AcceptedKnocks is how many knocks a stand-in on loopback accepted: it sees a
// knock only by accepting it, and refuses all other ports. Elsewhere it is 0.
func (e *Evidence) AcceptedKnocks(h *knock.Report) int {
	if !e.StandIn {
		return 0
	}
	open, others := answers.With(h, knock.Open)
	if others == 0 {
		return knock.Knocks
	}
	// A port that occurs twice counts once in open.
	sequence := knock.Derive(h.Hour, e.Target.Range, e.Target.Secret).Ports()
	slices.Sort(sequence[:])
	return len(open) + knock.Knocks - len(slices.Compact(sequence[:]))
}

// wrongSkew reports whether the clocks show another skew than the entry's.
func (e *Evidence) wrongSkew() bool { return e.Clocks().Contradicts(e.Target.Skew) }

// LooksLimited reports whether the handshake itself suggests that it was too fast: it opened the
// gate, and did not when it was made again, or the server rejected SSH at first, and then
// answered hardly anything.
func (e *Evidence) LooksLimited() bool {
	const few, promptly = 2, 900 * time.Millisecond // the kernel repeats a SYN after a second
	h := e.Handshake
	if e.Once || h == nil || len(h.Attempts) == 0 || e.ShutState() != knock.SSHRefused {
		return e.Once
	}
	if time.Duration(e.BeforeAgain.RTT) > promptly { // it is far away, and answers come late
		return false
	}
	answered := 0
	for _, k := range h.Attempts[len(h.Attempts)-1].Knocks {
		if k.Answer != knock.Silent {
			answered++
		}
	}
	return answered <= few && (h.SSH.State == knock.SSHFiltered || time.Duration(h.SSH.RTT) > promptly)
}

// Blocked reports whether something rejects the knocks and nothing else. A port or
// two that the server itself rejects are not that.
func (e *Evidence) Blocked() bool {
	g := e.Egress
	return g != nil && (e.StandIn || g.RangeOnly() || g.TooSoon() || g.FromOther(e.Target.Addr.Addr()))
}

// LastScan returns the scan of the address that was scanned last, nil for none.
func (e *Evidence) LastScan() *scan.Report { return cmp.Or(e.OtherScan, e.Scan) }

// MostOthers is how many other addresses of a name are tried.
const MostOthers = 2
