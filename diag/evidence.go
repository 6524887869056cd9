package diag

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
)

// evidence is what a run has learnt. The verdict depends on nothing else.
type evidence struct {
	now    time.Time // of this machine, when the handshake began
	target knock.Target
	past   int // hours that a scan went back
	future int

	nameErr    error        // the name has no address
	noRouteErr error        // there is no route to the host
	others     []netip.Addr // further addresses of the name, of the same family

	before      knock.SSH // without a knock
	beforeAgain knock.SSH // the same after any earlier window ended, where before was open

	handshake *knock.Report
	scan      *scan.Report
	clock     *clock.Report
	egress    *egress

	// The same over the other IP family, where the name has an address of it.
	otherFamily knock.Family
	other       *knock.Report
	otherScan   *scan.Report

	rules *gate.Inspection // nil unless rules were given
}

// egress compares the answers of knock ports with those of other ports.
type egress struct {
	ports    []uint16 // knocks that were rejected
	answer   knock.Answer
	mixed    bool // other ports of the handshake were rejected in no attempt
	from     netip.Addr
	fromHere bool           // from is an address of this machine
	control  []knock.Answer // of ports outside the range
	// The round trips of a rejected knock and to the host; zero if not known.
	rejected, host time.Duration
}

// fromOther reports whether another machine than the host sent the rejection.
func (g egress) fromOther(host netip.Addr) bool {
	return g.from.IsValid() && g.from != host.WithZone("")
}

// tooSoon reports whether the knocks are rejected sooner than the host could.
func (g egress) tooSoon() bool {
	const measurable = 4 * time.Millisecond
	return g.rejected > 0 && g.host > measurable && g.rejected < g.host/4
}

// rangeOnly reports whether ports outside the range are answered differently.
// Hosts limit the ICMP errors that they send, so silence next to ICMP errors
// proves nothing.
func (g egress) rangeOnly() bool {
	if len(g.control) == 0 {
		return false
	}
	for _, a := range g.control {
		if a == g.answer || a == knock.Silent && g.answer == knock.Unreachable {
			return false
		}
	}
	return true
}

// family is the IP family of the target.
func (e evidence) family() knock.Family { return familyOf(e.target.Addr.Addr()) }

func familyOf(a netip.Addr) knock.Family {
	if a.Is4() {
		return knock.Family4
	}
	return knock.Family6
}

// opening is a candidate that opened the gate, or that the rules prove.
type opening struct {
	solve.Candidate
	family    knock.Family
	confirmed bool
	how       string
	ssh       knock.SSH
}

// opened returns what opened the gate, or would, after the handshake failed.
func (e evidence) opened() (opening, bool) {
	hour := knock.HourOf(e.now.Add(e.target.Skew))
	if e.other != nil && e.other.Opened {
		return opening{solve.Candidate{Hour: hour, Offset: 0, Range: e.target.Range, Variant: solve.AsGiven}, e.otherFamily, true,
			fmt.Sprintf("the same handshake opens SSH over IPv%s", e.otherFamily), e.other.SSH}, true
	}
	for _, s := range []struct {
		*scan.Report
		family knock.Family
	}{{e.scan, e.family()}, {e.otherScan, e.otherFamily}} {
		// An sshd that refuses this address was reached: there is no confirmation.
		if s.Report == nil || s.Opened == nil || !s.Confirmed && s.SSH.State != knock.SSHRefusing {
			continue
		}
		how := fmt.Sprintf("of %d candidates, hour %v, range %v and the secret %s opened the gate", s.Candidates, s.Opened.Hour, s.Opened.Range, s.Opened.Variant.Words())
		if s.Confirmed {
			how += ", and did so again on its own"
		}
		return opening{*s.Opened, s.family, s.Confirmed, how, s.SSH}, true
	}
	if e.rules != nil && e.rules.Candidate() != nil && e.rules.Others() == 0 {
		h := *e.rules.Candidate()
		if (h != solve.Candidate{Hour: hour, Offset: 0, Range: e.target.Range, Variant: solve.AsGiven}) {
			return opening{h, e.family(), false, "the server's rules were made with " + e.rules.Candidate().Made(), knock.SSH{}}, true
		}
	}
	return opening{}, false
}

// withKnock adds a reading of the server's clock from the hour that opened the
// gate. It is added after the verdict, since stale rules make it wrong.
func (e evidence) withKnock(c *clock.Report) *clock.Report {
	if e.handshake == nil {
		return c
	}
	hour := knock.HourOf(e.now.Add(e.target.Skew))
	first, last := hour, hour
	if e.handshake.Opened {
		for _, h := range hoursSent(e.handshake) {
			if h.Sub(first) < 0 {
				first = h
			}
			if h.Sub(last) > 0 {
				last = h
			}
		}
	} else if o, found := e.opened(); found {
		first, last = o.Hour, o.Hour
	} else {
		return c
	}
	with := clock.Report{Schema: 1, Local: clock.LocalClock{Time: e.now}}
	if c != nil {
		with = *c
		with.Sources = slices.Clone(c.Sources)
	}
	now := knock.HourOf(e.now)
	with.Add(clock.NewReading(clock.SourceKnock, clock.Server, clock.Interval{Low: clock.FromKnock(e.now, first.Sub(now)).Low, High: clock.FromKnock(e.now, last.Sub(now)).High}))
	return &with
}

// hoursSent returns the hours whose sequences a handshake sent: two near the hour
// change, of which either may have opened the gate.
func hoursSent(h *knock.Report) []knock.Hour {
	all := []knock.Hour{h.Hour}
	for _, a := range h.Attempts {
		for _, k := range a.Knocks {
			if k.Hour != nil && !slices.Contains(all, *k.Hour) {
				all = append(all, *k.Hour)
			}
		}
	}
	return all
}
