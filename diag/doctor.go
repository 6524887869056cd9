package diag

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

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
	Clocks Clocks
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
	report ClockReport
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
func (s step) end(status Status, summary string, change func(*Report)) {
	s.x.update(func(r *Report) {
		i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.ID == s.id })
		r.Checks[i] = Check{s.id, status, summary, knock.Millis(time.Since(s.start))}
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

func (x *examination) skip(id, why string) {
	x.update(func(r *Report) {
		if _, begun := r.Check(id); !begun {
			r.Checks = append(r.Checks, Check{ID: id, Status: Skipped, Summary: why})
		}
	})
}

// skipRest says of every check that was not made why.
func (x *examination) skipRest(v Verdict) {
	why := "not needed: " + string(v.Code)
	if x.Rules == nil {
		x.skip(CheckRules, "the server's rules were not given")
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
	x.e.handshake, err = x.knock(ctx, CheckHandshake, x.e.target, nil)
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
		x.skip(CheckFamily, "there is no address of the other family to compare with")
	}
	return x.scan(ctx, others)
}

// name finds the address to examine, and one of the other family if there is
// one.
func (x *examination) name(ctx context.Context) (other netip.Addr, err error) {
	lookup := x.host.Lookup()
	s := x.begin(CheckName, "looking up "+knock.Clean(lookup, 80))
	ctx2, cancel := context.WithTimeout(ctx, nameLimit)
	defer cancel()
	addr, err := x.client.Resolve(ctx2, lookup, x.host.Family)
	if ctx.Err() != nil {
		return other, context.Cause(ctx)
	}
	if err != nil {
		x.e.nameErr = err
		s.end(Fail, err.Error(), nil)
		return other, nil
	}
	x.e.target.Addr = netip.AddrPortFrom(addr, x.e.target.Addr.Port())
	summary := addr.String()
	if _, e := netip.ParseAddr(lookup); e != nil {
		x.e.others = x.otherAddresses(ctx2, lookup, addr)
		family := knock.Family4
		if addr.Is4() {
			family = knock.Family6
		}
		if other, e = x.client.Resolve(ctx2, lookup, family); e == nil {
			x.e.otherFamily = family
			summary += " and " + other.String()
		}
		if n := len(x.e.others); n > 0 {
			summary += fmt.Sprintf(", and %s that %s not tried", plural(n, "address"), map[bool]string{true: "is", false: "are"}[n == 1])
		}
	}
	s.end(OK, summary, func(r *Report) { r.Address = addr.String() })
	return other, nil
}

// otherAddresses returns the addresses of a name that have the family of addr,
// but for it.
func (x *examination) otherAddresses(ctx context.Context, name string, addr netip.Addr) []netip.Addr {
	resolver := x.client.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	all, _ := resolver.LookupNetIP(ctx, "ip"+string(familyOf(addr)), name)
	for i, a := range all {
		all[i] = a.Unmap()
	}
	return slices.DeleteFunc(all, func(a netip.Addr) bool { return a == addr })
}

// readClocks lets the clocks be read meanwhile.
func (x *examination) readClocks(ctx context.Context) {
	if x.e.target.Addr.Addr().IsLoopback() {
		// Whatever answers here tells this machine's clock, not a stand-in's.
		x.skip(CheckLocal, "loopback: there is only one clock")
		x.skip(CheckServer, "loopback: there is only one clock")
		x.asked.report.Local.Time = x.e.now
		return
	}
	c := x.Clocks
	if c.Now == nil {
		c.Now = x.now
	}
	c.NTP = append(slices.Clone(c.NTP), x.host.NTP...)
	local := step{}
	if len(c.NTP) > 0 {
		local = x.begin(CheckLocal, "asking")
	} else {
		x.skip(CheckLocal, "no NTP server is configured; --ntp HOST asks one")
	}
	server := x.begin(CheckServer, "asking "+x.e.target.Addr.Addr().String())
	x.clocks.Go(func() {
		var so ClockReport
		r, err := c.Read(ctx, x.host.Lookup(), x.e.target.Addr.Addr(), func(reading Reading) {
			so.Add(reading)
			shown := so
			x.update(func(r *Report) { r.Clock = &shown })
		})
		x.asked = clockAnswer{r, err}
		switch l := r.Local; {
		case len(c.NTP) == 0:
		case err != nil:
			local.end(Skipped, "ended early", nil)
		case l.Known && l.Offset.Abs() > time.Second+l.Uncertainty:
			local.end(Warn, fmt.Sprintf("off by %s, as NTP says", FormatOffset(-l.Offset)), nil)
		case l.Known:
			local.end(OK, fmt.Sprintf("right to %.3f s, as NTP says", (l.Offset.Abs()+l.Uncertainty).Seconds()), nil)
		default:
			local.end(Warn, "not compared: the NTP servers did not answer", nil)
		}
		noted := func(rep *Report) { rep.Clock = &r }
		switch {
		case err != nil:
			server.end(Skipped, "ended early", noted)
		case !r.Known:
			server.end(Skipped, "no source tells it", noted)
		case (r.Skew - x.e.target.Skew).Abs() > r.Uncertainty+2*time.Second:
			server.end(Warn, r.Summary(x.e.now), noted)
		default:
			server.end(OK, r.Summary(x.e.now), noted)
		}
	})
}

// readRules solves what the server's rules were made with.
func (x *examination) readRules(ctx context.Context) error {
	if x.Rules == nil {
		return nil
	}
	s := x.begin(CheckRules, "solving")
	t, hours := x.e.target, max(x.Past, x.Future, gate.DefaultHours)
	i, err := gate.Inspect(ctx, *x.Rules, gate.Puzzle{
		Secret: t.Secret, Range: t.Range, Hour: knock.HourOf(x.e.now.Add(t.Skew)), Past: hours, Future: hours,
	}, gate.Known{SSHPort: int(t.Addr.Port())})
	if err != nil {
		return err
	}
	x.e.rules = &i
	switch m := i.Match(); {
	case i.Gate == nil:
		s.end(Fail, "there is no gate in them", nil)
	case len(i.Differs) > 0:
		s.end(Fail, strings.Join(i.Differs, "; "), nil)
	case m != nil:
		s.end(OK, "they expect this client's sequence", nil)
	case i.OtherSecret():
		s.end(Fail, "made with another secret, whatever the hour and range", nil)
	default:
		s.end(Skipped, "they do not tell their ports", nil)
	}
	x.update(func(r *Report) { r.Rules = &i })
	return nil
}

// lookBefore looks whether SSH answers without a knock. done says that this
// explains all.
func (x *examination) lookBefore(ctx context.Context) (done bool, err error) {
	s := x.begin(CheckBefore, "looking at SSH without a knock")
	look := func(limit time.Duration) (knock.SSH, error) {
		r, err := x.client.Probe(ctx, x.host.Name, x.e.target.Addr, knock.Options{Timeout: limit})
		if errors.Is(err, knock.ErrUnreachable) {
			x.e.goneErr, err = err, nil
		}
		return r.SSH, err
	}
	if x.e.before, err = look(beforeLimit); err != nil {
		return false, err
	}
	if state := x.e.before.State; state == knock.SSHOpen || state == knock.SSHSilent {
		// An earlier handshake's window may still be open, on a path that is too
		// slow for a banner within the limit.
		s.say("SSH's port accepts: waiting for the window to end")
		if !sleep(ctx, x.e.target.Window+time.Second) {
			return false, context.Cause(ctx)
		}
		if x.e.again, err = look(againLimit); err != nil {
			return false, err
		}
	}
	now := x.e.before
	if x.e.again.State != knock.SSHUnknown {
		now = x.e.again
	}
	switch {
	case x.e.goneErr != nil:
		s.end(Fail, x.e.goneErr.Error(), nil)
		return true, nil
	case x.e.again.State == knock.SSHOpen:
		s.end(Fail, "SSH is open with no knock", nil)
		return true, nil
	case now.State == knock.SSHRefusing:
		s.end(Fail, now.Summary(), nil)
		return true, nil
	case now.State.Connected():
		s.end(Warn, now.Summary(), nil)
	case now.RTT > 0:
		s.end(OK, fmt.Sprintf("SSH is %s without a knock, after %.1f ms", now.State, time.Duration(now.RTT).Seconds()*1000), nil)
	default:
		s.end(OK, fmt.Sprintf("SSH is %s without a knock", now.State), nil)
	}
	return false, nil
}

// knock makes a handshake. That there is no way to the host is evidence, not an
// error.
func (x *examination) knock(ctx context.Context, id string, t knock.Target, gaps []time.Duration) (*knock.Report, error) {
	s := x.begin(id, "five knocks")
	note := func(rep *Report, r *knock.Report) {
		if id == CheckFamily {
			rep.Other = r
		} else {
			rep.Handshake = r
		}
	}
	r, err := x.client.Knock(ctx, t, knock.Options{Gaps: gaps}, func(e knock.Event) {
		x.update(func(rep *Report) { note(rep, &e.Report) })
	})
	if errors.Is(err, knock.ErrUnreachable) {
		err = nil
		if id == CheckHandshake {
			x.e.goneErr = fmt.Errorf("%w: no way to %s; check the address and this machine's network", knock.ErrUnreachable, t.Addr.Addr())
		}
		s.end(Fail, "there is no way there", func(rep *Report) { note(rep, &r) })
		return &r, nil
	}
	if err != nil {
		return &r, err
	}
	status := Fail
	switch {
	case r.Opened && r.OpenedBy == 0:
		status = OK
	case r.Opened:
		status = Warn
	}
	s.end(status, handshakeWords(r), func(rep *Report) { note(rep, &r) })
	return &r, nil
}

// handshakeWords says what the knocks were answered, and SSH.
func handshakeWords(r knock.Report) string {
	var answers []knock.Answer
	for _, a := range r.Attempts {
		for _, k := range a.Knocks {
			answers = append(answers, k.Answer)
		}
	}
	s := fmt.Sprintf("knocks %s, SSH %s", words(answers), state(r.SSH.State))
	if n := len(r.Attempts); n > 1 && !r.Opened {
		s += fmt.Sprintf(", after %d attempts", n)
	} else if r.Opened && r.OpenedBy > 0 {
		s += fmt.Sprintf(", by attempt %d", r.OpenedBy+1)
	}
	return s
}

// settled reports whether the handshake alone explains how things are.
func (x *examination) settled() bool {
	h := x.e.handshake
	open, _ := answered(h, knock.Open)
	return h.Opened || len(open) > 0 && !x.e.target.Addr.Addr().IsLoopback() || x.e.behindTheGate(h) != nil
}

// otherFamily makes the same handshake over the other family.
func (x *examination) otherFamily(ctx context.Context, addr netip.Addr) (done bool, err error) {
	t := x.e.target
	t.Addr = netip.AddrPortFrom(addr, t.Addr.Port())
	x.e.other, err = x.knock(ctx, CheckFamily, t, knock.DefaultGaps()[:2])
	return err == nil && x.e.other.Opened, err
}

// scan tries other hours, ranges and forms of the secret, over the other family
// too where the first one brings nothing.
func (x *examination) scan(ctx context.Context, other netip.Addr) error {
	if x.e.rules != nil && x.e.rules.OtherSecret() {
		x.skip(CheckScan, "the rules are made with another secret")
		return nil
	}
	s := x.begin(CheckScan, "")
	run := func(t knock.Target, before knock.SSHState) (*ScanReport, error) {
		scan := Scan{Client: x.client, Past: x.Past, Future: x.Future, Also: x.Also, Clock: x.e.clock,
			Shut: before, RTT: time.Duration(x.e.before.RTT)}
		if i := x.e.rules; i != nil && i.Match() != nil {
			scan.First = []Hypothesis{hypothesis(*i.Match())}
		}
		r, err := scan.Run(ctx, t, func(r ScanReport) {
			x.mu.Lock()
			x.report.Scan = &r
			x.mu.Unlock()
			s.say(r.progress())
		})
		if errors.Is(err, knock.ErrUnreachable) {
			r.Stopped, r.gone, err = "there is no way there", true, nil
		}
		return &r, err
	}
	shut := x.e.handshake.Before.State
	if shut.Connected() {
		shut = knock.SSHFiltered
	}
	var err error
	if x.e.scan, err = run(x.e.target, shut); err != nil {
		return err
	}
	last := x.e.scan
	if last.Opened == nil && other.IsValid() && !x.e.other.Before.State.Connected() {
		t := x.e.target
		t.Addr = netip.AddrPortFrom(other, t.Addr.Port())
		if x.e.otherScan, err = run(t, x.e.other.Before.State); err != nil {
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
