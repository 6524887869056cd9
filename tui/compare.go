package tui

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
	"rapport/knock/hosts"
	"rapport/knock/solve"
	"rapport/tui/ui"
)

// compareStep is what the Compare screen is doing.
type compareStep int

const (
	collecting compareStep = iota // Keys and pastes are the text to compare
	naming                        // the path of a file is typed
	comparing                     // a job is under way
	compared                      // the result is shown
)

// compareScreen compares a server's rules, or five ports that it takes, with
// what this client would knock.
type compareScreen struct {
	*session
	comparison
}

func newCompareScreen(s *session) *compareScreen { return &compareScreen{session: s} }

// comparison is one text and what came of it.
type comparison struct {
	step  compareStep
	text  collected
	input textinput.Model // of the path
	path  string          // the file that was loaded instead, empty for the text
	began time.Time       // when the text was complete: what is compared is that hour
	job   *ui.Job

	result  *gate.Inspection
	listed  bool // the hosts file has the server
	scroll  ui.Scroll
	failure string
	notice  string
	// follows: the server's hour was applied as a skew.
	follows bool

	// ignoreUntil is until when keys are taken for the rest of a paste.
	ignoreUntil time.Time
}

// forget drops what was compared, and ends what is under way.
func (s *compareScreen) forget() {
	if s.job != nil {
		s.job.Cancel()
	}
	s.comparison = comparison{}
}

func (s *compareScreen) Keys() ui.Keys {
	switch s.step {
	case naming:
		load := ui.NewKey("enter", "load", "", s.load)
		back := ui.NewKey("esc", "back", "", ui.Act(func() { s.step, s.failure = collecting, "" }))
		return ui.Keys{Modal: true, Rows: [][]ui.Key{{load, back}}, Bar: []ui.Key{load, back}}
	case collecting:
		return s.textKeys()
	}
	apply := ui.NewKey("f", "apply", "apply the server's range and hour", s.applyChange).If(!s.change().IsZero())
	others := ui.NewKey("c", "compare others", "compare other rules", ui.Act(s.forget))
	mask := s.mask("mask the ports, for use in public")
	esc := ui.NewKey("esc", "back", "cancel; back to the Knock screen", s.escape)
	move := ui.MoveKeys("scroll", max(1, s.size.Height/3), s.scrollBy, " ")
	k := ui.Keys{Bar: []ui.Key{apply, esc, others, mask}, Ignore: s.isRestOfPaste}
	if s.step == comparing {
		apply, others = apply.If(false), others.If(false)
		k.Bar = []ui.Key{esc.As("cancel"), mask}
	}
	k.Rows = [][]ui.Key{{apply}, {others}, move, {mask}, {esc}}
	k.Legend = [][2]string{
		{"there, here", "the server's ports, and what this knocks"},
		{"no rule", "nothing accepts SSH after the last phase"},
		{"accept fixed", "open for one window"},
		{"accept sliding", "each connection extends the window"},
		{"accept one-shot", "the first connection uses it up"},
		{"computed", "by the script; the text does not tell"},
	}
	return k
}

func (s *compareScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.KeyMsg:
		return s.typed(msg)
	case textEnd:
		if s.step == collecting && s.text.number == msg.number {
			return s.compareText()
		}
	case ui.JobEvent:
		if e, ok := msg.Event.(inspected); ok && msg.Job == s.job {
			s.result, s.listed, s.step = &e.Inspection, e.listed, compared
		}
	case ui.JobDone:
		s.ended(msg)
	case Applied:
		if msg.By == s {
			s.notice = fmt.Sprintf("applied %s, %v", msg.Change, msg)
		}
	default:
		if s.step == naming { // the cursor blinks
			var cmd tea.Cmd
			s.input, cmd = s.input.Update(msg)
			return cmd
		}
	}
	return nil
}

// typed takes a key that is text.
func (s *compareScreen) typed(msg tea.KeyMsg) (cmd tea.Cmd) {
	switch {
	case s.step == naming:
		s.input, cmd = s.input.Update(msg)
	case s.step == collecting:
		return s.collect(msg)
	case s.step == compared && msg.Paste && !s.now.Before(s.ignoreUntil):
		s.forget() // what is pasted on the result is the next text
		return s.collect(msg)
	}
	return cmd
}

