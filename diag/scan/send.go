package scan

import (
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
