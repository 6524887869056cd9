package diag

import (
	"context"
	"errors"
	"time"

	"rapport/diag/scan"
	"rapport/knock"
)

// scan tries other hours, ranges and secret variants. Where that finds nothing, it
// tries the other IP family too.
func (x *run) scan(ctx context.Context) error {
	if x.e.otherSecret() {
		x.skip(CheckScan, ScanPointless, Args{})
		return nil
	}
	s := x.begin(CheckScan, Scanning, Args{})
	shut := x.e.Handshake.Before.State
	if shut.Connected() {
		shut = knock.SSHFiltered
	}
	last, err := x.scanOne(ctx, s, x.e.Target, scan.Scan{Shut: shut, Spent: len(knocksOf(x.e.Handshake)), Between: x.repeat})
	x.learn(func(e *Evidence) { e.Scan = last })
	if err != nil {
		return err
	}
	if x.e.Handshake.Opened {
		s.end(Warn, RepeatOpened, Args{}, nil)
		return nil
	}
	if last.Opened == nil && x.e.OtherAddr.IsValid() && !x.e.Other.Before.State.Connected() {
		last, err = x.scanOne(ctx, s, x.e.otherTarget(), scan.Scan{Shut: x.e.Other.Before.State, Spent: len(knocksOf(x.e.Other))})
		x.learn(func(e *Evidence) { e.OtherScan = last })
		if err != nil {
			return err
		}
	}
	status := OK
	if last.Opened == nil || !last.Confirmed {
		status = Warn
	}
	s.end(status, Scanned, Args{Scan: last}, nil)
	return nil
}

// scanOne scans one address. No route to the host is a result, not an error.
func (x *run) scanOne(ctx context.Context, s step, t knock.Target, job scan.Scan) (*scan.Report, error) {
	job.Client, job.Past, job.Future, job.Also, job.Clock = x.Client, x.Past, x.Future, x.Also, x.e.Clock
	job.RTT = time.Duration(x.e.Before.RTT)
	if i := x.e.Rules; i != nil {
		job.Proven = i.Candidate()
		job.Unguarded = i.Gate != nil && t.SweepGuard == 0
	}
	other := t.Addr.Addr() == x.e.OtherAddr
	r, err := job.Run(ctx, t, func(r scan.Report) {
		if r.Packets == 0 {
			x.log.Debug("scan begins", "sends", r.Announce)
		}
		x.update(func(rep *Report) {
			rep.check(s.id).Args.Scan = &r
			if other {
				rep.Evidence.OtherScan = &r
			} else {
				rep.Evidence.Scan = &r
			}
		})
	})
	x.log.Debug("scanned", "address", t.Addr, "candidates", r.Candidates, "packets", r.Packets, "connections", r.Connections, "result", r.Summary(), "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		r.Stopped, err = scan.Stop{Reason: scan.NoRoute}, nil
	}
	return &r, err
}
