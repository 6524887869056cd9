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
	clock     clock.Report // zero until the clocks were read
	egress    *egress

	// The same over the other IP family, where the name has an address of it.
	otherAddr netip.Addr
	other     *knock.Report
	otherScan *scan.Report

	rules *gate.Inspection // nil unless rules were given
}

// otherTarget is the server over the other IP family.
func (e evidence) otherTarget() knock.Target {
	e.target.Addr = netip.AddrPortFrom(e.otherAddr, e.target.Addr.Port())
	return e.target
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
		f := familyOf(e.otherAddr)
		return opening{solve.Candidate{Hour: hour, Range: e.target.Range, Variant: solve.AsGiven}, f, true, "the same handshake opens SSH over IPv" + string(f), e.other.SSH}, true
	}
	for _, s := range []struct {
		*scan.Report
		family knock.Family
	}{{e.scan, e.family()}, {e.otherScan, familyOf(e.otherAddr)}} {
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
	if e.rules != nil && e.rules.Others() == 0 {
		if h := e.rules.Candidate(); h != nil && !h.IsClients(e.target.Range) {
			return opening{*h, e.family(), false, "the server's rules were made with " + h.Made(), knock.SSH{}}, true
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
	var hours []knock.Hour
	if o, found := e.opened(); e.handshake.Opened {
		hours = append(hoursSent(e.handshake), knock.HourOf(e.now.Add(e.target.Skew)))
	} else if found {
		hours = append(hours, o.Hour)
	} else {
		return c
	}
	with := clock.Report{Schema: 1, Local: clock.LocalClock{Time: e.now}}
	if c != nil {
		with = *c
		with.Sources = slices.Clone(c.Sources)
	}
	allowed := func(h knock.Hour) clock.Interval { return clock.FromKnock(e.now, h.Sub(knock.HourOf(e.now))) }
	first, last := slices.MinFunc(hours, knock.Hour.Sub), slices.MaxFunc(hours, knock.Hour.Sub)
	with.Add(clock.NewReading(clock.SourceKnock, clock.Server, clock.Interval{Low: allowed(first).Low, High: allowed(last).High}))
	return &with
}

// hoursSent returns the hours whose sequences a handshake sent: two near the hour
// change, of which either may have opened the gate.
func hoursSent(h *knock.Report) []knock.Hour {
	all := []knock.Hour{h.Hour}
	for _, k := range knocksOf(h) {
		if k.Hour != nil && !slices.Contains(all, *k.Hour) {
			all = append(all, *k.Hour)
		}
	}
	return all
}

// knocksOf returns the knocks of all attempts of a handshake, none for nil.
func knocksOf(h *knock.Report) (all []knock.SentKnock) {
	if h != nil {
		for _, a := range h.Attempts {
			all = append(all, a.Knocks...)
		}
	}
	return all
}
