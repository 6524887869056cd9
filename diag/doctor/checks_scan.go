package doctor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"rapport/diag"
	"rapport/diag/answers"
	"rapport/diag/check"
	"rapport/diag/scan"
	"rapport/knock"
)

// search tries other hours, ranges and secret variants: the hour that the server's clock
// shows first, if a source tells it at once, and as soon as one does otherwise. Where
// that finds nothing, it makes sure that the server still answers as before.
func (x *run) search(ctx, clocks context.Context) error {
	outer := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	late := knock.SSHUnknown
	if !x.seen().AnsweredAtAll() {
		var watched context.Context
		watched, x.unwatch = context.WithCancel(ctx)
		defer x.unwatch()
		watch := x.watchRoute(watched, func(s knock.SSHState, why error) {
			late = s
			stop(why)
		})
		defer watch.Wait()
	}
	err := x.searchAll(ctx, clocks)
	switch {
	case errors.Is(err, errNoRoute):
		return nil
	case errors.Is(err, errFar):
		return x.searchFar(outer, clocks, late)
	}
	stop(nil)
	return err
}

var (
	errNoRoute = errors.New("no route to host")            // ends a search of a host that nobody is
	errFar     = errors.New("answers take longer to come") // ends one that does not wait long enough
)

// searchFar is search where the first answer came too late for the handshake, which is made again,
// now that all waits follow the round trip, if it seems to have opened SSH. The window is awaited
// before.
func (x *run) searchFar(ctx, clocks context.Context, late knock.SSHState) error {
	x.update(func(r *diag.Report) { // as if it had not begun
		r.Evidence.Scan = nil
		r.Checks = slices.DeleteFunc(r.Checks, func(c check.Check) bool { return c.ID == check.Scan })
	})
	s := x.begin(check.Before, check.Probing, check.Args{})
	again, err := x.probeAgain(ctx, s, 0)
	switch {
	case err != nil:
		return err
	case again.State.Connected():
		s.end(check.Fail, check.SSHAnswers, check.Args{SSH: again}, nil)
		return nil
	}
	s.end(check.OK, check.SSHShut, check.Args{SSH: again}, nil)
	if again.State != late {
		o := knock.Options{Gaps: x.gaps()[:x.quickAttempts()], RTT: x.roundTrip(), Wait: x.within(quickWait(x.seen().Target.Addr.Addr()))}
		if _, err := x.knock(ctx, check.Handshake, x.seen().Target, o); err != nil || x.explained() {
			return err
		}
	}
	return x.searchAll(ctx, clocks)
}

// watchRoute probes SSH until the kernel has given up to find a neighbour with the
// address, which takes it three seconds; then the search ends. It ends too where an answer
// comes later than the handshake waited for it.
func (x *run) watchRoute(ctx context.Context, stop func(knock.SSHState, error)) *sync.WaitGroup {
	var running sync.WaitGroup
	running.Go(func() {
		r, err := x.Client.Probe(ctx, x.host.Name, x.seen().Target.Addr, knock.Options{})
		if r.SSH.State.Connected() {
			x.made.Add(1)
		}
		if rtt := time.Duration(r.SSH.RTT); err == nil && rtt > answeredWithin(x.seen().Target.Addr.Addr()) && !repeatedSYN(r.SSH) && (x.seen().Scan == nil || x.seen().Scan.Opened == nil) {
			x.learn(func(e *diag.Evidence) { e.Far = rtt })
			stop(r.SSH.State, errFar)
		}
		if errors.Is(err, knock.ErrUnreachable) {
			x.learn(func(e *diag.Evidence) { e.NoRoute = err })
			x.elsewhere.Lock() // what is found there counts
			defer x.elsewhere.Unlock()
			stop(knock.SSHUnreachable, errNoRoute)
		}
	})
	return &running
}

// searchAll is search, once it is known to make sense.
func (x *run) searchAll(ctx, clocks context.Context) error {
	s := x.begin(check.Scan, check.Scanning, check.Args{})
	job, ok := x.wholeScan(ctx)
	if !ok {
		x.clocks.Wait() // they are all that is left to learn
		s.end(check.Skipped, check.ScanTooSlow, check.Args{}, func(e *diag.Evidence) { e.GapTooWide = true })
		return nil
	}
	if c, ok := x.firstClock(ctx); ok {
		job.Clock = &c
		x.scanned(c)
	}
	last, err := x.scanOne(ctx, s, x.seen().Target, job)
	if err != nil {
		return err
	}
	if last, err = x.askClocks(ctx, clocks, last); err != nil {
		return err
	}
	if x.ownOpens() { // the control: packets that get lost look like an SSH that does not work
		if last, err = x.probeBehind(ctx, last); err != nil {
			return err
		}
	}
	if x.seen().Handshake.Opened {
		s.end(check.Warn, check.RepeatOpened, check.Args{}, nil)
		return nil
	}
	if x.seen().SlowReached() {
		s.end(check.Warn, check.SlowOpened, check.Args{}, nil)
		return nil
	}
	if o := x.seen().OtherScan; o != nil && o.Opened != nil {
		last = o
	}
	if last.Opened == nil && x.otherShut() {
		job = scan.Scan{Shut: x.seen().Other.Before.State, Spent: len(answers.Knocks(x.seen().Other)), Past: x.Past, Future: x.Future, Also: x.Also}
		if last, err = x.scanOne(ctx, s, x.seen().OtherTarget(), job); err != nil {
			return err
		}
	}
	s.end(scanStatus(last), check.Scanned, check.Args{Scan: last}, nil)
	if last.Opened == nil && time.Since(x.start)+x.within(controlProbe) < endBy {
		return x.compareAfter(ctx)
	}
	return nil
}

