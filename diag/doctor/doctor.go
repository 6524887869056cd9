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
// three times as long. Further attempts come right after the likeliest candidates; where packets
// hardly get lost, after the ranges and secret variants that people use, and on a link of this
// machine after a pass for a strict gate.
//
// A diagnosis sends knocks of past hours, which are useless to an eavesdropper once the
// server's hour has ended. Those of future hours are sent only if Doctor.Future asks for it.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rapport/diag"
	"rapport/diag/check"
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
	x := &run{Doctor: d, host: h, on: on, start: time.Now(), log: cmp.Or(d.Client.Log, slog.New(slog.DiscardHandler)), told: make(chan struct{}, 1), hours: map[knock.Hour]bool{}, unwatch: func() {}}
	e := diag.Evidence{Now: d.Client.Clock.Now(), Target: h.Target(), Past: d.Past, Future: d.Future}
	e.Target.Secret = secret
	x.report.Schema, x.report.Host, x.report.At, x.report.Evidence = 1, h.Name, e.Now, e
	x.report.Causes, x.report.Checks = []diag.Cause{}, []check.Check{}
	err := x.checks(ctx)
	x.clocks.Wait()
	if err != nil {
		why := check.EndedEarly
		switch {
		case ctx.Err() == nil && (errors.Is(err, errNoRoute) || errors.Is(err, knock.ErrUnreachable)):
			x.learn(func(e *diag.Evidence) { e.NoRoute = cmp.Or(e.NoRoute, err) })
			why = check.NoRoute
		case errors.Is(err, knock.ErrSend) && ctx.Err() == nil:
			x.learn(func(e *diag.Evidence) { e.NoRoute = err }) // this machine has no route to the host
			why = check.CannotSend
		case errors.Is(err, context.DeadlineExceeded):
			x.learn(func(e *diag.Evidence) { e.Ended = true })
			why = check.TimeOver
		}
		if x.endRunning(why); why == check.EndedEarly {
			return x.report, err
		}
	}
	x.endRunning(check.NoRoute)
	verdict, causes := x.seen().Judge()
	x.log.Debug("verdict", "code", verdict.Code, "cause", verdict.ID)
	if x.Rules == nil {
		x.skip(check.Rules, check.RulesMissing, check.Args{})
	}
	for _, id := range check.IDs() {
		x.skip(id, check.NotNeeded, check.Args{Verdict: string(verdict.Code)})
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

	told  chan struct{}       // gets a value when a source of the server's clock has answered
	hours map[knock.Hour]bool // that clocks showed, and a scan had

	elsewhere sync.Mutex // held while the other IP family is scanned
	unwatch   func()     // ends the watch for a route that a search may have

	quick    int  // attempts of the first handshake
	unsure   bool // a scan had hits that did not repeat
	doubtful bool // the given rules have a sweep guard, and what they expect was sent in vain

	made atomic.Int32 // connections to SSH

	strictly bool         // hours were tried as at a strict gate
	found    *scan.Report // a scan of the hours that the clocks show, or a slow one, if it opened the gate

	mu     sync.Mutex // of report, which the clocks' goroutine changes too
	report diag.Report
}

