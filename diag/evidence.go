package diag

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

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
	NoRoute   error         // there is no route to the host
	Untried   []netip.Addr  // further addresses of the name, of the same family
	Elsewhere *knock.Report // the handshake at one of those, where the first does not answer

	Before      knock.SSH // without a knock
	BeforeAgain knock.SSH // the same after any earlier window ended, where Before was connected

	Clock     *clock.Report
	Handshake *knock.Report
	Scan      *scan.Report
	Egress    *Egress
	Slow      *knock.Report // a handshake with wide gaps, after the usual ones failed
	SlowHours int           // how many other hours were tried with wide gaps
	Again     bool          // the handshake, or the slow one, opened the gate twice, by its own fifth knock
	Once      bool          // one opened it, and did not when it was made again
	After     knock.SSH     // without a knock, when the scan was over
	Silenced  []string      // sources of the server's clock that answered at first, and do not now

	// AcceptsOthers says that ports outside the range accept connections as those of the
	// knocks do.
	AcceptsOthers bool

	// The same over the other IP family, where the name has an address of it.
	OtherAddr netip.Addr
	Other     *knock.Report
	OtherSSH  knock.SSH // without a knock
	OtherScan *scan.Report

	// The handshake of the server's gate played through its rules: from this machine's
	// address, and from one that the rules do not name; nil unless rules were given.
	PlayedHere, Played *trace.Trace

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

// Loopback reports whether the server is a stand-in on this machine.
func (e *Evidence) Loopback() bool { return e.Target.Addr.Addr().IsLoopback() }

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
	tried     int       // candidates of the scan that found it; 0: the rules prove it
	ssh       knock.SSH // behind the gate
}

// opened returns what opened the gate, or would, after the handshake failed.
func (e *Evidence) opened() (o opening, ok bool) {
	if e.Other != nil && e.Other.Opened {
		hour := knock.HourOf(e.Now.Add(e.Target.Skew))
		return opening{solve.Candidate{Hour: hour, Range: e.Target.Range, Variant: solve.AsGiven}, knock.FamilyOf(e.OtherAddr), true, 1, e.Other.SSH}, true
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
		return opening{c, s.family, s.Confirmed, s.Candidates, s.SSH}, true
	}
	if e.Rules != nil && e.Rules.Others() == 0 && !e.playedShut() {
		if h := e.Rules.Candidate(); h != nil && !h.IsClients(e.Target.Range) {
			return opening{*h, e.Family(), false, 0, knock.SSH{}}, true
		}
	}
	return opening{}, false
}

