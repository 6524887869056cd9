package diag

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

// resolve finds the address to probe, and one of the other family if there is one.
func (x *run) resolve(ctx context.Context) error {
	lookup := x.host.Lookup()
	s := x.begin(CheckName, "looking up "+knock.Clean(lookup, 80))
	ctx2, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addr, err := x.Client.Resolve(ctx2, lookup, x.host.Family)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		x.e.nameErr = err
		s.end(Fail, err.Error(), nil)
		return nil
	}
	x.e.target.Addr = netip.AddrPortFrom(addr, x.e.target.Addr.Port())
	summary, short := addr.String(), addr.String()
	if _, e := netip.ParseAddr(lookup); e != nil {
		all, _ := x.Client.Resolver.LookupNetIP(ctx2, "ip"+string(familyOf(addr)), lookup)
		for _, a := range all {
			if a = a.Unmap(); a != addr {
				x.e.others = append(x.e.others, a)
			}
		}
		family := knock.Family4
		if addr.Is4() {
			family = knock.Family6
		}
		if other, err := x.Client.Resolve(ctx2, lookup, family); err == nil {
			x.e.otherAddr = other
			summary += " and " + other.String()
			short += ", v" + string(family) + " too"
		}
		switch n := len(x.e.others); n {
		case 0:
		case 1:
			summary += ", and 1 address that is not tried"
		default:
			summary += fmt.Sprintf(", and %d addresses that are not tried", n)
		}
	}
	s.end(OK, summary, func(r *Report) { r.Address = addr.String() }, short)
	return nil
}

// readClocks starts to read the clocks, beside the other checks.
func (x *run) readClocks(ctx context.Context) {
	if x.e.target.Addr.Addr().IsLoopback() {
		// A time service here has this machine's clock, not a stand-in's.
		x.skip(CheckLocal, "loopback: there is only one clock")
		x.skip(CheckServer, "loopback: there is only one clock")
		x.clock.Local.Time = x.e.now
		return
	}
	c := clock.Clocks{Now: x.Client.Clock, NTP: x.host.NTP}
	local := step{}
	if len(c.NTP) > 0 {
		local = x.begin(CheckLocal, "asking")
	} else {
		x.skip(CheckLocal, "no NTP server is configured; --ntp HOST asks one", "no NTP server named")
	}
	server := x.begin(CheckServer, "asking "+x.e.target.Addr.Addr().String())
	x.clocks.Go(func() {
		var so clock.Report
		r, err := c.Read(ctx, x.host.Lookup(), x.e.target.Addr.Addr(), func(reading clock.Reading) {
			x.log.Debug("read a clock", "source", reading.Name, "of", reading.Of, "said", reading.Text())
			so.Add(reading)
			shown := so
			x.update(func(r *Report) { r.Clock = &shown })
		})
		x.clock, x.clockErr = r, err
		byNTP := phrase.Offset(-r.Local.Offset) + " by NTP"
		switch l := r.Local; {
		case len(c.NTP) == 0:
		case err != nil:
			local.end(Skipped, "ended early", nil)
		case l.Known && l.Offset.Abs() > time.Second+l.Uncertainty:
			local.end(Warn, fmt.Sprintf("off by %s, as NTP says", phrase.Offset(-l.Offset)), nil, byNTP)
		case l.Known:
			local.end(OK, fmt.Sprintf("right to %.3f s, as NTP says", (l.Offset.Abs()+l.Uncertainty).Seconds()), nil, byNTP)
		default:
			local.end(Warn, "not compared: the NTP servers did not answer", nil)
		}
		record := func(rep *Report) { rep.Clock = &r }
		switch {
		case err != nil:
			server.end(Skipped, "ended early", record)
		case !r.Known:
			server.end(Skipped, "no source tells it", record)
		case (r.Skew - x.e.target.Skew).Abs() > r.Uncertainty+2*time.Second:
			server.end(Warn, r.Summary(x.e.now), record)
		default:
			server.end(OK, r.Summary(x.e.now), record)
		}
	})
}

// readRules finds the hour, range and secret variant of the server's rules.
func (x *run) readRules(ctx context.Context) error {
	if x.Rules == nil {
		return nil
	}
	s := x.begin(CheckRules, "solving")
	t, hours := x.e.target, max(x.Past, x.Future, solve.DefaultHours)
	i, err := gate.Inspect(ctx, *x.Rules, solve.Query{
		Secret: t.Secret, Range: t.Range, Hour: knock.HourOf(x.e.now.Add(t.Skew)), Past: hours, Future: hours,
	}, gate.Facts{SSHPort: int(t.Addr.Port())})
	if err != nil {
		return err
	}
	x.e.rules = &i
	if g := i.Gate; g != nil {
		x.e.target.Strict = x.e.target.Strict || g.Strict
		x.e.target.SweepGuard = cmp.Or(g.SweepGuard, x.e.target.SweepGuard)
	}
	switch m := i.Candidate(); {
	case i.Gate == nil:
		s.end(Fail, "there is no gate in them", nil)
	case len(i.Differs) > 0:
		s.end(Fail, strings.Join(i.Differs, "; "), nil)
	case m != nil:
		s.end(OK, "they expect this client's sequence", nil)
	case i.OtherSecret():
		s.end(Fail, "made with another secret: no hour or range fits", nil)
	default:
		s.end(Skipped, "they do not show their ports", nil)
	}
	x.update(func(r *Report) { r.Rules = &i })
	return nil
}

