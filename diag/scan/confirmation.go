package scan

import (
	"cmp"
	"context"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/solve"
)

const (
	// confirmGap is the time between the knocks of a confirmation: it has to be
	// right rather than quick.
	confirmGap = 50 * time.Millisecond
	// nearest is the least time between the fifth knock and the probes around it.
	nearest = 10 * time.Millisecond
)

// confirmation is a handshake of one candidate and its probes. controls is how many
// packets end with the last probe before the fifth knock: what opened it then is another.
// soon is the index of the first probe that is not right after that knock. The shorter the
// time between, the less likely somebody else's handshake falls into it; no packet may
// overtake another by as much.
func (r *scanRun) confirmation(c solve.Candidate) (packets []knock.Packet, controls, soon int) {
	gap := max(confirmGap, r.target.Gap)
	near := r.near()
	switch {
	case r.StandIn:
		return r.standInConfirmation(c, gap)
	case gap > confirmGap:
		return r.slowConfirmation(c, gap)
	}
	add := func(at time.Duration, port uint16) {
		packets = append(packets, knock.Packet{At: at, Port: port, Probe: port == 0})
	}
	add(0, 0)
	at := time.Duration(0)
	ports := c.Variant.Ports(c.Hour, c.Range, r.target.Secret)
	for k, port := range ports {
		if at += gap; k == knock.Knocks-1 {
			for range 2 + r.more { // one may get lost
				add(at, 0)
				at += near / 2
			}
			controls = len(packets)
			at += near / 2
		}
		copies := 2 + r.more // one lost packet must not cost a window more
		if r.target.Strict {
			copies = 1
		}
		switch fourth := ports[knock.Knocks-2]; { // where the last two are one, it may open the gate
		case k == knock.Knocks-2 && port == ports[k+1]:
			continue
		case k == knock.Knocks-1 && port == fourth:
			copies = max(copies, 2)
		}
		for n := range copies {
			add(at+time.Duration(n)*near/time.Duration(copies), port)
		}
	}
	for n := range 3 + r.more {
		add(at+near+time.Duration(n)*near/2, 0)
	}
	soon = len(packets)
	add(at+3*gap, 0) // a gate may be late
	add(at+8*gap, 0)
	return packets, controls, soon
}

// near is the time between a fifth knock and the probes around it.
func (r *scanRun) near() time.Duration {
	rtt := time.Duration(cmp.Or(r.report.SSH.RTT, knock.Measure(r.RTT)))
	return min(max(rtt, nearest), confirmGap)
}

// standInConfirmation is [scanRun.confirmation] for a stand-in, which may be late.
func (r *scanRun) standInConfirmation(c solve.Candidate, gap time.Duration) (packets []knock.Packet, controls, soon int) {
	at := gap
	packets = []knock.Packet{{Probe: true}}
	for _, port := range c.Variant.Ports(c.Hour, c.Range, r.target.Secret) {
		packets = append(packets, knock.Packet{At: at, Port: port})
		if gap == confirmGap && !r.target.Strict {
			packets = append(packets, knock.Packet{At: at + gap/2, Port: port})
		}
		at += gap
	}
	soon = len(packets) + 1
	for _, d := range [...]time.Duration{0, 2, 7} {
		packets = append(packets, knock.Packet{At: at + d*gap, Probe: true})
	}
	return packets, 1, soon
}

// slowConfirmation is [scanRun.confirmation] for a network that limits SYNs. The probe
// right before the fifth knock is one SYN more: a gap without any makes room for it.
func (r *scanRun) slowConfirmation(c solve.Candidate, gap time.Duration) (packets []knock.Packet, controls, soon int) {
	at := time.Duration(0)
	add := func(port uint16) { packets = append(packets, knock.Packet{At: at, Port: port, Probe: port == 0}) }
	near := r.near()
	inside := 2*gap+near < r.target.Window
	if !inside {
		add(0)
		controls, at = 1, gap
	}
	for k, port := range c.Variant.Ports(c.Hour, c.Range, r.target.Secret) {
		if k == knock.Knocks-1 && inside {
			at += gap
			add(0)
			controls = len(packets)
			at += near
		}
		add(port)
		at += gap
	}
	at += gap / 4 // the limit is used up: a SYN that is a little early would be dropped
	add(0)
	soon = len(packets)
	at += gap + gap/2
	add(0)
	return packets, controls, soon
}

// spare is how long before its fifth knock a handshake of a confirmation begins.
func (r *scanRun) spare() time.Duration { return knock.Knocks * max(confirmGap, r.target.Gap) }

// Repetition is what comes of a handshake that is made again.
type Repetition int

// The repetitions.
const (
	NotAgain  Repetition = iota
	Again                // it opened SSH by its own fifth knock
	Unknocked            // SSH was open before that knock, twice where there was time
)

// Repeats makes the handshake of the client's own sequence again, and says whether it opens
// SSH as its own does: shut right before the fifth knock, open right after it. One that
// somebody else opened does not. One that opens it late has to do so twice. The fifth knock comes
// when the window is over that is open now, and the first when the gate has forgotten the fourth of
// the handshake before: one with another order of knocks opens to two handshakes in one window. Where
// packets get lost it is made once more, a window later. did.SSH is what was found open.
func (s *Scan) Repeats(ctx context.Context, t knock.Target) (how Repetition, did Report, err error) {
	t.Window = cmp.Or(t.Window, knock.DefaultWindow)
	r := scanRun{Scan: s, target: t, start: time.Now(), shut: s.Shut, pace: paceTo(t.Addr.Addr(), t.Gap, s.StandIn), budget: budget{guard: script.DefaultSweepGuard}, more: 2}
	wait, belated := r.over(), false
	forgotten := wait - time.Second/2 - 2*max(confirmGap, t.Gap) // of the fourth knock
	for {
		if !knock.Wait(ctx, max(wait-r.spare(), forgotten)) {
			return NotAgain, r.report, context.Cause(ctx)
		}
		own := solve.Candidate{Hour: knock.HourOf(s.Client.Clock.Now().Add(t.Skew)), Range: t.Range, Variant: solve.AsGiven}
		o, err := r.confirmAnyhow(ctx, own, 1)
		switch {
		case err != nil:
			return NotAgain, r.report, err
		case o == prompt, o == late && belated:
			return Again, r.report, nil
		case o == endless || o == early:
			return Unknocked, r.report, nil
		case wait > r.over() || r.lateToConfirm() || r.spentConnections(1):
			return NotAgain, r.report, nil
		}
		belated = o == late
		wait += r.spare() // the phases are to be forgotten too
	}
}