// endRunning ends the checks that still run.
func (x *run) endRunning(why check.Code) {
	x.update(func(r *diag.Report) {
		for i, c := range r.Checks {
			if c.Status == check.Running {
				r.Checks[i].Status, r.Checks[i].Code = check.Skipped, why
			}
		}
	})
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

func (x *run) begin(id string, doing check.Code, a check.Args) step {
	x.log.Debug("check begins", "check", id, "doing", doing)
	x.update(func(r *diag.Report) {
		c := check.Check{ID: id, Status: check.Running, Code: doing, Args: a}
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
func (s step) end(status check.Status, code check.Code, a check.Args, learnt func(*diag.Evidence)) {
	s.x.log.Debug("check ends", "check", s.id, "status", status, "result", code, "elapsed", time.Since(s.start))
	s.x.update(func(r *diag.Report) {
		*find(r, s.id) = check.Check{ID: s.id, Status: status, Code: code, Args: a, Elapsed: knock.Millis(time.Since(s.start))}
		if learnt != nil {
			learnt(&r.Evidence)
		}
	})
}

// skip says why a check is not made, unless it has begun or was skipped before.
func (x *run) skip(id string, why check.Code, a check.Args) {
	x.update(func(r *diag.Report) {
		if find(r, id) == nil {
			x.log.Debug("check skipped", "check", id, "why", why)
			r.Checks = append(r.Checks, check.Check{ID: id, Status: check.Skipped, Code: why, Args: a})
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
	switch done, err := x.probeFirst(ctx); {
	case err != nil:
		return err
	case done && x.seen().Outcome() == diag.OpensUnknocked:
		return x.probeOther(ctx)
	case done:
		return nil
	}
	if x.seen().NoRoute == nil {
		// A stand-in on loopback has no guard, and may be late.
		o := knock.Options{Gaps: x.gaps(), RTT: x.roundTrip()}
		if !x.seen().StandIn {
			o.Gaps, o.Wait = o.Gaps[:x.quickAttempts()], quickWait(x.seen().Target.Addr.Addr())
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
	return x.whyShut(ctx, clocks)
}

// whyShut makes the checks that come after a handshake that did not open SSH.
func (x *run) whyShut(ctx, clocks context.Context) error {
	if err := x.controlSilence(ctx); err != nil {
		return err
	}
	x.playRules()
	x.guess()
	if x.explained() {
		if opened, err := x.tryFamily(ctx); err != nil || opened {
			return err
		}
		if err := x.controls(ctx); err != nil || x.seen().Limited == knock.SSHUnknown {
			return err
		}
		return x.searchBehindLimit(ctx)
	}
	if done, err := x.askRules(ctx); err != nil || done {
		return err
	}
	x.doubtRules()
	gap := x.seen().PlayedGap // the rules say why it failed
	if x.seen().LooksLimited() && !x.seen().StandIn && !x.seen().Target.Strict {
		gap = max(gap, slowGaps[0])
	}
	if gap > x.seen().Target.Gap {
		if _, reached, err := x.slowly(ctx, gap); err != nil || reached {
			return err
		}
	}
	x.readServer(clocks, clock.DefaultTimeout, clock.SourceHTTP, clock.SourceHTTPS, clock.SourceNTP, clock.SourceSMTP, clock.SourceICMP)
	blocked, err := x.compareEgress(ctx)
	if err != nil {
		return err
	}
	if opened, err := x.tryFamily(ctx); err != nil || opened {
		return err
	}
	if blocked {
		return x.searchBeside(ctx)
	}
	if err := x.search(ctx, clocks); err != nil || x.seen().Outcome() != diag.RouteFails {
		return err
	}
	return x.tryElsewhere(ctx)
}

// quickAttempts is how many attempts of the handshake come before the scan: a second one
// would take from a scan what a sweep guard forgives, and
// makes needless connections to an SSH that accepts without a knock. With a gap of seconds it
// would take the time of the likeliest hour.
func (x *run) quickAttempts() int {
	const gap = time.Second
	if x.quick > 0 { // what was made, whatever is learnt of a guard since
		return x.quick
	}
	x.quick = 2
	if t := x.seen().Target; t.SweepGuard > 0 || t.Gap >= gap || x.seen().BeforeAgain.State.Connected() {
		x.quick = 1
	}
	return x.quick
}

// openWait is how long the clocks of a server that opens are read: they decide nothing.
const openWait = time.Second

// quickWait is how long the first handshake to an address waits for SSH. From a link of this
// machine an answer comes at once, unless the gate opens late.
func quickWait(to netip.Addr) time.Duration {
	if scan.OnLink(to) {
		return 450 * time.Millisecond
	}
	return 950 * time.Millisecond
}

// answeredWithin is the round trip up to which that handshake sees an answer: its first attempt
// waits for the second one too.
func answeredWithin(to netip.Addr) time.Duration {
	if scan.OnLink(to) {
		return 750 * time.Millisecond
	}
	return diag.AnsweredWithin
}

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
func find(r *diag.Report, id string) *check.Check {
	for i := range r.Checks {
		if r.Checks[i].ID == id {
			return &r.Checks[i]
		}
	}
	return nil
}
