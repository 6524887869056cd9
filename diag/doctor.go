// Package diag finds out why a server's gate does not open.
//
// [Doctor.Run] makes checks, the cheap and harmless ones first: it resolves the name,
// reads the server's rules if they are given, probes SSH without a knock, reads
// clocks, makes a handshake, compares the answers of other ports and of the other IP
// family, and scans other hours, ranges and secret variants. It stops as soon as the
// evidence suffices.
//
// The result is a [Report]. Its [Verdict] has a [Code], a summary, a fix in words,
// and a Change for the entry in the hosts file if the fix is on this side. Causes
// lists every possible [Cause] with its likelihood and evidence, the verdict's
// first. Where the evidence fits two causes alike there is a code for just that,
// such as [HourAhead]. The evidence of an [Unexplained] verdict says what is
// missing.
//
// Facts are gathered in the check files (checks.go, egress.go), collected in
// evidence.go, and judged in judge*.go, which send nothing. Package clock reads
// clocks, and package scan tries candidates.
//
// A diagnosis sends knocks of past hours, which are useless to an eavesdropper.
// Those of future hours are sent only if Doctor.Future asks for it.
package diag

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts"
)

// Doctor finds out why a server does not open.
type Doctor struct {
	// Client sends everything. Its Log gets debug records of each check too: its
	// begin and end, what was sent and what came back. They may hold banners, never
	// the secret.
	Client *knock.Client
	// Past, Future and Also are what the scan tries; see [scan.Scan].
	Past, Future int
	Also         []knock.Range
	// Rules are the server's, where they are known.
	Rules *gate.Findings
}

// Run diagnoses a server. Cheap and harmless checks come first, and their results
// decide which others follow. on, if not nil, is called with the report so far
// after every change, never concurrently. When ctx's deadline passes, Run judges
// by what it knows. When ctx is cancelled, the error is its cause, and the report
// holds what was learnt by then.
func (d *Doctor) Run(ctx context.Context, h hosts.Host, secret knock.Secret, on func(Report)) (Report, error) {
	x := &run{Doctor: d, host: h, on: on, start: time.Now(), log: cmp.Or(d.Client.Log, slog.New(slog.DiscardHandler))}
	x.e = evidence{now: x.start, target: h.Target(), past: d.Past, future: d.Future}
	x.e.target.Secret = secret
	if d.Client.Clock != nil {
		x.e.now = d.Client.Clock()
	}
	x.report = Report{Schema: 1, Host: h.Name, Causes: []Cause{}, Checks: []Check{}, At: x.e.now}
	err := x.checks(ctx)
	x.clocks.Wait()
	if err != nil {
		why := "ended early"
		switch {
		case errors.Is(err, knock.ErrSend) && ctx.Err() == nil:
			x.e.noRouteErr, err = err, nil // this machine has no route to the host
			why = "this machine cannot send to the host"
		case errors.Is(err, context.DeadlineExceeded):
			err, why = nil, "out of time"
		}
		x.update(func(r *Report) {
			for i, c := range r.Checks {
				if c.Status == Running {
					r.Checks[i].Status, r.Checks[i].Summary = Skipped, why
				}
			}
		})
	}
	if err != nil {
		return x.report, err
	}
	verdict, causes := x.e.judge()
	x.log.Debug("verdict", "code", verdict.Code, "summary", verdict.Summary)
	if x.Rules == nil {
		x.skip(CheckRules, "the server's rules were not given", "not given")
	}
	for _, id := range []string{CheckName, CheckRules, CheckBefore, CheckLocal, CheckServer, CheckHandshake, CheckFamily, CheckEgress, CheckScan} {
		x.skip(id, "not needed: "+string(verdict.Code))
	}
	x.update(func(r *Report) {
		r.Verdict, r.Causes, r.Done = verdict, causes, true
		r.Clock = x.e.withKnock(r.Clock)
	})
	return x.report, nil
}

// run is one call of Run.
type run struct {
	*Doctor
	host  hosts.Host
	on    func(Report)
	start time.Time
	log   *slog.Logger
	e     evidence

	clocks   sync.WaitGroup // for the goroutine that reads the clocks, and sets these
	clock    clock.Report
	clockErr error

	mu     sync.Mutex // of report, which the clocks' goroutine changes too
	report Report
}

// update changes the report and passes a copy to on.
func (x *run) update(change func(*Report)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(&x.report)
	x.report.Elapsed = knock.Millis(time.Since(x.start))
	if x.on != nil { // later progress must not change what it gets
		copied := x.report
		copied.Checks, copied.Causes = slices.Clone(copied.Checks), slices.Clone(copied.Causes)
		x.on(copied)
	}
}

// step is a check under way.
type step struct {
	x     *run
	id    string
	start time.Time
}

func (x *run) begin(id, doing string) step {
	x.log.Debug("check begins", "check", id, "doing", doing)
	x.update(func(r *Report) { r.Checks = append(r.Checks, Check{ID: id, Status: Running, Summary: doing}) })
	return step{x, id, time.Now()}
}

// end gives the check its status and summary; change, if not nil, adds what was
// learnt to the report, and short is for [Check.Short].
func (s step) end(status Status, summary string, change func(*Report), short ...string) {
	s.x.log.Debug("check ends", "check", s.id, "status", status, "summary", summary, "elapsed", time.Since(s.start))
	s.x.update(func(r *Report) {
		*r.check(s.id) = Check{s.id, status, summary, knock.Millis(time.Since(s.start)), short}
		if change != nil {
			change(r)
		}
	})
}

// skip says why a check is not made, unless it has begun or was skipped before.
func (x *run) skip(id, why string, short ...string) {
	x.update(func(r *Report) {
		if r.check(id) == nil {
			x.log.Debug("check skipped", "check", id, "why", why)
			r.Checks = append(r.Checks, Check{ID: id, Status: Skipped, Summary: why, Short: short})
		}
	})
}

func (x *run) checks(ctx context.Context) error {
	if err := x.resolve(ctx); err != nil || x.e.nameErr != nil {
		return err
	}
	clocks, stop := context.WithCancel(ctx)
	defer stop()
	x.readClocks(clocks)
	if err := x.readRules(ctx); err != nil {
		return err
	}
	if done, err := x.probeFirst(ctx); err != nil || done {
		return err
	}
	// One attempt at first: a sweep guard forgives few wrong ports, which are better
	// spent on likely ranges and variants. A stand-in on loopback has no guard, and
	// may be late.
	gaps := x.gaps()
	if !x.e.target.Addr.Addr().IsLoopback() {
		gaps = gaps[:1]
	}
	var err error
	x.e.handshake, err = x.knock(ctx, CheckHandshake, x.e.target, gaps)
	if err != nil || x.e.noRouteErr != nil {
		return err
	}
	x.clocks.Wait()
	if x.clockErr != nil {
		return x.clockErr
	}
	x.e.clock = x.clock
	if x.explained() {
		return nil
	}
	if done, err := x.compareEgress(ctx); err != nil || done {
		return err
	}
	if x.e.otherAddr.IsValid() {
		x.e.other, err = x.knock(ctx, CheckFamily, x.e.otherTarget(), x.gaps()[:1])
		if err != nil || x.e.other.Opened {
			return err
		}
	} else {
		x.skip(CheckFamily, "there is no address of the other family", "no address to compare with")
	}
	return x.scan(ctx)
}
