package diag

import (
	"context"
	"errors"
	"slices"
	"time"

	"rapport/diag/scan"
	"rapport/knock"
)

// gaps are the times between the knocks of each attempt of the handshake.
func (x *run) gaps() []time.Duration {
	gaps := knock.DefaultGaps()
	for i := range gaps {
		gaps[i] = max(gaps[i], x.e.target.Gap)
	}
	return gaps
}

// repeat makes the handshake with the attempts that the first one left out. The
// report covers all of them.
func (x *run) repeat(ctx context.Context) (done bool, err error) {
	first := x.e.handshake
	if len(first.Attempts) > 1 {
		return false, nil // it had all of them
	}
	o := knock.Options{Gaps: x.gaps()[1:], RTT: time.Duration(x.e.before.RTT)}
	r, err := x.Client.Knock(ctx, x.e.target, o, nil)
	if err == nil && r.Before.State.Connected() { // the scan opened it, and did not see that
		if !knock.Wait(ctx, x.e.target.Window+time.Second) {
			return false, context.Cause(ctx)
		}
		r, err = x.Client.Knock(ctx, x.e.target, o, nil)
	}
	if err != nil || r.Before.State.Connected() {
		return false, err
	}
	x.log.Debug("handshake repeated", "address", r.Address, "opened", r.Opened, "ssh", r.SSH.State)
	r.Before = first.Before
	r.Attempts = slices.Concat(first.Attempts, r.Attempts)
	r.OpenedBy += len(first.Attempts)
	x.e.handshake = &r
	x.update(func(rep *Report) { rep.Handshake = &r })
	return x.explained(), nil
}

// scan tries other hours, ranges and secret variants. Where that finds nothing, it
// tries the other IP family too.
func (x *run) scan(ctx context.Context) error {
	if x.e.rules != nil && x.e.rules.OtherSecret() {
		x.skip(CheckScan, "the rules are made with another secret")
		return nil
	}
	s := x.begin(CheckScan, "")
	shut := x.e.handshake.Before.State
	if shut.Connected() {
		shut = knock.SSHFiltered
	}
	var err error
	if x.e.scan, err = x.scanOne(ctx, s, x.e.target, scan.Scan{Shut: shut, Spent: len(knocksOf(x.e.handshake)), Between: x.repeat}); err != nil {
		return err
	}
	last := x.e.scan
	if x.e.handshake.Opened {
		s.end(Warn, "the same handshake opens it when it is repeated", func(rep *Report) { rep.Scan = last })
		return nil
	}
	if last.Opened == nil && x.e.otherAddr.IsValid() && !x.e.other.Before.State.Connected() {
		if x.e.otherScan, err = x.scanOne(ctx, s, x.e.otherTarget(), scan.Scan{Shut: x.e.other.Before.State, Spent: len(knocksOf(x.e.other))}); err != nil {
			return err
		}
		last = x.e.otherScan
	}
	status := OK
	if last.Opened == nil || !last.Confirmed {
		status = Warn
	}
	s.end(status, last.Summary(), func(rep *Report) { rep.Scan = last })
	return nil
}

// scanOne scans one address. No route to the host is a result, not an error.
func (x *run) scanOne(ctx context.Context, s step, t knock.Target, job scan.Scan) (*scan.Report, error) {
	job.Client, job.Past, job.Future, job.Also, job.Clock = x.Client, x.Past, x.Future, x.Also, x.e.clock
	job.RTT = time.Duration(x.e.before.RTT)
	if i := x.e.rules; i != nil {
		job.Proven = i.Candidate()
		job.Unguarded = i.Gate != nil && t.SweepGuard == 0
	}
	r, err := job.Run(ctx, t, func(r scan.Report) {
		if r.Packets == 0 {
			x.log.Debug("scan begins", "sends", r.Announce)
		}
		x.mu.Lock()
		x.report.Scan = &r
		x.mu.Unlock()
		s.progress(r.Progress())
	})
	x.log.Debug("scanned", "address", t.Addr, "candidates", r.Candidates, "packets", r.Packets, "connections", r.Connections, "result", r.Summary(), "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		r.Stopped, r.NoRoute, err = "no route to host", true, nil
	}
	return &r, err
}
