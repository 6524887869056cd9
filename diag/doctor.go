package diag

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts"
)

// Doctor finds out why a server does not open. The zero Doctor looks at this
// hour alone.
type Doctor struct {
	Client *knock.Client // nil is the zero Client
	// Clocks ask for the time; their Now is the client's clock if nil. The NTP
	// servers of the host are asked too.
	Clocks clock.Clocks
	// Past, Future and Also are what the scan tries; see [Scan].
	Past, Future int
	Also         []knock.Range
	// Rules are the server's, where they are known.
	Rules *gate.Found
}

// Time limits of the steps. The handshake has its own.
const (
	nameLimit   = 5 * time.Second
	beforeLimit = time.Second
	againLimit  = 4 * time.Second // something accepts: its banner may be slow
)

// Run examines a server: cheap and harmless steps first, and each result
// narrows what is worth trying next. on, if not nil, is called with the report
// so far whenever it changed, never twice at a time. Run comes to a verdict, by
// what it knows if ctx has a deadline that passes. If ctx is cancelled, its
// cause is the error, and the report holds what was learnt by then.
func (d *Doctor) Run(ctx context.Context, h hosts.Host, secret knock.Secret, on func(Report)) (Report, error) {
	client := d.Client
	if client == nil {
		client = &knock.Client{}
	}
	x := &examination{Doctor: d, client: client, host: h, on: on, start: time.Now()}
	x.e.target, x.e.past, x.e.future = h.Target(), d.Past, d.Future
	x.e.target.Secret = secret
	x.e.now = x.now()
	x.report = Report{Schema: 1, Host: h.Name, Causes: []Cause{}, Checks: []Check{}, At: x.e.now}
	err := x.run(ctx)
	x.clocks.Wait()
	switch {
	case err == nil:
	case errors.Is(err, knock.ErrSend) && ctx.Err() == nil:
		x.e.goneErr, err = err, nil // this machine knows no way there
		x.endEarly("this machine cannot send there")
	case errors.Is(err, context.DeadlineExceeded):
		err = nil
		x.endEarly("out of time")
	}
	if err != nil {
		x.endEarly("ended early")
		return x.report, err
	}
	verdict, causes := x.e.judge()
	x.skipRest(verdict)
	x.update(func(r *Report) {
		r.Verdict, r.Causes, r.Done = verdict, causes, true
		r.Clock = x.e.withKnock(r.Clock)
	})
	return x.report, nil
}

// endEarly settles the checks that are under way.
func (x *examination) endEarly(why string) {
	x.update(func(r *Report) {
		for i := range r.Checks {
			if r.Checks[i].Status == Running {
				r.Checks[i].Status, r.Checks[i].Summary = Skipped, why
			}
		}
	})
}

// examination is one call of Run under way.
type examination struct {
	*Doctor
	client *knock.Client
	host   hosts.Host
	on     func(Report)
	start  time.Time
	e      evidence
	clocks sync.WaitGroup // reads the clocks meanwhile
	asked  clockAnswer

	mu     sync.Mutex // the report changes here and where the clocks are read
	report Report
}

type clockAnswer struct {
	report clock.Report
	err    error
}

func (x *examination) now() time.Time {
	if x.client.Clock != nil {
		return x.client.Clock()
	}
	return time.Now()
}

// update changes the report and tells of it.
func (x *examination) update(change func(*Report)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(&x.report)
	x.report.Elapsed = knock.Millis(time.Since(x.start))
	if x.on != nil {
		x.on(x.report.clone())
	}
}

// step is a check under way.
type step struct {
	x     *examination
	id    string
	start time.Time
}

func (x *examination) begin(id, doing string) step {
	x.update(func(r *Report) { r.Checks = append(r.Checks, Check{ID: id, Status: Running, Summary: doing}) })
	return step{x, id, time.Now()}
}

// end settles the check; change, if not nil, notes what was learnt with it.
// short is for [Check.Short].
func (s step) end(status Status, summary string, change func(*Report), short ...string) {
	s.x.update(func(r *Report) {
		i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.ID == s.id })
		r.Checks[i] = Check{s.id, status, summary, knock.Millis(time.Since(s.start)), short}
		if change != nil {
			change(r)
		}
	})
}

// say tells what the check is doing now.
func (s step) say(doing string) {
	s.x.update(func(r *Report) {
		i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.ID == s.id })
		r.Checks[i].Summary = doing
	})
}

func (x *examination) skip(id, why string, short ...string) {
	x.update(func(r *Report) {
		if _, begun := r.Check(id); !begun {
			r.Checks = append(r.Checks, Check{ID: id, Status: Skipped, Summary: why, Short: short})
		}
	})
}

// skipRest says of every check that was not made why.
func (x *examination) skipRest(v Verdict) {
	why := "not needed: " + string(v.Code)
	if x.Rules == nil {
		x.skip(CheckRules, "the server's rules were not given", "not given")
	}
	for _, id := range []string{CheckName, CheckRules, CheckBefore, CheckLocal, CheckServer, CheckHandshake, CheckFamily, CheckEgress, CheckScan} {
		x.skip(id, why)
	}
}

func (x *examination) run(ctx context.Context) error {
	others, err := x.name(ctx)
	if err != nil || x.e.nameErr != nil {
		return err
	}
	clocks, stop := context.WithCancel(ctx)
	defer stop()
	x.readClocks(clocks)
	if err := x.readRules(ctx); err != nil {
		return err
	}
	if done, err := x.lookBefore(ctx); err != nil || done {
		return err
	}
	// Once, at first: a gate with a sweep guard forgives few knocks at wrong ports,
	// and the likeliest of other ranges and secrets are to be tried before it does
	// not any more. A stand-in on loopback has no guard, and may be late.
	gaps := x.gaps()
	if !x.e.target.Addr.Addr().IsLoopback() {
		gaps = gaps[:1]
	}
	x.e.handshake, err = x.knock(ctx, CheckHandshake, x.e.target, gaps)
	if err != nil || x.e.goneErr != nil {
		return err
	}
	x.clocks.Wait()
	if x.asked.err != nil {
		return x.asked.err
	}
	x.e.clock = &x.asked.report
	if x.settled() {
		return nil
	}
	if done, err := x.compareEgress(ctx); err != nil || done {
		return err
	}
	if others.IsValid() {
		if done, err := x.otherFamily(ctx, others); err != nil || done {
			return err
		}
	} else {
		x.skip(CheckFamily, "there is no address of the other family to compare with", "no address to compare with")
	}
	return x.scan(ctx, others)
}