// scanStatus is the status of a check that scanned, nil for in vain.
func scanStatus(r *scan.Report) check.Status {
	if r == nil || r.Opened == nil || !r.Confirmed {
		return check.Warn
	}
	return check.OK
}

// wholeScan is the scan of all that may be wrong, or of as many of the likeliest hours as there
// is time for with the gap that is set here. It reports false where there is time for none.
func (x *run) wholeScan(ctx context.Context) (job scan.Scan, ok bool) {
	shut := x.seen().ShutState()
	if shut.Connected() || shut == knock.SSHUnknown {
		shut = knock.SSHFiltered
	}
	job = scan.Scan{Shut: shut, Spent: len(answers.Knocks(x.seen().Handshake)), Between: x.between(), Lossless: x.lossless(), Past: x.Past, Future: x.Future, Also: x.Also}
	// Rules that say that nothing opens are asked no more than what would show that they are wrong.
	claim := x.seen().OtherSecret() || x.seen().WrongGate() || x.seen().ShutOut()
	job.Brief = claim && x.seen().RulesProof() != diag.Refuted || x.doubtful
	if gap := x.seen().Target.Gap; gap >= wideGap {
		job.Likeliest = int((min(slowScan, restBy-time.Since(x.start)) + x.allowed(ctx)) / (wideGapsEach * gap))
		return job, job.Likeliest > 0
	}
	return job, true
}

// allowed is how much longer than usual a diagnosis may take, by its deadline.
func (x *run) allowed(ctx context.Context) time.Duration {
	const usual = 30 * time.Second
	end, bounded := ctx.Deadline()
	if !bounded {
		return 0
	}
	return max(0, end.Sub(x.start)-usual)
}

// between is what the scan of all does between its stages: at first, where nothing gets lost on a
// link, no more than what else the clocks and the other IP family say, and a pass for a strict gate.
func (x *run) between() func(context.Context) (bool, error) {
	var quick []func(context.Context) (bool, error)
	if x.nothingLost() {
		quick = append(quick, x.scanElse, x.scanStrictlyAtOnce)
	}
	return func(ctx context.Context) (bool, error) {
		if len(quick) == 0 {
			return x.repeat(ctx)
		}
		next := quick[0]
		quick = quick[1:]
		return next(ctx)
	}
}

// scanElse tries the hours that clocks have shown meanwhile, and the other IP family.
func (x *run) scanElse(ctx context.Context) (bool, error) {
	if done, err := x.scanKnownClock(ctx); done || err != nil {
		return done, err
	}
	return x.scanOther(ctx)
}

// nothingLost is lossless on a link of this machine, where all that is likely takes two seconds.
func (x *run) nothingLost() bool {
	return x.lossless() && scan.OnLink(x.seen().Target.Addr.Addr())
}

// lossless reports whether nothing suggests that packets get lost on the way: it is short, or
// all that was sent was answered at once. To a neighbour that does not answer, hardly anything is
// sent: the kernel keeps a hundred packets until it says, after three seconds, that nobody has
// the address.
func (x *run) lossless() bool {
	if x.seen().Once || x.seen().Far > 0 {
		return false
	}
	if x.seen().ShutState() == knock.SSHFiltered { // nothing is answered
		addr := x.seen().Target.Addr.Addr()
		return scan.OnLink(addr) && neighbourAnswers(addr)
	}
	silent, _ := answers.With(x.seen().Handshake, knock.Silent)
	return len(silent) == 0 && x.seen().Before.RTT > 0
}

// scanOther tries the likeliest hours over the other IP family.
func (x *run) scanOther(ctx context.Context) (done bool, err error) {
	if !x.otherShut() {
		return false, nil
	}
	job := scan.Scan{Shut: x.seen().Other.Before.State, Spent: len(answers.Knocks(x.seen().Other)), Past: min(x.Past, scan.DefaultPast), Likeliest: otherHours}
	r, err := x.scanOne(ctx, step{x, check.Scan, time.Now()}, x.seen().OtherTarget(), job)
	return err == nil && r.Opened != nil, err
}

