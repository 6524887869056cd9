package scan

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"time"

	"rapport/knock"
)

// errStop ends a batch whose answers make the rest of the scan useless.
var errStop = errors.New("the scan is over")

// mostRejections is how many probes of a silent SSH may be rejected, by a router in a moment of
// trouble.
const mostRejections = 2

// mostServices is how many ports of a range may answer by themselves.
const mostServices = 4

// send sends packets. on is called when one is sent, with [knock.Pending], and when a probe is
// answered. An answer after which a scan makes no sense ends it, and is recorded in the report.
func (r *scanRun) send(ctx context.Context, packets []knock.Packet, o knock.BatchOptions, on func(packet int, a knock.Answer)) (knock.BatchReport, error) {
	whole := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.refused, r.limited, o.Whole = 0, 0, r.target.Gap > confirmGap
	accepted, rejected, shutOut, why := 0, 0, 0, Stop{}
	hit := false
	end := func(reason StopReason, from netip.Addr) {
		why = Stop{Reason: reason, From: from}
		if reason == Changed {
			why.SSH.State = knock.SSHUnreachable
		}
		stop(errStop)
	}
	v, err := r.Client.SendBatch(ctx, r.target.Addr, packets, o, func(s knock.PacketReport) {
		if s.Answer == knock.Pending || s.Answer == knock.Open && !hit { // then it is probed for the banner
			hit, r.last = s.Answer == knock.Open && packets[s.Index].Probe, time.Now()
		}
		switch {
		case s.Answer == knock.Pending:
			if !packets[s.Index].Probe {
				r.budget.spend(1, time.Now())
			}
			on(s.Index, s.Answer)
			r.notify(false)
		case packets[s.Index].Probe && r.Limited != knock.SSHUnknown && string(s.Answer) == string(r.Limited):
			r.limited++
		case packets[s.Index].Probe:
			// A limit or a ban that rejects: to go on would only make it longer.
			if on(s.Index, s.Answer); s.Answer == knock.Unreachable && r.shut == knock.SSHFiltered {
				if shutOut++; shutOut > mostRejections {
					end(Changed, s.From)
				}
			}
		case s.Answer == knock.Refused:
			r.refused++
		case s.Answer == knock.Open && !r.StandIn:
			// A service or two of the server's own may be in the range.
			if accepted++; accepted > mostServices && 3*accepted > s.Index {
				end(OpenKnock, netip.Addr{})
			}
		case s.Answer == knock.Unreachable && r.shut != knock.SSHUnreachable:
			if rejected++; rejected > mostServices && 3*rejected > s.Index {
				end(Rejected, s.From)
			}
		}
	})
	r.report.Packets += v.Sent
	r.report.Connections += v.Connections
	if !errors.Is(err, errStop) {
		return v, err
	}
	if why.Reason == Rejected {
		// A neighbour that does not answer causes the same; a probe shows it after 3 s.
		if _, e := r.Client.Probe(whole, r.target.Host, r.target.Addr, knock.Options{Timeout: 4 * time.Second}); errors.Is(e, knock.ErrUnreachable) {
			return v, e
		}
	}
	r.report.Stopped = why
	return v, nil
}

// try sends the plan for the candidates of, and returns the index of the probe that
// found SSH open, -1 for none.
func (r *scanRun) try(ctx context.Context, p scanPlan, of []int) (int, error) {
	probes := map[int]int{}
	for n, packet := range p.probes {
		probes[packet] = of[n]
	}
	o := knock.BatchOptions{Shut: r.shutOrLimited(), Wait: r.answerWait()}
	if r.mayBeFar() {
		if o.Far = farthest; r.tries[of[0]] == 0 && r.report.Packets == 0 { // the likeliest: a later pass would take their window for its own
			o.Wait = farthest
		}
	}
	began := time.Now()
	v, err := r.send(ctx, p.packets, o, func(packet int, a knock.Answer) {
		i, ok := probes[packet]
		switch {
		case a == knock.Open:
			r.showHit(p, packet, of)
		case a == knock.Pending && ok:
			r.tries[i]++
			r.sent[i] = time.Now()
			first := r.report.Cells[i].State == Waiting
			r.report.Cells[i].State = Tried
			if first && r.beyondGuard() {
				r.report.BeyondGuard++
			}
		}
	})
	r.report.Pass += knock.Millis(time.Since(began))
	if v.Hit >= 0 && v.SSH.State == knock.SSHRefused && r.shut != knock.SSHRefused && r.refused > 0 {
		r.report.Stopped = Stop{Reason: Changed, SSH: v.SSH} // as the knocks are: nothing opened
		v.Hit = -1
	}
	if v.Hit < 0 {
		r.report.Opened, r.report.Confirming = nil, false
		return v.Hit, err
	}
	r.report.SSH = v.SSH
	if r.seen = time.Duration(v.RTT); v.SSH.RTT > 0 { // one of them may have been repeated
		r.seen = min(r.seen, time.Duration(v.SSH.RTT))
	}
	return v.Hit, err
}

// shutOrLimited is what a probe finds that shows no open gate: a refusal, if the gate refuses or a
// limit does.
func (r *scanRun) shutOrLimited() knock.SSHState {
	if r.Limited == knock.SSHRefused {
		return r.Limited
	}
	return r.shut
}

// showHit shows what the probe that SSH accepts says, before its banner, which may take a
// second.
func (r *scanRun) showHit(p scanPlan, probe int, of []int) {
	if fits := p.explain(probe); len(fits) > 0 && r.report.Opened == nil {
		r.report.Opened, r.report.Confirming = new(r.report.Cells[of[fits[0]]].Candidate), true
		r.notify(true)
	}
}

const (
	// usualWait is how long answers are awaited at most, but for a longer round trip.
	usualWait = 900 * time.Millisecond
	// farthest is the longest round trip that is reckoned with where none is known.
	farthest = 2200 * time.Millisecond
)

// answerWait is how long an answer is awaited.
func (r *scanRun) answerWait() time.Duration {
	const spare = 100 * time.Millisecond
	if rtt := cmp.Or(r.RTT, r.seen); rtt > 0 {
		return max(min(3*rtt+spare, usualWait), rtt+rtt/4+spare)
	}
	return r.pace.answer
}

// mayBeFar reports whether answers may take longer than they are awaited: nothing has shown
// the round trip yet, and the server is on none of this machine's links.
func (r *scanRun) mayBeFar() bool {
	return r.RTT == 0 && r.seen == 0 && r.pace.far && !r.target.Strict && r.target.Gap == 0
}
