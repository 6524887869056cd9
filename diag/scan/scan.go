// Package scan finds the hour, range and secret variant that open a gate, by trying
// many candidates in one pass.
//
// [Candidates] lists what is worth trying, the likeliest first. [Scan.Run] tries them
// in rounds. Wrong ports do not reset the article's gate, so a round sends port 1 of
// all its candidates, then all ports 2, 3 and 4, then one by one port 5 and a probe
// of SSH. The first probe that is answered names the candidate; if several
// candidates could have opened the gate, each gets a handshake of its own. A hit is
// confirmed when such a handshake opens the gate again after the window has ended. A
// strict gate gets one candidate a round.
//
// A gate may have a sweep guard, which ignores an address after too many wrong ports
// a minute. If the guard is known (knock.Target.SweepGuard), slips in range or
// secret keep within it, and wait; if it is not, the likeliest candidates come within the usual guard,
// and [Report].BeyondGuard counts the others.
//
// Knocks of past hours are useless to an eavesdropper once the server's hour has ended.
// Knocks of future hours are not, and are sent only if Scan.Future asks for it;
// [Report].Announce says so before the first packet.
package scan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/solve"
)

// Scan finds out which hour, range and secret variant open a gate. The zero Scan
// tries this hour.
type Scan struct {
	Client *knock.Client
	// Past and Future are how many hours before and after the client's are tried,
	// usually DefaultPast and 0. Knocks of future hours can be replayed later.
	Past, Future int
	Also         []knock.Range // further ranges to try
	Clock        *clock.Report // what is known of the server's clock, or nil
	// Shut is what SSH answers while the gate is shut; SSHUnknown probes first.
	Shut knock.SSHState
	RTT  time.Duration // the path's round trip, zero if it is not known
	// Proven is what the server's rules show that they are made with, if they do: it
	// is tried first, and then only what a sweep guard forgives at once.
	Proven *solve.Candidate
	// Spent is how many knocks at ports of the client's own sequence were sent
	// right before: a sweep guard counts them, if range or secret is wrong.
	Spent     int
	Unguarded bool // the gate is known to have no sweep guard
	StandIn   bool // the server is a stand-in, see package demo: it opens late, and counts no connections
	// Began, if not zero, is when the diagnosis began that the scan is a part of.
	Began time.Time
	// Lossless says that nothing suggests that packets get lost.
	Lossless bool
	// Between, if not nil, is called after the hours of the client's own range and
	// secret, and again before what is unlikely, unless the sweep guard is known. On a link
	// of this machine, if Lossless, it is called four times: after those hours, after the ranges
	// that people use, after what is unlikely, and after all was tried again. If it returns true,
	// the scan ends.
	Between func(context.Context) (bool, error)
	// ConfirmBy, if not zero, is when a confirmation begins at the latest: a hit for which
	// there is no time is reported without one.
	ConfirmBy time.Time
	// Doubtful, if not nil, reports whether SSH has opened by now, and not by what was sent: then a
	// hit counts only when it is confirmed.
	Doubtful func() bool
	// Made, if not nil, is how many connections to SSH were made besides: with those of the
	// scan they are to be four at most.
	Made func() int
	// AsStrict says that the target is tried as a strict gate, and not known to be one: a handshake that
	// no such gate opens to confirms first what is found.
	AsStrict bool
	// Brief says that no more is tried than the hours of the client's own range and secret and
	// the likeliest slips, and no more than a known sweep guard forgives at once.
	Brief bool
	// Limited, if not SSHUnknown, is what SSH answers where there were too many connections, and
	// nothing else does: then each candidate has one probe, and waits until that is not answered
	// so. SSHFiltered is no answer: then nothing waits.
	Limited knock.SSHState
	// Likeliest, if not 0, is how many of the likeliest other hours of the client's own
	// range and secret are tried, and nothing else.
	Likeliest int
}

// CellState is how far a candidate got in a scan.
type CellState int

// The states of a candidate.
const (
	Waiting CellState = iota
	Tried
	Hit // it opens the gate; perhaps not confirmed yet
)

// Cell is one candidate of a scan.
type Cell struct {
	solve.Candidate
	State CellState
}

