package tui

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/ui"
)

// diagnoseScreen shows the newest snapshot of a diagnosis, and around it what the
// user may do with it.
type diagnoseScreen struct {
	*session
	run
	listed bool // the hosts file has the server
	asking bool // whether to try future hours
	copied bool // the report is in the clipboard
	scroll ui.Scroll
}

func newDiagnoseScreen(s *session) *diagnoseScreen { return &diagnoseScreen{session: s} }

// begin runs a diagnosis of this hour and past ones, as soon as the wire is free.
func (s *diagnoseScreen) begin() tea.Cmd { return s.start(0) }

// run is one diagnosis.
type run struct {
	report  diag.Report
	was     knock.Target // what is diagnosed, with the skew and range of then
	planned []scan.Cell  // what a scan would try, until it tells
	began   time.Time    // By the screen's clock
	future  int          // how many future hours are tried
	failure string       // why it did not come to its end
}

// futureHours is how many future hours are tried once the user has agreed: as
// many as past ones.
const futureHours = scan.DefaultPast

func (s *diagnoseScreen) Moving() bool { return s.running() }

// running reports whether a diagnosis is under way, or about to be.
func (s *diagnoseScreen) running() bool { return s.wire.usedBy(s) }

func (s *diagnoseScreen) Keys() ui.Keys {
	if s.asking {
		yes := ui.NewKey("y", "try them", "", func() tea.Cmd { s.asking = false; return s.start(futureHours) })
		return ui.Keys{Modal: true, Rows: [][]ui.Key{{yes}}, Bar: []ui.Key{yes, ui.NewKey("any other key", "do not", "", nil)}}
	}
	running := s.running()
	fix := ui.NewKey("f", "fix", "apply this side of the fix, and knock", s.fix).If(!s.change().IsZero())
	again := ui.NewKey("r", "run again", "run again", func() tea.Cmd { return s.start(0) })
	future := ui.NewKey("F", "future", "again with future hours", ui.Act(func() { s.asking = true }))
	copies := ui.NewKey("y", "copy", "copy the report", s.copyReport).If(s.report.Done)
	mask := s.mask("mask the ports")
	tab := ui.NewKey("tab", "more", "see more", ui.Act(s.nextSection))
	esc := ui.NewKey("esc", "back", "cancel; back to the Knock screen", s.escape)

	move := ui.MoveKeys("", max(1, s.size.Height/3), s.scrollBy, " ")
	k := ui.Keys{Rows: [][]ui.Key{{fix}, {again, future}, {copies, mask}, append([]ui.Key{tab}, move...), {esc}}, Legend: s.legend()}
	_, most := s.layOut()
	if running {
		k.Bar = []ui.Key{esc.As("cancel"), again, future, tab.If(most > 0)}
	} else {
		k.Bar = []ui.Key{fix, again, future, copies, tab.If(most > 0), esc}
	}
	return k
}

// legend explains the signs of the screen.
func (s *diagnoseScreen) legend() [][2]string {
	t := s.theme
	return [][2]string{
		{t.Yes + "   " + t.No, "ok; fail"},
		{"!   >   -", "warn; running; skipped"},
		{t.Wait + "   " + t.Untried, "check not begun; hour, range not tried yet"},
		{t.Tried + "   " + t.Full, "tried, at least where likeliest; a hit"},
		{"[" + t.Tried + "]", "the client's own hour, range and secret"},
		{t.Point + "   " + t.Begin + t.Inside + t.End, "a clock's time; its span where not exact"},
		{"outvoted", "most sources agree on another time"},
	}
}

func (s *diagnoseScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.KeyMsg:
		s.asking = false // any key but y is a no
	case progressed:
		s.report = msg.snapshots.take()
		if addr, err := netip.ParseAddr(s.report.Address); err == nil && addr != s.target.Addr.Addr() {
			s.pin(addr)
		}
	case listed:
		s.listed = bool(msg)
	case jobEnded:
		s.ended(msg.err)
	}
	return nil
}

// start runs the diagnosis, with so many future hours.
func (s *diagnoseScreen) start(future int) tea.Cmd {
	s.run = run{began: s.now, future: future, was: s.target}
	for _, h := range scan.Candidates(s.now, s.target, scan.DefaultPast, future, nil, nil) {
		s.planned = append(s.planned, scan.Cell{Candidate: h})
	}
	s.asking, s.copied, s.scroll = false, false, 0
	s.stopWaiting()
	return s.wire.start(s.ctx, Turn{s, s.job})
}

// job is the diagnosis.
func (s *diagnoseScreen) job() ui.Work {
	s.began, s.failure = s.now, ""
	doctor := diag.Doctor{Client: s.config.Client, Past: scan.DefaultPast, Future: s.future}
	host, secret, hostsPath := s.host, s.target.Secret, s.config.hostsPath
	return func(ctx context.Context, emit func(any)) error {
		emit(listed(isListed(hostsPath, host.Name)))
		var s snapshots
		_, err := doctor.Run(ctx, host, secret, func(r diag.Report) {
			if s.put(r) {
				emit(progressed{&s})
			}
		})
		return err
	}
}

// Events of a diagnosis.
type (
	progressed struct{ snapshots *snapshots }
	listed     bool // the hosts file has the server
)

// snapshots has the newest report of a diagnosis until it is drawn: several
// may come for each frame, and the diagnosis never waits for one.
type snapshots struct {
	mu     sync.Mutex
	newest diag.Report
	told   bool // of the newest, by an event that was not answered yet
}

// put stores r, and reports whether an event has to tell of it.
func (s *snapshots) put(r diag.Report) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = r
	tell := !s.told
	s.told = true
	return tell
}

// take returns the newest report.
func (s *snapshots) take() diag.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = false
	return s.newest
}

// ended takes the end of a diagnosis.
func (s *diagnoseScreen) ended(err error) {
	switch {
	case errors.Is(err, context.Canceled):
		s.failure = cancelled
	case err != nil:
		s.failure = knock.Clean(err.Error(), 400)
		s.note("diagnosis: %s", s.failure)
	default:
		s.note("diagnosis: %s", s.report.Verdict.Summary)
	}
}

// escape cancels the diagnosis, or leaves the screen.
func (s *diagnoseScreen) escape() tea.Cmd {
	if !s.running() {
		return s.open(ToKnock)
	}
	s.wire.cancel()
	s.failure = cancelled
	return nil
}

// Change is what of the verdict's fix is on this side.
func (s *diagnoseScreen) change() hosts.Change {
	if !s.report.Done || s.running() {
		return hosts.Change{}
	}
	return s.report.Verdict.Change
}

// fix applies what of the fix is on this side, and knocks.
func (s *diagnoseScreen) fix() tea.Cmd {
	write := s.apply(s, s.change(), "the diagnosis")
	return tea.Batch(write, s.open(ToHandshake))
}

// copyReport hands the report to the terminal's clipboard.
func (s *diagnoseScreen) copyReport() tea.Cmd {
	s.copied = true
	return s.copyText(s.report.Text(false))
}

func (s *diagnoseScreen) scrollBy(n int) {
	_, most := s.layOut()
	s.scroll.By(n)
	s.scroll.Clamp(most)
}

// nextSection scrolls to where the section begins that comes after what is shown
// first, from the top again after the last.
func (s *diagnoseScreen) nextSection() {
	_, most := s.layOut()
	at, next := 0, 0
	for _, section := range s.sections() {
		if at > int(s.scroll) && int(s.scroll) < most {
			next = at
			break
		}
		at += len(section)
	}
	s.scroll = ui.Scroll(next)
	s.scroll.Clamp(most)
}
