package diagnose

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
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Screen shows the newest snapshot of a diagnosis, and around it what the
// user may do with it.
type Screen struct {
	*session.Session
	run
	listed bool // the hosts file has the server
	asking bool // whether to try future hours
	copied bool // the report is in the clipboard
	scroll ui.Scroll
}

func New(s *session.Session) *Screen { return &Screen{Session: s} }

// Diagnose runs a diagnosis of this hour and past ones, as soon as the wire is free.
func (s *Screen) Diagnose() tea.Cmd { return s.start(0) }

// run is one diagnosis.
type run struct {
	Report  diag.Report
	was     knock.Target // what is diagnosed, with the skew and range of then
	planned []scan.Cell  // what a scan would try, until it tells
	began   time.Time    // By the screen's clock
	future  int          // how many future hours are tried
	failure string       // why it did not come to its end
}

// futureHours is how many future hours are tried once the user has agreed: as
// many as past ones.
const futureHours = scan.DefaultPast

func (s *Screen) Moving() bool { return s.running() }

// running reports whether a diagnosis is under way, or about to be.
func (s *Screen) running() bool { return s.Wire.UsedBy(s) }

func (s *Screen) Keys() ui.Keys {
	if s.asking {
		yes := ui.NewKey("y", "try them", "", func() tea.Cmd { s.asking = false; return s.start(futureHours) })
		return ui.Keys{Modal: true, Rows: [][]ui.Key{{yes}}, Bar: []ui.Key{yes, ui.NewKey("any other key", "do not", "", nil)}}
	}
	running := s.running()
	fix := ui.NewKey("f", "fix", "apply this side of the fix, and knock", s.fix).If(!s.change().IsZero())
	again := ui.NewKey("r", "run again", "run again", func() tea.Cmd { return s.start(0) })
	future := ui.NewKey("F", "future", "again with future hours", ui.Act(func() { s.asking = true }))
	copies := ui.NewKey("y", "copy", "copy the report", s.copyReport).If(s.Report.Done)
	mask := s.Mask("mask the ports")
	tab := ui.NewKey("tab", "more", "see more", ui.Act(s.nextSection))
	esc := ui.NewKey("esc", "back", "cancel; back to the Knock screen", s.escape)

	move := ui.MoveKeys("", max(1, s.Size.Height/3), s.scrollBy, " ")
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
func (s *Screen) legend() [][2]string {
	t := s.Theme
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

func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.KeyMsg:
		s.asking = false // any key but y is a no
	case Progressed:
		s.Report = msg.Snapshots.take()
		if addr, err := netip.ParseAddr(s.Report.Address); err == nil && addr != s.Target.Addr.Addr() {
			s.Pin(addr)
		}
	case Listed:
		s.listed = bool(msg)
	case session.JobEnded:
		s.ended(msg.Err)
	}
	return nil
}

// start runs the diagnosis, with so many future hours.
func (s *Screen) start(future int) tea.Cmd {
	s.run = run{began: s.Now, future: future, was: s.Target}
	for _, h := range scan.Candidates(s.Now, s.Target, scan.DefaultPast, future, nil, nil) {
		s.planned = append(s.planned, scan.Cell{Candidate: h})
	}
	s.asking, s.copied, s.scroll = false, false, 0
	s.StopWaiting()
	return s.Wire.Start(s.Ctx, session.Turn{User: s, Begin: s.job})
}

// job is the diagnosis.
func (s *Screen) job() ui.Work {
	s.began, s.failure = s.Now, ""
	doctor := diag.Doctor{Client: s.Config.Client, Past: scan.DefaultPast, Future: s.future}
	host, secret, hostsPath := s.Host, s.Target.Secret, s.Config.HostsPath
	return func(ctx context.Context, emit func(any)) error {
		emit(Listed(session.IsListed(hostsPath, host.Name)))
		var s Snapshots
		_, err := doctor.Run(ctx, host, secret, func(r diag.Report) {
			if s.Put(r) {
				emit(Progressed{&s})
			}
		})
		return err
	}
}

// Events of a diagnosis.
type (
	Progressed struct{ Snapshots *Snapshots }
	Listed     bool // the hosts file has the server
)

// Snapshots has the newest report of a diagnosis until it is drawn: several
// may come for each frame, and the diagnosis never waits for one.
type Snapshots struct {
	mu     sync.Mutex
	newest diag.Report
	told   bool // of the newest, by an event that was not answered yet
}

// Put stores r, and reports whether an event has to tell of it.
func (s *Snapshots) Put(r diag.Report) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = r
	tell := !s.told
	s.told = true
	return tell
}

// take returns the newest report.
func (s *Snapshots) take() diag.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = false
	return s.newest
}

// ended takes the end of a diagnosis.
func (s *Screen) ended(err error) {
	switch {
	case errors.Is(err, context.Canceled):
		s.failure = session.Cancelled
	case err != nil:
		s.failure = knock.Clean(err.Error(), 400)
		s.Note("diagnosis: %s", s.failure)
	default:
		s.Note("diagnosis: %s", s.Report.Verdict.Summary)
	}
}

// escape cancels the diagnosis, or leaves the screen.
func (s *Screen) escape() tea.Cmd {
	if !s.running() {
		return s.Open(session.ToKnock)
	}
	s.Wire.Cancel()
	s.failure = session.Cancelled
	return nil
}

// Change is what of the verdict's fix is on this side.
func (s *Screen) change() hosts.Change {
	if !s.Report.Done || s.running() {
		return hosts.Change{}
	}
	return s.Report.Verdict.Change
}

// fix applies what of the fix is on this side, and knocks.
func (s *Screen) fix() tea.Cmd {
	write := s.Apply(s, s.change(), "the diagnosis")
	return tea.Batch(write, s.Open(session.ToHandshake))
}

// copyReport hands the report to the terminal's clipboard.
func (s *Screen) copyReport() tea.Cmd {
	s.copied = true
	return s.CopyText(s.Report.Text(false))
}

func (s *Screen) scrollBy(n int) {
	_, most := s.layOut()
	s.scroll.By(n)
	s.scroll.Clamp(most)
}

// nextSection scrolls to where the section begins that comes after what is shown
// first, from the top again after the last.
func (s *Screen) nextSection() {
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