// Report is what a scan did and found, so far or in the end.
type Report struct {
	Schema  int    `json:"schema"` // 1
	Host    string `json:"host"`
	Address string `json:"address"`
	// Opened is what opened the gate; Confirmed says that a handshake of its own
	// did so again once the window was over.
	Opened    *solve.Candidate `json:"opened"`
	Confirmed bool             `json:"confirmed"`
	// StillOpen says that there was no such handshake, since there was no time to wait for
	// the end of the window.
	StillOpen   bool         `json:"still_open,omitempty"`
	Endless     bool         `json:"-"` // SSH was open before two of its handshakes too, a window apart
	Candidates  int          `json:"hypotheses"`
	Packets     int          `json:"packets"`
	Connections int          `json:"connections"` // to SSH
	Elapsed     knock.Millis `json:"elapsed_ms"`
	Stopped     Stop         `json:"stopped,omitzero"` // why the scan ended before all was tried
	WrongPorts  int          `json:"wrong_ports"`      // knocks that a sweep guard may count as wrong ports
	// BeyondGuard is how many candidates were tried after the usual guard's budget
	// was spent: a guarded gate ignored them, unless range and secret are right.
	BeyondGuard int               `json:"beyond_guard,omitempty"`
	Untried     int               `json:"untried,omitempty"`   // candidates, for lack of time
	Unconfirmed []solve.Candidate `json:"put_aside,omitempty"` // hits that did not repeat
	// Announce says what is sent, and what that reveals to an eavesdropper. It is
	// known before the first packet leaves.
	Announce string `json:"announce"`
	// Pass is the time until the hit was known or all was tried, without the first
	// probe and the confirmation.
	Pass knock.Millis `json:"pass_ms"`

	SSH        knock.SSH     `json:"-"` // of the probe that was answered
	Gap        time.Duration `json:"-"` // the least time between packets that was asked for
	Guard      int           `json:"-"` // wrong ports a minute that the gate is known to forgive; 0 is not known
	Few        bool          `json:"-"` // only the likeliest candidates were asked for
	Strict     bool          `json:"-"` // they were tried one after the other
	Cells      []Cell        `json:"-"` // all candidates, in the order in which they are tried
	Confirming bool          `json:"-"` // a hit is awaiting its confirmation
	Pausing    bool          `json:"-"` // until the gate's sweep guard forgives more

	bare int // the offset of this machine's hour without the skew
}

// Tried returns how many candidates were tried so far.
func (r Report) Tried() (n int) {
	for _, c := range r.Cells {
		if c.State != Waiting {
			n++
		}
	}
	return n
}

// Sent says in the words of Announce what was sent so far.
func (r Report) Sent() string {
	var tried []solve.Candidate
	for _, c := range r.Cells {
		if c.State != Waiting {
			tried = append(tried, c.Candidate)
		}
	}
	return announce(fmt.Sprintf("tried %d of %d candidates", len(tried), r.Candidates), tried, r.bare)
}

// Progress says in a few words how many candidates were tried.
func (r Report) Progress() string {
	if r.Confirming {
		return r.Summary()
	}
	words := fmt.Sprintf("%d of %d candidates tried", r.Tried(), r.Candidates)
	if r.Pausing {
		words += ", waiting until the gate's sweep guard forgives more"
	}
	return words
}

// Run scans t. on, if not nil, is called with the report so far, on Run's own
// goroutine, before anything is sent too. It is no error if nothing opens the gate.
// The report holds what was done, also when there is an error, which wraps
// [knock.ErrUnreachable] or [knock.ErrSend] or is the cause of ctx's end.
func (s *Scan) Run(ctx context.Context, t knock.Target, on func(Report)) (Report, error) {
	t.Window = cmp.Or(t.Window, knock.DefaultWindow)
	now := s.Client.Clock.Now()
	r := scanRun{
		Scan: s, target: t, hour: knock.HourOf(now.Add(t.Skew)), on: on, start: time.Now(), shut: s.Shut, pace: paceTo(t.Addr.Addr(), t.Gap, s.StandIn),
		tries: map[int]int{}, sent: map[int]time.Time{}, budget: budget{guard: cmp.Or(t.SweepGuard, script.DefaultSweepGuard)},
		report: Report{Schema: 1, Host: t.Host, Address: t.Addr.Addr().String(), Gap: t.Gap, Guard: t.SweepGuard, Few: s.Likeliest > 0, Strict: t.Strict, bare: bareOffset(now, t)},
	}
	if r.budget.spend(s.Spent, r.start); r.doubtful() && !t.Strict {
		r.more = 2
	}
	low, high := clockOffsets(now, t, s.Clock)
	all, stages := s.inStages(Candidates(now, t, s.Past, s.Future, s.Also, s.Clock), t, (low+high)/2)
	r.report.Candidates, r.report.Announce = len(all), announce(trying(len(all), t.SweepGuard > 0), all, r.report.bare)
	var hours []solve.Candidate
	for _, h := range all {
		if r.report.Cells = append(r.report.Cells, Cell{Candidate: h}); r.own(h) {
			hours = append(hours, h)
		}
	}
	r.free = len(splitHours(hours)) == 1
	r.notify(true)
	err := r.run(ctx, stages)
	r.report.Confirming, r.report.Pausing = false, false
	r.report.WrongPorts = r.budget.total
	if r.report.Opened == nil && r.report.Stopped.IsZero() {
		r.report.Untried = r.report.Candidates - r.report.Tried()
	}
	r.notify(true)
	return r.report, err
}