// unrepeated reports whether something opened the gate that did not repeat.
func (e *Evidence) unrepeated() bool {
	if e.Once || len(e.openedOnce()) > 0 {
		return true
	}
	hits := e.openedToOthers() || e.Scan != nil && e.Scan.Opened == nil && len(e.Scan.Unconfirmed) > 0
	return hits && e.Scan.Stopped.Reason != scan.Changed
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
		hours = append(hoursSent(e.Handshake), knock.HourOf(e.Now.Add(e.Target.Skew)))
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

// hoursSent returns the hours whose sequences a handshake sent: two near the hour
// change, of which either may have opened the gate.
func hoursSent(h *knock.Report) []knock.Hour {
	all := []knock.Hour{h.Hour}
	for _, k := range Knocks(h) {
		if k.Hour != nil && !slices.Contains(all, *k.Hour) {
			all = append(all, *k.Hour)
		}
	}
	return all
}

// Knocks returns the knocks of all attempts of a handshake, none for nil.
func Knocks(h *knock.Report) (all []knock.SentKnock) {
	if h != nil {
		for _, a := range h.Attempts {
			all = append(all, a.Knocks...)
		}
	}
	return all
}

// Answered returns the ports of a handshake that answered a, each once, and how
// many knocks got another answer.
func Answered(h *knock.Report, a knock.Answer) (ports []uint16, others int) {
	for _, k := range Knocks(h) {
		switch {
		case k.Answer != a:
			others++
		case !slices.Contains(ports, k.Port):
			ports = append(ports, k.Port)
		}
	}
	return ports, others
}

// answers returns the answers to the knocks of a handshake.
func answers(h *knock.Report) (all []knock.Answer) {
	for _, k := range Knocks(h) {
		all = append(all, k.Answer)
	}
	return all
}

// AnsweredAtAll reports whether the host ever answered anything.
func (e *Evidence) AnsweredAtAll() bool {
	ports, others := Answered(e.Handshake, knock.Silent)
	return others > 0 || len(ports) == 0 || e.Before.RTT > 0 || e.Clocks().Known
}

// ShutState is what SSH answered without a knock, after any earlier window ended.
func (e *Evidence) ShutState() knock.SSHState {
	s := cmp.Or(e.BeforeAgain.State, e.Before.State)
	if s == knock.SSHUnknown && e.Handshake != nil {
		s = e.Handshake.Before.State
	}
	return s
}

// AcceptedKnocks is how many knocks a stand-in on loopback accepted: it sees a
// knock only by accepting it, and refuses all other ports. Elsewhere it is 0.
func (e *Evidence) AcceptedKnocks(h *knock.Report) int {
	if !e.Loopback() {
		return 0
	}
	open, others := Answered(h, knock.Open)
	if others == 0 {
		return knock.Knocks
	}
	// A port that occurs twice counts once in open.
	sequence := knock.Derive(h.Hour, e.Target.Range, e.Target.Secret).Ports()
	slices.Sort(sequence[:])
	return len(open) + knock.Knocks - len(slices.Compact(sequence[:]))
}

// allows reports whether a clock that is off by some offset of i may be in the
// hour.
func (e *Evidence) allows(i clock.Interval, h knock.Hour) bool {
	return knock.HourOf(e.Now.Add(i.Low)).Sub(h) <= 0 && knock.HourOf(e.Now.Add(i.High)).Sub(h) >= 0
}

// wrongSkew returns the skew that the clocks show, if it differs from the entry's
// by more than a handshake covers around the hour change.
func (e *Evidence) wrongSkew() (time.Duration, bool) {
	const covered = 30 * time.Second
	c := e.Clocks()
	if i := c.Interval(); i.Low-covered <= e.Target.Skew && e.Target.Skew <= i.High+covered {
		return 0, false
	}
	return c.RoundSkew()
}

// Egress compares the answers of knock ports with those of other ports.
type Egress struct {
	Ports    []uint16 // knocks that were rejected
	Answer   knock.Answer
	Whole    bool // all knocks were, not a part
	From     netip.Addr
	FromHere bool           // From is an address of this machine
	Control  []knock.Answer // of ports outside the range
	// The round trips of a rejected knock and to the host; zero if not known.
	Rejected, Host time.Duration
}

// fromOther reports whether another machine than the host sent the rejection.
func (g *Egress) fromOther(host netip.Addr) bool {
	return g.From.IsValid() && g.From != host.WithZone("")
}

// TooSoon reports whether the knocks are rejected sooner than the host could.
func (g *Egress) TooSoon() bool {
	const measurable = 4 * time.Millisecond
	return g.Rejected > 0 && g.Host > measurable && g.Rejected < g.Host/4
}

// Soonest returns the knocks that were refused sooner than the host could.
func (g *Egress) Soonest(h *knock.Report) (ports []uint16) {
	for _, k := range Knocks(h) {
		x := Egress{Rejected: time.Duration(k.RTT), Host: g.Host}
		if k.Answer == knock.Refused && x.TooSoon() && !slices.Contains(ports, k.Port) {
			ports = append(ports, k.Port)
		}
	}
	return ports
}

// rangeOnly reports whether ports outside the range are answered differently.
// Hosts limit the ICMP errors that they send, so silence next to ICMP errors
// proves nothing.
func (g *Egress) rangeOnly() bool {
	return g.Whole && len(g.Control) > 0 && !slices.ContainsFunc(g.Control, func(a knock.Answer) bool {
		return a == g.Answer || a == knock.Silent && g.Answer == knock.Unreachable
	})
}

// Blocked reports whether something rejects the knocks and nothing else. A port or
// two that the server itself rejects are not that.
func (e *Evidence) Blocked() bool {
	g := e.Egress
	return g != nil && (e.Loopback() || g.rangeOnly() || g.TooSoon() || g.fromOther(e.Target.Addr.Addr()))
}

// Sources are those of [knock.Report.Sources], none for no handshake.
func Sources(h *knock.Report) []netip.Addr {
	if h == nil {
		return nil
	}
	return h.Sources()
}

// LastScan returns the scan of the address that was scanned last, nil for none.
func (e *Evidence) LastScan() *scan.Report { return cmp.Or(e.OtherScan, e.Scan) }

// MostOthers is how many other addresses of a name are tried.
const MostOthers = 2
