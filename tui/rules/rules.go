// Package rules is the Rules screen: it takes a server's rules, its script or
// five ports as typed or pasted text or from a file, or captures of one side or both, of
// which it shows the time lines. Its three views of rules are the findings:
// what the rules were made with, how they differ from this client and what is wrong
// with them; the trace: what each rule did to this client's handshake; and the audit:
// what attacks and accidents would cost. It shows rules, but no other line of the text,
// which may hold the secret.
package rules

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/audit"
	"rapport/knock/hosts"
	"rapport/knock/solve"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Step is what the Rules screen is doing.
type Step int

// The steps.
const (
	Collecting Step = iota // keys and pastes are the text to compare
	Naming                 // the path of a file is typed
	Comparing              // a job is under way
	Compared               // the result is shown
)

// view is what is shown of a result.
type view int

const (
	findingsView view = iota
	traceView
	auditView
	views // how many there are
)

func (v view) next() view { return (v + 1) % views }

// String is the name of the view.
func (v view) String() string { return [...]string{"findings", "trace", "audit"}[v] }

// Screen compares a server's rules, or five ports that it expects, with this client.
type Screen struct {
	*session.Session
	comparison
	paneWidth int // of the part that is drawn; 0: the screen's
}

// comparison is one text and its result.
type comparison struct {
	Step  Step
	Text  collected
	input textinput.Model // of the path
	path  string          // the file that was loaded instead, empty for the text
	Began time.Time       // when the text was complete; its hour is the one compared
	Job   *ui.Job

	Result  *gate.Inspection
	seen    Inspected // with Result
	capture *captured // in place of Result, where captures were loaded
	trace   matrix
	audited *audit.Report // nil until the audit is done
	view    view
	scroll  [views]ui.Scroll // the first line shown of the findings; the chosen row of the others
	failure string
	example bool      // the rules are those that rapport rules would make
	wayAt   ui.Scroll // the command line that y copies, while there is no text
	Notice  string
	follows bool // the server's hour was applied as a skew
	// ignoreUntil is the time until which keys count as the rest of a paste.
	ignoreUntil time.Time
}

// Forget drops the comparison, and cancels its job.
func (s *Screen) Forget() {
	if s.Job != nil {
		s.Job.Cancel()
	}
	s.comparison = comparison{}
}

// Keys implements [session.Screen].
func (s *Screen) Keys() ui.Keys {
	switch s.Step {
	case Naming:
		load := ui.NewKey("enter", "load", "", s.load)
		back := ui.NewKey("esc", "back", "", ui.Act(s.unname))
		return ui.ModalKeys(load, back)
	case Collecting:
		return s.textKeys()
	case Compared:
		if s.capture != nil {
			return s.captureKeys()
		}
	}
	apply := ui.NewKey("f", "apply", "apply the server's range and hour", s.applyChange).If(!s.Change().IsZero())
	others := ui.NewKey("c", "other rules", "read other rules", ui.Act(s.Forget)).If(s.Step == Compared)
	next := ui.NewKey("tab", s.view.next().String(), "findings, trace, audit", s.nextView).If(s.Step == Compared && s.Result.Gate != nil)
	mask := s.Mask("mask the ports, for use in public")
	esc := ui.NewKey("esc", "back", "cancel; back to the Knock screen", s.escape)
	move := ui.MoveKeys("scroll", max(1, s.Size.Height/3), func(n int) { _, most := s.layOut(); s.scroll[s.view].Move(n, most) }, " ")
	esc = esc.As(ui.Either(s.Job != nil, "cancel", "back"))
	k := ui.Keys{Bar: []ui.Key{apply, next, esc, others, mask}, Ignore: s.isRestOfPaste}
	k.Rows = [][]ui.Key{{apply}, {next}, {others}, move, {mask}, {esc}}
	k.Legend = s.legend()
	return k
}

// nextView changes the view. The audit begins when it is first shown.
func (s *Screen) nextView() tea.Cmd {
	if s.view = s.view.next(); s.view == auditView && s.audited == nil && s.Job == nil {
		return s.startAudit()
	}
	return nil
}

// legend explains the words and signs of the view.
func (s *Screen) legend() [][2]string {
	switch s.view {
	case traceView:
		return s.traceLegend()
	case auditView:
		return nil
	}
	return [][2]string{
		{"there, here", "the server's ports; this client's"},
		{"no rule", "nothing accepts SSH after the last phase"},
		{"accept fixed", "open for one window"},
		{"accept sliding", "each connection extends the window"},
		{"accept one-shot", "the first connection uses it up"},
		{"computed", "by the script; not in the text"},
	}
}

// Update implements [session.Screen].
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.KeyMsg:
		return s.typed(msg)
	case TextEnd:
		if s.Step == Collecting && s.Text.Number == msg.Number {
			return s.compare("")
		}
	case LoneDigit:
		return s.openAlone(msg)
	case ui.JobEvent:
		if msg.Job == s.Job {
			return s.found(msg.Event)
		}
	case ui.JobDone:
		s.ended(msg)
	case session.Applied:
		if msg.By == s {
			s.Notice = fmt.Sprintf("applied %s, %v", msg.Change, msg)
		}
	default:
		if s.Step == Naming { // the cursor blinks
			var cmd tea.Cmd
			s.input, cmd = s.input.Update(msg)
			return cmd
		}
	}
	return nil
}

// typed handles a key that is text.
func (s *Screen) typed(msg tea.KeyMsg) (cmd tea.Cmd) {
	switch {
	case s.Step == Naming:
		s.input, cmd = s.input.Update(msg)
	case s.Step == Collecting:
		return s.collect(msg)
	case s.Step == Compared && msg.Paste && !s.Now.Before(s.ignoreUntil):
		s.Forget() // a paste on the result is the next text
		return s.collect(msg)
	}
	return cmd
}

