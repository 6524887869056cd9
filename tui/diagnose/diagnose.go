// Package diagnose is the Diagnose screen: a [doctor.Doctor] at work, drawn from
// snapshots of its report: verdict, checks, the candidates of the scan, the clocks
// on an axis, the causes as bars, and the evidence. It applies this side's part of the fix.
package diagnose

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag"
	"rapport/diag/doctor"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Screen shows the newest snapshot of a diagnosis, and offers its fix.
type Screen struct {
	*session.Session
	run
	listed bool // the hosts file has the server
	asking bool // the user is asked whether to try future hours
	copied bool // the report is in the clipboard
	chosen int  // the cause whose evidence is shown
	full   bool // all is shown in words
	scroll ui.Scroll
}

// run is one diagnosis.
type run struct {
	Report  diag.Report
	was     knock.Target // the server as it was when the diagnosis began
	planned []scan.Cell  // what a scan would try; shown until there is a scan
	began   time.Time    // by the screen's clock
	future  int          // how many future hours are tried
	hit     time.Time    // when a scan had its last hit, by the screen's clock
	failure error        // why it has no verdict; context.Canceled: the user ended it
}

const (
	futureHours = scan.DefaultPast // that a scan tries once the user has agreed
	maxFailure  = 400              // characters that are shown of an error
)

// Moving implements [session.Screen].
func (s *Screen) Moving() bool { return s.running() }

// running reports whether a diagnosis is under way, or about to be.
func (s *Screen) running() bool { return s.Wire.UsedBy(s) }

// Keys implements [session.Screen].
func (s *Screen) Keys() ui.Keys {
	if s.asking {
		k := ui.ModalKeys(ui.NewKey("y", "try them", "", func() tea.Cmd { return s.Start(futureHours) }))
		k.Bar = append(k.Bar, ui.NewKey("any other key", "do not", "", nil))
		return k
	}
	running := s.running()
	fix := ui.NewKey("f", "fix", "apply the client's part, and knock", s.fix).If(!s.change().IsZero())
	again := ui.NewKey("r", "run again", "run again", func() tea.Cmd { return s.Start(0) })
	future := ui.NewKey("F", "future", "run again with future hours", ui.Act(func() { s.asking = true }))
	copies := ui.NewKey("y", "copy", "copy the report", s.copyReport).If(s.Report.Done)
	mask := s.Mask("mask the ports")
	tab := ui.NewKey("tab", ui.Either(s.full, "picture", "in full"), "all that is known, in words", ui.Act(func() { s.full, s.scroll = !s.full, 0 }))
	esc := ui.NewKey("esc", "back", "cancel; back to the Knock screen", s.escape)
	about := "choose a cause"
	if s.full {
		about = "scroll"
	}
	move := ui.MoveKeys(about, max(1, s.Size.Height/3), s.move, " ")
	k := ui.Keys{Rows: [][]ui.Key{{fix}, {again, future}, {copies, mask}, append([]ui.Key{tab}, move...), {esc}}, Legend: s.legend()}
	esc = esc.As(ui.Either(running, "cancel", "back"))
	k.Bar = []ui.Key{fix, esc, again, future, tab, copies}
	return k
}

func (s *Screen) legend() [][2]string {
	t := s.Theme
	return [][2]string{
		{t.Yes + "   " + t.No, "ok; fail"},
		{"!   >   -", "warn; running; skipped"},
		{t.Wait + "   " + t.Untried, "check not begun; hour, range not tried yet"},
		{t.Tried + "   " + t.Full, "tried (one of them at least); a hit"},
		{t.Point + "   " + t.Begin + t.Inside + t.End, "a clock's time; a span where not exact"},
		{"outvoted", "most sources agree on another time"},
	}
}

// Update implements [session.Screen].
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.KeyMsg:
		s.asking = false // any key but y means no
	case Progressed:
		confirming := s.confirming()
		if s.Report, s.listed = *msg.Newest.Swap(nil), msg.Listed; s.confirming() && !confirming {
			s.hit = s.Now
		}
		if addr, err := netip.ParseAddr(s.Report.Address); err == nil && addr != s.Target.Addr.Addr() {
			s.Pin(addr)
		}
	case session.JobEnded:
		s.ended(msg.Err)
	}
	return nil
}

