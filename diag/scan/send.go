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

// mostServices is how many ports of a range may answer by themselves.
const mostServices = 4

// send sends packets. An answer after which a scan makes no sense ends it, and is
// recorded in the report.
func (r *scanRun) send(ctx context.Context, packets []knock.Packet, o knock.BatchOptions, sent func(packet int)) (knock.BatchReport, error) {
	whole := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.refused = 0
	accepted, rejected, why := 0, 0, Stop{}
	end := func(reason StopReason, from netip.Addr) {
		why = Stop{Reason: reason, From: from}
		stop(errStop)
	}
	v, err := r.Client.SendBatch(ctx, r.target.Addr, packets, o, func(s knock.PacketReport) {
		switch {
		case s.Answer == knock.Pending:
			if !packets[s.Index].Probe {
				r.budget.spend(1, time.Now())
			}
			sent(s.Index)
			r.notify(false)
		case packets[s.Index].Probe:
		case s.Answer == knock.Refused:
			r.refused++
		case s.Answer == knock.Open && !r.target.Addr.Addr().IsLoopback():
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