// otherHours is how many other hours are tried over the other IP family before what is
// unlikely over the first.
const otherHours = 4

// otherShut reports whether there is a gate over the other IP family that stays shut.
func (x *run) otherShut() bool {
	return x.seen().OtherAddr.IsValid() && x.seen().Other != nil && !x.seen().Other.Before.State.Connected()
}

// ownOpens reports whether the very sequence of the handshake opened the gate in the
// scan, and SSH did not work behind it.
func (x *run) ownOpens() bool {
	s := x.seen().Scan
	return s != nil && s.Opened != nil && s.SSH.State != knock.SSHOpen && s.Opened.Offset == 0 && s.Opened.IsClients(x.seen().Target.Range) && !x.seen().StandIn
}

// probeBehind probes SSH once more while the window is open that the scan's confirmation has
// opened, and makes the handshake again where that shows nothing.
func (x *run) probeBehind(ctx context.Context, last *scan.Report) (*scan.Report, error) {
	if x.spent() {
		x.learn(func(e *diag.Evidence) { e.AcceptedOnce = true })
		return last, nil
	}
	now, err := x.probeBanner(ctx)
	if err == nil && now.State == knock.SSHOpen {
		works := *x.seen().Scan
		works.SSH = now
		x.learn(func(e *diag.Evidence) { e.Scan = &works })
		return &works, nil
	}
	x.learn(func(e *diag.Evidence) { e.AcceptedOnce = err == nil && !now.State.Connected() })
	if err == nil && len(x.seen().Handshake.Attempts) == x.quickAttempts() {
		_, err = x.repeatUsual(ctx)
	}
	return last, err
}

// scanOne scans one address. No route to the host is a result, not an error.
func (x *run) scanOne(ctx context.Context, s step, t knock.Target, job scan.Scan) (*scan.Report, error) {
	if t.Addr.Addr() == x.seen().OtherAddr {
		x.elsewhere.Lock()
		defer x.elsewhere.Unlock()
	}
	own := 0 // connections that are counted of this scan
	job.Made, job.Doubtful = func() int { return int(x.made.Load()) - own }, func() bool { return x.seen().Once }
	job.Client, job.RTT, job.Began, job.StandIn = x.Client, x.roundTrip(), x.start, x.seen().StandIn
	// Three round trips come after it: to the knock, to SSH, and to its banner.
	job.ConfirmBy = x.start.Add(min(confirmBy, endBy-time.Second-3*job.RTT) + x.allowed(ctx))
	if job.Likeliest > 0 && t.Gap > 0 { // its confirmation is slow too
		job.ConfirmBy = x.start.Add(min(restBy, endBy-knock.Knocks*t.Gap) + x.allowed(ctx))
	}
	if i := x.seen().Rules; i != nil {
		job.Proven = i.Candidate()
		job.Unguarded = i.Gate != nil && t.SweepGuard == 0
	}
	record := func(r *scan.Report) func(*diag.Evidence) {
		return func(e *diag.Evidence) {
			switch {
			case t.Addr.Addr() == e.OtherAddr:
				e.OtherScan = r
			case x.found == nil || r.Opened != nil: // else it ended as one within it found something
				e.Scan = r
			}
		}
	}
	begun, hit, behind := false, false, knock.SSHUnknown
	r, err := job.Run(ctx, t, func(r scan.Report) {
		x.made.Add(int32(r.Connections - own))
		own = r.Connections
		if !begun {
			begun = true
			x.log.Debug("scan begins", "sends", r.Announce)
		}
		x.update(func(rep *diag.Report) {
			find(rep, s.id).Args.Scan = &r
			record(&r)(&rep.Evidence)
		})
		if r.Confirming && (!hit || r.SSH.State != behind) {
			x.unwatch() // it would be one connection more
			x.guess()
			x.log.Debug("the scan has a hit", "candidate", r.Opened)
		}
		hit, behind = r.Confirming, r.SSH.State
	})
	x.log.Debug("scanned", "address", t.Addr, "candidates", r.Candidates, "packets", r.Packets, "connections", r.Connections, "result", r.Summary(), "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		r.Stopped, err = scan.Stop{Reason: scan.NoRoute}, nil
	}
	x.unsure = x.unsure || len(r.Unconfirmed) > 0 || r.Stopped.Reason == scan.NeverRepeat
	x.learn(func(e *diag.Evidence) {
		if record(&r)(e); r.Opened != nil { // the hour may have changed meanwhile
			e.Now = x.Client.Clock.Now()
		}
	})
	return &r, err
}
