// Package doctor makes the checks of a diagnosis, in order.
//
// [Doctor.Run] makes the cheap and harmless ones first: it resolves the name, reads the
// server's rules if they are given, probes SSH without a knock, makes a handshake,
// compares the answers of other ports and of the other IP family, scans other hours,
// ranges and secret variants, and reads clocks. It stops as soon as the evidence
// suffices, and each conclusion from an answer has its control.
//
// Two quick attempts of the handshake come before the scan, not one and not more. A sweep
// guard forgives thirty wrong ports, and nobody knows yet that range and secret are
// right: the second attempt, which sends each knock twice, costs two of the candidates
// that the guard would still see. Without it a healthy server behind 20 % loss takes
// three times as long. Further attempts come right after the likeliest candidates.
//
// A diagnosis sends knocks of past hours, which are useless to an eavesdropper once the
// server's hour has ended. Those of future hours are sent only if Doctor.Future asks for it.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"rapport/diag"
	"rapport/diag/clock"
	"rapport/diag/scan"
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
func (d *Doctor) Run(ctx context.Context, h hosts.Host, secret knock.Secret, on func(diag.Report)) (diag.Report, error) {
	x := &run{Doctor: d, host: h, on: on, start: time.Now(), log: cmp.Or(d.Client.Log, slog.New(slog.DiscardHandler))}
	e := diag.Evidence{Now: d.Client.Clock.Now(), Target: h.Target(), Past: d.Past, Future: d.Future}
	e.Target.Secret = secret
	x.report.Schema, x.report.Host, x.report.At, x.report.Evidence = 1, h.Name, e.Now, e
	x.report.Causes, x.report.Checks = []diag.Cause{}, []diag.Check{}
	err := x.checks(ctx)
	x.clocks.Wait()
	if err != nil {
		why := diag.EndedEarly
		switch {
		case errors.Is(err, knock.ErrSend) && ctx.Err() == nil:
			x.learn(func(e *diag.Evidence) { e.NoRoute = err }) // this machine has no route to the host
			why = diag.CannotSend
		case errors.Is(err, context.DeadlineExceeded):
			x.learn(func(e *diag.Evidence) { e.Ended = true })
			why = diag.TimeOver
		}
		x.update(func(r *diag.Report) {
			for i, c := range r.Checks {
				if c.Status == diag.Running {
					r.Checks[i].Status, r.Checks[i].Code = diag.Skipped, why
				}
			}
		})
		if why == diag.EndedEarly {
			return x.report, err
		}
	}
	verdict, causes := x.seen().Judge()
	x.log.Debug("verdict", "code", verdict.Code, "cause", verdict.ID)
	if x.Rules == nil {
		x.skip(diag.CheckRules, diag.RulesMissing, diag.Args{})
	}
	for _, id := range diag.CheckIDs() {
		x.skip(id, diag.NotNeeded, diag.Args{Verdict: verdict.Code})
	}
	x.update(func(r *diag.Report) { r.Verdict, r.Causes, r.Done = verdict, causes, true })
	return x.report, nil
}

// run is one call of Run.
type run struct {
	*Doctor
	host  hosts.Host
	on    func(diag.Report)
	start time.Time
	log   *slog.Logger

	clocks sync.WaitGroup // for the goroutines that read the clocks

	found *scan.Report // a scan of the hours that the clocks show, or a slow one, if it opened the gate

	mu     sync.Mutex // of report, which the clocks' goroutine changes too
	report diag.Report
}

// seen is the evidence of this moment, which learn changes.
func (x *run) seen() *diag.Evidence {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.report.Evidence
	return &e
}