// confirming reports whether a scan has a hit that is to be confirmed.
func (s *Screen) confirming() bool {
	r := s.Report.Evidence.LastScan()
	return r != nil && r.Confirming
}

// Start runs a diagnosis whose scan tries so many future hours, as soon as the wire is
// free.
func (s *Screen) Start(future int) tea.Cmd {
	s.run = run{began: s.Now, future: future, was: s.Target}
	for _, h := range scan.Candidates(s.Now, s.Target, scan.DefaultPast, future, nil, nil) {
		s.planned = append(s.planned, scan.Cell{Candidate: h})
	}
	s.asking, s.copied, s.full, s.chosen, s.scroll = false, false, false, 0, 0
	s.Fix = hosts.Change{}
	s.StopWaiting()
	return s.Wire.Start(s.Ctx, session.Turn{User: s, Begin: s.job})
}

// Begin runs a diagnosis, unless one is under way, or has ended since the handshake
// that ended at since.
func (s *Screen) Begin(since time.Time) tea.Cmd {
	if s.running() || s.Report.Done && s.failure == nil && !since.After(s.began) {
		return nil
	}
	return s.Start(0)
}

func (s *Screen) job() ui.Work {
	s.began, s.failure = s.Now, nil
	doctor := doctor.Doctor{Client: s.Config.Client, Past: scan.DefaultPast, Future: s.future}
	host, secret, hostsPath := s.Host, s.Target.Secret, s.Config.HostsPath
	return func(ctx context.Context, emit func(any)) error {
		listed := session.IsListed(hostsPath, host.Name)
		var newest atomic.Pointer[diag.Report]
		_, err := doctor.Run(ctx, host, secret, func(r diag.Report) {
			if newest.Swap(&r) == nil {
				emit(Progressed{&newest, listed})
			}
		})
		return err
	}
}

// Progressed is the event that there is a newer report. There may be several for each
// frame, and the diagnosis never waits for a frame.
type Progressed struct {
	Newest *atomic.Pointer[diag.Report] // nil once it is drawn
	Listed bool                         // the hosts file has the server
}

// ended notes how a diagnosis ended.
func (s *Screen) ended(err error) {
	switch {
	case errors.Is(err, context.Canceled):
		s.failure = context.Canceled
	case err != nil:
		s.failure = err
		s.Note("diagnosis: %s", knock.Clean(session.ErrorText(err), maxFailure))
	default:
		if found := s.Report.Evidence.LastScan(); found != nil && found.Confirmed {
			s.Opened = s.Now
		}
		s.Note("diagnosis: %s", s.report().Summary())
		s.Fix = s.Report.Verdict.Change
		s.record()
	}
}

// record keeps the verdict for the Overview, of this run and later ones.
func (s *Screen) record() {
	s.Judged = history.Diagnosis{Host: s.Host.Identity(), At: s.Now.UTC().Round(0), Verdict: string(s.Report.Verdict.Code)}
	if s.Config.HistoryPath == "" || s.Judged.Verdict == "" {
		return
	}
	if err := history.SaveDiagnosis(s.Config.HistoryPath, s.Judged); err != nil {
		s.Note("%v", err)
	}
}

// escape cancels the diagnosis, or leaves the screen.
func (s *Screen) escape() tea.Cmd {
	if !s.running() {
		return s.Open(session.ToKnock)
	}
	s.Wire.Cancel()
	s.failure = context.Canceled
	return nil
}

// change returns the part of the verdict's fix that this side can apply.
func (s *Screen) change() hosts.Change {
	if !s.Report.Done || s.running() {
		return hosts.Change{}
	}
	return s.Report.Verdict.Change
}

func (s *Screen) fix() tea.Cmd {
	s.Fix = s.change()
	return s.ApplyFix(s)
}

func (s *Screen) copyReport() tea.Cmd {
	s.copied = true
	return s.CopyText(s.Report.Text(false))
}

// move chooses another cause, or scrolls what is known in words.
func (s *Screen) move(by int) {
	if s.full {
		_, most := s.fullPage()
		s.scroll.Move(by, most)
		return
	}
	s.chosen = max(0, min(s.at()+by, len(s.Report.Causes)-1))
}