// isRestOfPaste reports whether a key is the rest of a paste that was taken for
// complete: keys read together, and those that follow at once.
func (s *compareScreen) isRestOfPaste(msg tea.KeyMsg) bool {
	if msg.Type != tea.KeyRunes && msg.Type != tea.KeySpace && msg.Type != tea.KeyEnter {
		return false
	}
	if len(msg.Runes) < 2 && !s.now.Before(s.ignoreUntil) {
		return false
	}
	s.ignoreUntil = s.now.Add(pasteGap)
	return true
}

// escape gives the comparison up, or leaves the screen. What was collected stays.
func (s *compareScreen) escape() tea.Cmd {
	if s.step != comparing {
		return s.open(ToKnock)
	}
	if s.job != nil {
		s.job.Cancel()
		s.job = nil
	}
	s.step = collecting
	if s.failure = cancelled; s.result != nil {
		s.step, s.failure, s.notice = compared, "", cancelled
	}
	return nil
}

// nameFile asks for the path of a file.
func (s *compareScreen) nameFile(path string) tea.Cmd {
	s.step = naming
	s.input = ui.NewInput(50, 4096)
	s.input.SetValue(path)
	return s.input.Focus()
}

// load compares the file that was named.
func (s *compareScreen) load() tea.Cmd {
	path := strings.TrimSpace(s.input.Value())
	if path == "" {
		return nil
	}
	s.path = path
	return s.compare()
}

// compareText compares the text that was collected.
func (s *compareScreen) compareText() tea.Cmd {
	s.path = ""
	return s.compare()
}

// compare compares the text or the file with what the client has now.
func (s *compareScreen) compare() tea.Cmd {
	s.began, s.result, s.notice, s.scroll, s.follows = s.now, nil, "", 0, false
	return s.solve()
}

// solve compares as of the time the text is from.
func (s *compareScreen) solve() tea.Cmd {
	if s.job != nil {
		s.job.Cancel()
	}
	s.step, s.failure = comparing, ""
	t := s.target
	q := query{
		Query: solve.Query{Secret: t.Secret, Range: t.Range, Hour: knock.HourOf(s.began.Add(t.Skew)), Past: solve.DefaultHours, Future: solve.DefaultHours},
		Known: gate.Known{SSHPort: s.host.SSHPort, Window: s.window()},
		text:  bytes.Clone(s.text.bytes), path: s.path,
	}
	hostsPath, name := s.config.hostsPath, s.host.Name
	job, cmd := ui.StartJob(s.ctx, func(ctx context.Context, emit func(any)) error {
		i, err := q.inspect(ctx)
		if err == nil {
			emit(inspected{i, isListed(hostsPath, name)})
		}
		return err
	})
	s.job = job
	return cmd
}

// ended takes the end of a comparison.
func (s *compareScreen) ended(msg ui.JobDone) {
	if s.job == nil || msg.Job != s.job {
		return
	}
	if s.job = nil; msg.Err == nil {
		return
	}
	s.step, s.failure, s.result = collecting, knock.Clean(msg.Err.Error(), 400), nil
	if s.text.judged = true; s.path != "" {
		s.nameFile(s.path)
	}
}

// Change is what of the result can be applied here: of a match that is more than
// a guess.
func (s *compareScreen) change() (c hosts.Change) {
	if s.step != compared || s.result == nil || !s.result.Certain() {
		return c
	}
	m := *s.result.Candidate()
	if m.Range != s.result.Query.Range {
		c.Range = m.Range
	}
	if m.Offset != 0 {
		skew := s.target.Skew + time.Duration(m.Offset)*time.Hour
		c.Skew = &skew
	}
	if g := s.result.Gate; g != nil {
		c.Strict = g.Strict && !s.host.Strict
		if g.SweepGuard != s.host.SweepGuard {
			c.SweepGuard = g.SweepGuard
		}
	}
	return c
}

// applyChange applies the server's range and skew, and compares again.
func (s *compareScreen) applyChange() tea.Cmd {
	c := s.change()
	write := s.apply(s, c, "comparing the server's rules")
	s.notice = fmt.Sprintf("applied %v", c)
	s.follows = c.Skew != nil
	s.scroll = 0
	return tea.Batch(write, s.solve())
}

func (s *compareScreen) scrollBy(n int) {
	_, most := s.layOut()
	s.scroll.By(n)
	s.scroll.Clamp(most)
}