// update changes the report and passes a copy to on.
func (x *run) update(change func(*diag.Report)) {
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

// learn adds to the evidence.
func (x *run) learn(change func(*diag.Evidence)) {
	x.update(func(r *diag.Report) { change(&r.Evidence) })
}

// step is a check under way.
type step struct {
	x     *run
	id    string
	start time.Time
}

func (x *run) begin(id string, doing diag.CheckCode, a diag.Args) step {
	x.log.Debug("check begins", "check", id, "doing", doing)
	x.update(func(r *diag.Report) {
		c := diag.Check{ID: id, Status: diag.Running, Code: doing, Args: a}
		if had := find(r, id); had != nil { // made once more
			*had = c
		} else {
			r.Checks = append(r.Checks, c)
		}
	})
	return step{x, id, time.Now()}
}

// end gives the check its status and what happened; learnt, if not nil, adds to the
// evidence.
func (s step) end(status diag.Status, code diag.CheckCode, a diag.Args, learnt func(*diag.Evidence)) {
	s.x.log.Debug("check ends", "check", s.id, "status", status, "result", code, "elapsed", time.Since(s.start))
	s.x.update(func(r *diag.Report) {
		*find(r, s.id) = diag.Check{ID: s.id, Status: status, Code: code, Args: a, Elapsed: knock.Millis(time.Since(s.start))}
		if learnt != nil {
			learnt(&r.Evidence)
		}
	})
}

// skip says why a check is not made, unless it has begun or was skipped before.
func (x *run) skip(id string, why diag.CheckCode, a diag.Args) {
	x.update(func(r *diag.Report) {
		if find(r, id) == nil {
			x.log.Debug("check skipped", "check", id, "why", why)
			r.Checks = append(r.Checks, diag.Check{ID: id, Status: diag.Skipped, Code: why, Args: a})
		}
	})
}

// checks makes the checks, the cheap and harmless ones first.
func (x *run) checks(ctx context.Context) error {
	if err := x.resolve(ctx); err != nil || x.seen().NameError != nil {
		return err
	}
	clocks, stop := context.WithCancel(ctx)
	defer stop()
	x.readLocal(clocks)
	if err := x.readRules(ctx); err != nil {
		return err
	}
	if done, err := x.probeFirst(ctx); err != nil || done {
		return err
	}
	if x.seen().NoRoute == nil {
		// A stand-in on loopback has no guard, and may be late.
		o := knock.Options{Gaps: x.gaps(), RTT: time.Duration(x.seen().Before.RTT)}
		if !x.seen().Loopback() {
			o.Gaps, o.Wait = o.Gaps[:x.quickAttempts()], quickWait
			o.Timeout = x.Client.Plan(x.seen().Target, o).Length() + quickWait + bannerWait
		}
		if done, err := x.handshake(ctx, o); err != nil || done {
			return err
		}
	}
	if x.seen().NoRoute != nil {
		return x.tryElsewhere(ctx)
	}
	if err := x.hearAgain(ctx); err != nil {
		return err
	}
	if err := x.makeSure(ctx); err != nil {
		return err
	}
	if x.seen().Handshake.Opened {
		return x.afterOpening(ctx, clocks)
	}
	x.guess()
	if x.explained() {
		return x.controls(ctx)
	}
	x.readServer(clocks, clock.DefaultTimeout, clock.SourceHTTP, clock.SourceHTTPS, clock.SourceNTP, clock.SourceSMTP, clock.SourceICMP)
	if done, err := x.compareEgress(ctx); err != nil || done {
		return err
	}
	if opened, err := x.tryFamily(ctx); err != nil || opened {
		return err
	}
	if err := x.search(ctx, clocks); err != nil || x.seen().Outcome() != diag.RouteFails {
		return err
	}
	return x.tryElsewhere(ctx)
}

// quickAttempts is how many attempts of the handshake come before the scan: a second one
// would take half of what a sweep guard forgives from a scan that never exceeds it, and
// makes needless connections to an SSH that accepts without a knock.
func (x *run) quickAttempts() int {
	if x.seen().Target.SweepGuard > 0 || x.seen().BeforeAgain.State.Connected() {
		return 1
	}
	return 2
}

const (
	// quickWait is how long the first handshake waits for SSH.
	quickWait = 950 * time.Millisecond
	// openWait is how long the clocks of a server that opens are read: they decide
	// nothing.
	openWait = time.Second
)

// guess gives the report the verdict on what is known so far, from now on.
func (x *run) guess() {
	x.update(func(r *diag.Report) { r.Verdict, r.Causes = r.Evidence.Judge() })
}

// guessAgain is guess, once there was a guess and where there is no verdict yet.
func guessAgain(r *diag.Report) {
	if r.Verdict.Code != "" && !r.Done {
		r.Verdict, r.Causes = r.Evidence.Judge()
	}
}

// find returns the check with that ID, nil if it has not begun.
func find(r *diag.Report, id string) *diag.Check {
	for i := range r.Checks {
		if r.Checks[i].ID == id {
			return &r.Checks[i]
		}
	}
	return nil
}
