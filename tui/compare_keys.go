package tui

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/gate"
)

// toCompare shows the Compare screen: as it was left, or asking.
func (a *app) toCompare() { a.mode, a.help = onCompare, false }

// forgetCompare drops what was compared, and ends what is under way.
func (a *app) forgetCompare() {
	if a.compare.job != nil {
		a.compare.job.cancel()
	}
	a.compare = compareScreen{}
}

// ended asks whether the text is complete: it is unless more of it has come.
type ended struct{ number int }

// compareTyped takes what is text on the Compare screen.
func (a *app) compareTyped(msg tea.Msg) tea.Cmd {
	c := &a.compare
	k, isKey := msg.(tea.KeyMsg)
	if c.step == naming {
		switch {
		case isKey && k.String() == "esc":
			c.step, c.failure = collecting, ""
			return nil
		case isKey && k.String() == "enter":
			if path := strings.TrimSpace(a.input.Value()); path != "" {
				c.path = path
				return a.startCompare()
			}
			return nil
		}
		var cmd tea.Cmd
		a.input, cmd = a.input.Update(msg)
		return cmd
	}
	if isKey {
		return a.collect(k)
	}
	return nil
}

// collect takes a key as text. A terminal that does not mark what is pasted
// sends it key by key: so every letter is text, and an empty line, of which
// rules have some, ends it only if nothing follows.
func (a *app) collect(k tea.KeyMsg) tea.Cmd {
	c := &a.compare
	text := &c.text
	empty := len(text.bytes) == 0
	switch {
	case k.Type == tea.KeyRunes && k.Paste:
		s := strings.ReplaceAll(string(k.Runes), "\r\n", "\n")
		text.add(a.now, strings.ReplaceAll(s, "\r", "\n"), true)
	case k.Type == tea.KeyRunes && empty && string(k.Runes) == "l":
		return a.nameFile("")
	case k.Type == tea.KeyRunes, k.Type == tea.KeySpace:
		text.add(a.now, string(k.Runes), false)
	case k.Type == tea.KeyTab:
		text.add(a.now, "\t", false)
	case k.Type == tea.KeyBackspace:
		text.backspace()
	case k.Type == tea.KeyCtrlU:
		c.text = collected{number: text.number + 1}
	case k.Type == tea.KeyEsc:
		a.mode = onKnock
	case k.Type == tea.KeyCtrlD && !empty:
		c.path = ""
		return a.startCompare()
	case (k.Type == tea.KeyEnter || k.Type == tea.KeyCtrlJ) && !empty:
		ends := text.ends()
		text.judged = false
		text.add(a.now, "\n", false)
		if ends {
			n := text.number
			return tea.Tick(pasteGap, func(time.Time) tea.Msg { return ended{n} })
		}
	default:
		return nil
	}
	c.failure = ""
	return nil
}

// ended compares, unless more text has come.
func (a *app) ended(msg ended) tea.Cmd {
	c := &a.compare
	if a.mode != onCompare || c.step != collecting || c.text.number != msg.number {
		return nil
	}
	c.path = ""
	return a.startCompare()
}

// nameFile asks for the path of a file.
func (a *app) nameFile(path string) tea.Cmd {
	a.compare.step = naming
	a.input = textinput.New()
	a.input.Prompt = ""
	a.input.CharLimit = 4096
	a.input.Width = 50
	a.input.SetValue(path)
	return a.input.Focus()
}

// compareKey answers a key that is a command on the Compare screen.
func (a *app) compareKey(msg tea.KeyMsg) tea.Cmd {
	c := &a.compare
	page := max(1, a.height/3)
	switch msg.String() {
	case "esc":
		if c.step == comparing {
			a.cancelCompare()
		} else {
			a.mode = onKnock
		}
	case "m":
		a.screen.masked = !a.screen.masked
	case "c":
		if c.step == compared {
			a.forgetCompare()
		}
	case "f":
		return a.takeOver()
	default:
		c.scroll = scrolled(c.scroll, msg.String(), page)
	}
	_, room := a.comparePanes()
	c.scroll = max(0, min(c.scroll, room))
	return nil
}

// deafTo reports whether a key is the rest of a paste that was taken for
// complete: keys read together, and those that follow at once.
func (a *app) deafTo(msg tea.KeyMsg) bool {
	c := &a.compare
	if msg.Type != tea.KeyRunes && msg.Type != tea.KeySpace && msg.Type != tea.KeyEnter {
		return false
	}
	if !msg.Paste && len(msg.Runes) < 2 && !a.now.Before(c.deaf) {
		return false
	}
	c.deaf = a.now.Add(pasteGap)
	return true
}