// scanRun is one call of Run.
type scanRun struct {
	*Scan
	target      knock.Target
	hour        knock.Hour // the client's, of the candidates with the offset 0
	pace        pace
	on          func(Report)
	start       time.Time
	notified    time.Time
	shut        knock.SSHState
	budget      budget
	refillWait  time.Duration     // for the budget
	tries       map[int]int       // how often each candidate was tried
	sent        map[int]time.Time // when each was tried last
	unconfirmed []int             // candidates whose hit did not repeat
	unexplained int               // hits that no candidate explains
	seen        time.Duration     // the round trip of the last hit
	last        time.Time         // when a SYN was sent last
	refused     int               // knocks of the batch
	limited     int               // probes of the batch that a limit answered
	more        int               // copies of each knock of a confirmation, and probes after it
	free        bool              // no hour is a wrong port where range and secret are right
	report      Report
}

func (r *scanRun) run(ctx context.Context, stages []stage) error {
	if r.shut == knock.SSHUnknown {
		if err := r.probeFirst(ctx); err != nil || !r.report.Stopped.IsZero() {
			return err
		}
	}
	for n, next := range stages {
		if n > 0 && r.late(stagesBy-r.answerWait()) {
			break
		}
		if r.spentConnections(1) {
			r.report.Stopped.Reason = Enough
			return nil
		}
		if found, err := r.search(ctx, next.groups); found || err != nil || !r.report.Stopped.IsZero() {
			return err
		}
		if next.then && r.Between != nil {
			if done, err := r.Between(ctx); done || err != nil {
				return err
			}
		}
	}
	if found, err := r.confirmAgain(ctx); found || err != nil {
		return err
	}
	switch {
	case len(r.unconfirmed) > 0:
		first := &r.report.Cells[r.unconfirmed[0]]
		r.report.Opened, first.State = &first.Candidate, Hit
	case r.unexplained > 0:
		r.report.Stopped.Reason = OthersKnock
	}
	return nil
}

// ports are those of a candidate now: where the hour changes during a scan, the
// server's changes too.
func (r *scanRun) ports(i int) [knock.Knocks]uint16 {
	r.follow()
	c := r.report.Cells[i]
	return c.Variant.Ports(c.Hour, c.Range, r.target.Secret)
}

// follow moves all candidates by the hours that have passed since the last call.
func (r *scanRun) follow() {
	passed := knock.HourOf(r.Client.Clock.Now().Add(r.target.Skew)).Sub(r.hour)
	if passed == 0 {
		return
	}
	r.hour = r.hour.Add(passed)
	for i := range r.report.Cells {
		r.report.Cells[i].Hour = r.report.Cells[i].Hour.Add(passed)
	}
}

// probeFirst finds out what SSH answers while the gate is shut. Where it is open,
// perhaps by an earlier window, it probes again after a window.
func (r *scanRun) probeFirst(ctx context.Context) error {
	for again := range 2 {
		p, err := r.Client.Probe(ctx, r.target.Host, r.target.Addr, knock.Options{Timeout: r.pace.answer})
		r.report.Packets++
		r.last = time.Now()
		r.shut, r.report.SSH = p.SSH.State, p.SSH
		if r.shut.Connected() {
			r.report.Connections++
		}
		if err != nil || !r.shut.Connected() {
			return err
		}
		if again == 1 || r.shut != knock.SSHOpen {
			break
		}
		if err := r.windowOver(ctx); err != nil {
			return err
		}
	}
	r.report.Stopped = Stop{Reason: OpenBefore, SSH: r.report.SSH}
	return nil
}

// over is [Over] of what is scanned.
func (r *scanRun) over() time.Duration { return Over(r.target, r.StandIn) }

// windowOver waits until a window that is open now is over: it began with the last SYN at the
// latest, and where the server is far away its answers took seconds since. It fails with the
// cause of ctx's end.
func (r *scanRun) windowOver(ctx context.Context) error {
	if !knock.Wait(ctx, r.over()-time.Since(r.last)) {
		return context.Cause(ctx)
	}
	return nil
}

// doubtful is Scan.Doubtful, now.
func (r *scanRun) doubtful() bool { return r.Doubtful != nil && r.Doubtful() }

// beyondGuard reports whether the usual guard, if the gate has it, ignores this
// address.
func (r *scanRun) beyondGuard() bool {
	return r.target.SweepGuard == 0 && !r.Unguarded && r.budget.total > script.DefaultSweepGuard
}

// notify passes a copy of the report to on: always, or if the last call is at
// least progressInterval ago.
func (r *scanRun) notify(always bool) {
	const progressInterval = 30 * time.Millisecond
	r.report.Elapsed = knock.Millis(time.Since(r.start))
	if r.on == nil || !always && time.Since(r.notified) < progressInterval {
		return
	}
	r.notified = time.Now()
	copied := r.report
	copied.Cells, copied.Unconfirmed = slices.Clone(copied.Cells), slices.Clone(copied.Unconfirmed)
	r.on(copied)
}