// isRestOfPaste reports whether a key belongs to a paste that already counted as
// complete: keys that were read together, and those that follow at once.
func (s *Screen) isRestOfPaste(msg tea.KeyMsg) bool {
	if msg.Type != tea.KeyRunes && msg.Type != tea.KeySpace && msg.Type != tea.KeyEnter {
		return false
	}
	if len(msg.Runes) < 2 && !s.Now.Before(s.ignoreUntil) {
		return false
	}
	s.ignoreUntil = s.Now.Add(pasteGap)
	return true
}

// found handles the result of a job. Where there is room for all views, the audit follows
// at once, and the keys walk the trace.
func (s *Screen) found(event any) tea.Cmd {
	switch e := event.(type) {
	case Inspected:
		s.Job, s.seen, s.Result, s.Step = nil, e, &e.Inspection, Compared
		s.trace, s.audited, s.view = newMatrix(e.Trace), nil, findingsView
		if s.example {
			s.Notice = "an example: the rules that rapport rules " + s.Host.Name + " makes for this hour"
		}
		if s.Size.Wide() && s.Result.Gate != nil {
			s.view = traceView
			return s.startAudit()
		}
	case captured:
		s.Job, s.capture, s.Step, s.Notice = nil, &e, Compared, ""
	case audit.Report:
		s.Job, s.audited = nil, &e
	}
	return nil
}

// escape cancels the job, or leaves the screen. The text is kept.
func (s *Screen) escape() tea.Cmd {
	if s.Job == nil && s.Step != Comparing {
		return s.Open(session.ToKnock)
	}
	if s.Job != nil {
		s.Job.Cancel()
		s.Job = nil
	}
	if s.Step == Compared {
		s.view = traceView // the audit begins again when it is shown again
	} else if s.Result != nil || s.capture != nil {
		s.Step, s.failure, s.Notice = Compared, "", "cancelled"
	} else {
		s.Step, s.failure, s.example = Collecting, "cancelled", false
	}
	return nil
}

func (s *Screen) nameFile(path string) tea.Cmd {
	s.Step = Naming
	s.input = ui.NewInput(50, 4096)
	s.input.SetValue(path)
	return s.input.Focus()
}

func (s *Screen) load() tea.Cmd {
	path := strings.TrimSpace(s.input.Value())
	if path == "" {
		return nil
	}
	return s.compare(path)
}

// compare compares the file at path, or the collected text if path is empty.
func (s *Screen) compare(path string) tea.Cmd {
	s.path = path
	s.Began, s.Result, s.Notice, s.scroll, s.follows = s.Now, nil, "", [views]ui.Scroll{}, false
	return s.solve()
}

// solve compares with the hour in which the text was completed.
func (s *Screen) solve() tea.Cmd {
	if s.Job != nil {
		s.Job.Cancel()
	}
	s.Step, s.view, s.failure = Comparing, findingsView, ""
	t := s.Target
	r := Request{Path: s.path, Text: bytes.Clone(s.Text.Bytes), Family: s.Host.Family, Gap: t.Gaps(1)[0]}
	if s.example {
		r.Example = s.exampleRules()
	}
	r.Query = solve.Query{Secret: t.Secret, Range: t.Range, Hour: knock.HourOf(s.Began.Add(t.Skew)), Past: solve.DefaultHours, Future: solve.DefaultHours}
	r.Facts = gate.Facts{SSHPort: s.Host.SSHPort, Window: s.Window()}
	hostsPath, name := s.Config.HostsPath, s.Host.Name
	files := s.capturesWith(s.path)
	job, cmd := ui.StartJob(s.Ctx, func(ctx context.Context, emit func(any)) error {
		if files.is() {
			c, err := files.analyze(ctx)
			if err == nil {
				emit(c)
			}
			return err
		}
		found, err := r.Inspect(ctx)
		if found.listed = session.IsListed(hostsPath, name); err == nil {
			emit(found)
		}
		return err
	})
	s.Job = job
	return cmd
}

func (s *Screen) ended(msg ui.JobDone) {
	if msg.Job != s.Job {
		return
	}
	if s.Job = nil; msg.Err == nil {
		return
	}
	s.Step, s.failure, s.Result, s.example = Collecting, knock.Clean(msg.Err.Error(), 400), nil, false
	if s.Text.judged = true; s.path != "" {
		s.nameFile(s.path)
	}
}

// Change returns what f would apply; zero unless the match is certain.
func (s *Screen) Change() (c hosts.Change) {
	if s.Step != Compared || s.Result == nil || !s.Result.Certain() || s.example {
		return c
	}
	m := *s.Result.Candidate()
	if m.Range != s.Result.Query.Range {
		c.Range = m.Range
	}
	if m.Offset != 0 {
		skew := s.Target.Skew + time.Duration(m.Offset)*time.Hour
		c.Skew = &skew
	}
	if g := s.Result.Gate; g != nil {
		c.Strict = g.Strict && !s.Host.Strict
		if g.SweepGuard != s.Host.SweepGuard {
			c.SweepGuard = g.SweepGuard
		}
	}
	return c
}

// applyChange applies the server's range and skew, and compares again.
func (s *Screen) applyChange() tea.Cmd {
	c := s.Change()
	write := s.Apply(s, c, "comparing the server's rules")
	s.Notice, s.follows, s.scroll = fmt.Sprintf("applied %v", c), c.Skew != nil, [views]ui.Scroll{}
	return tea.Batch(write, s.solve())
}