// cancelCompare gives the comparison up. What was collected stays.
func (a *app) cancelCompare() {
	c := &a.compare
	if c.job != nil {
		c.job.cancel()
		c.job = nil
	}
	c.step = collecting
	if c.failure = cancelled; c.result != nil {
		c.step, c.failure, c.notice = compared, "", cancelled
	}
}

// startCompare compares the text or the file with what the client has now.
func (a *app) startCompare() tea.Cmd {
	a.compare.at, a.compare.result, a.compare.notice, a.compare.scroll = a.now, nil, "", 0
	a.compare.followed = false
	return a.solve()
}

// solve compares as of the time the text is from.
func (a *app) solve() tea.Cmd {
	c := &a.compare
	if c.job != nil {
		c.job.cancel()
	}
	c.step, c.failure = comparing, ""
	t := a.screen.target
	p := gate.Puzzle{Secret: t.Secret, Range: t.Range, Hour: knock.HourOf(c.at.Add(t.Skew)), Past: gate.DefaultHours, Future: gate.DefaultHours}
	known := gate.Known{SSHPort: a.screen.host.SSHPort, Window: cmp.Or(t.Window, knock.DefaultWindow)}
	text, path := bytes.Clone(c.text.bytes), c.path
	hostsPath, name := a.config.HostsPath, a.screen.host.Name
	a.jobs++
	j, cmd := startJob(a.ctx, a.jobs, func(ctx context.Context, emit func(any)) error {
		i, err := inspect(ctx, text, path, p, known)
		if err == nil {
			emit(inspected{i, isListed(hostsPath, name)})
		}
		return err
	})
	c.job = &j
	return cmd
}

// inspect inspects a text, or the file at path unless that is empty.
func inspect(ctx context.Context, text []byte, path string, p gate.Puzzle, known gate.Known) (i gate.Inspection, err error) {
	if path != "" {
		if text, err = readText(expandHome(path)); err != nil {
			if pe := new(fs.PathError); errors.As(err, &pe) {
				err = fmt.Errorf("%s: %w", knock.Clean(pe.Path, 200), pe.Err)
			}
			return i, fmt.Errorf("cannot read the rules: %w", err)
		}
	}
	if len(bytes.Trim(text, "0123456789, \t\r\n")) == 0 {
		if p.Ports, err = gate.ParsePorts(string(text)); err != nil {
			return i, err
		}
		return gate.InspectPorts(ctx, p)
	}
	found, err := gate.ReadRules(bytes.NewReader(text))
	if err != nil {
		return i, err
	}
	return gate.Inspect(ctx, found, p, known)
}

// readText reads a file, up to a byte more than rules may have.
func readText(path string) ([]byte, error) {
	// Opening a pipe would wait for its other end.
	if s, err := os.Stat(path); err != nil {
		return nil, err
	} else if !s.Mode().IsRegular() {
		return nil, errors.New(knock.Clean(path, 200) + " is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxText))
}

// compareDone takes the end of a comparison.
func (a *app) compareDone(msg jobDone) {
	c := &a.compare
	if c.job == nil || msg.number != c.job.number {
		return
	}
	c.job = nil
	if msg.err == nil {
		return
	}
	c.step, c.failure, c.result = collecting, knock.Clean(msg.err.Error(), 400), nil
	if c.text.judged = true; c.path != "" {
		a.nameFile(c.path)
	}
}

// inspected is the event of a comparison that is over.
type inspected struct {
	gate.Inspection
	listed bool // the hosts file has the server
}

// take notes an event of a comparison: there is only the result.
func (c *compareScreen) take(event any) {
	if e, ok := event.(inspected); ok {
		c.result, c.listed, c.step = &e.Inspection, e.listed, compared
	}
}

// takeOver takes the server's range and skew over.
func (a *app) takeOver() tea.Cmd {
	c := &a.compare
	o := c.offer(a.screen.host)
	if c.step != compared || !o.any() {
		return nil
	}
	write := a.adopt(o.String(), o.onto, "from the server's rules")
	c.notice = fmt.Sprintf("took %v over", o)
	c.followed = o.skewed
	c.scroll = 0
	return tea.Batch(write, a.solve())
}