// probeFirst checks whether SSH answers without a knock. done says that this
// explains the failure.
func (x *run) probeFirst(ctx context.Context) (done bool, err error) {
	s := x.begin(CheckBefore, "probing SSH without a knock")
	probe := func(limit time.Duration) (knock.SSH, error) {
		r, err := x.Client.Probe(ctx, x.host.Name, x.e.target.Addr, knock.Options{Timeout: limit})
		if errors.Is(err, knock.ErrUnreachable) {
			x.e.noRouteErr, err = err, nil
		}
		x.log.Debug("probed SSH", "address", x.e.target.Addr, "state", r.SSH.State, "banner", r.SSH.Banner, "rtt", time.Duration(r.SSH.RTT), "error", err)
		return r.SSH, err
	}
	if x.e.before, err = probe(time.Second); err != nil {
		return false, err
	}
	now := x.e.before
	if now.State == knock.SSHOpen || now.State == knock.SSHSilent {
		// The window of an earlier handshake may still be open. SSHSilent may be a
		// path that is too slow for a banner within the limit.
		x.update(func(r *Report) { r.check(s.id).Summary = "SSH's port accepts: waiting for the window to end" })
		if !knock.Wait(ctx, x.e.target.Window+time.Second) {
			return false, context.Cause(ctx)
		}
		if x.e.beforeAgain, err = probe(4 * time.Second); err != nil { // its banner may be slow
			return false, err
		}
		if x.e.beforeAgain.State != knock.SSHUnknown {
			now = x.e.beforeAgain
		}
	}
	switch {
	case x.e.noRouteErr != nil:
		s.end(Fail, x.e.noRouteErr.Error(), nil)
		return true, nil
	case x.e.beforeAgain.State == knock.SSHOpen:
		s.end(Fail, "SSH is open with no knock", nil)
		return true, nil
	case now.State == knock.SSHRefusing:
		s.end(Fail, now.Summary(), nil)
		return true, nil
	case now.State.Connected():
		s.end(Warn, now.Summary(), nil)
	default:
		short := fmt.Sprintf("SSH is %s", now.State)
		summary := short + " without a knock"
		if now.RTT > 0 {
			summary += ", after " + phrase.Millis(time.Duration(now.RTT))
		}
		s.end(OK, summary, nil, short)
	}
	return false, nil
}

// knock makes a handshake. No route to the host is evidence, not an error.
func (x *run) knock(ctx context.Context, id string, t knock.Target, gaps []time.Duration) (*knock.Report, error) {
	s := x.begin(id, "five knocks")
	record := func(r *knock.Report) func(*Report) {
		return func(rep *Report) {
			if id == CheckFamily {
				rep.Other = r
			} else {
				rep.Handshake = r
			}
		}
	}
	r, err := x.Client.Knock(ctx, t, knock.Options{Gaps: gaps}, func(e knock.Event) { x.update(record(&e.Report)) })
	x.log.Debug("handshake made", "address", r.Address, "opened", r.Opened, "ssh", r.SSH.State, "banner", r.SSH.Banner, "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		if id == CheckHandshake {
			x.e.noRouteErr = fmt.Errorf("%w: no route to %s; check the address and this machine's network", knock.ErrUnreachable, t.Addr.Addr())
		}
		s.end(Fail, "no route to host", record(&r))
		return &r, nil
	}
	if err != nil {
		return &r, err
	}
	status, summary, short := handshakeResult(r)
	s.end(status, summary, record(&r), short...)
	return &r, nil
}

// handshakeResult says how the knocks and SSH were answered; short is for
// [Check.Short].
func handshakeResult(r knock.Report) (status Status, summary string, short []string) {
	var answers []knock.Answer
	for _, k := range knocksOf(&r) {
		answers = append(answers, k.Answer)
	}
	answered := fmt.Sprintf("%s, SSH %s", answerList(answers), stateText(r.SSH.State))
	summary = "knocks " + answered
	short = []string{summary, answered}
	switch n := len(r.Attempts); {
	case r.Opened && r.OpenedBy == 0:
		return OK, summary, short
	case r.Opened:
		return Warn, summary + fmt.Sprintf(", by attempt %d", r.OpenedBy+1), short
	case n > 1:
		summary += fmt.Sprintf(", after %d attempts", n)
	}
	return Fail, summary, short
}

// explained reports whether the handshake alone leads to a verdict.
func (x *run) explained() bool {
	h := x.e.handshake
	open, _ := answered(h, knock.Open)
	return h.Opened || len(open) > 0 && !x.e.target.Addr.Addr().IsLoopback() || x.e.behindTheGate(h) != nil
}

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
	job.Client, job.Past, job.Future, job.Also, job.Clock = x.Client, x.Past, x.Future, x.Also, &x.e.clock
	job.RTT = time.Duration(x.e.before.RTT)
	if i := x.e.rules; i != nil {
		job.Proven = i.Candidate()
		job.Unguarded = i.Gate != nil && t.SweepGuard == 0
	}
	r, err := job.Run(ctx, t, func(r scan.Report) {
		if r.Packets == 0 {
			x.log.Debug("scan begins", "sends", r.Announce)
		}
		x.update(func(rep *Report) { rep.Scan, rep.check(s.id).Summary = &r, r.Progress() })
	})
	x.log.Debug("scanned", "address", t.Addr, "candidates", r.Candidates, "packets", r.Packets, "connections", r.Connections, "result", r.Summary(), "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		r.Stopped, r.NoRoute, err = "no route to host", true, nil
	}
	return &r, err
}
