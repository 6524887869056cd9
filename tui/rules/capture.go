package rules

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/pcap"
	"rapport/knock/phrase"
	"rapport/tui/ui"
)

// captured is what captures of one side or both show.
type captured struct {
	paths  []string
	report pcap.Report // with at least one client
	chosen ui.Scroll   // the client that is shown
}

// captures are files to analyze.
type captures struct {
	paths []string // the one that was loaded last stands last
	pcap.Options
	name string // of the server
}

// capturesWith returns the captures that are shown, and a file beside them.
func (s *Screen) capturesWith(path string) captures {
	c := captures{Options: pcap.Options{Target: s.Target}, name: s.Host.Name}
	c.Window = s.Window()
	if s.capture != nil {
		c.paths = slices.Clone(s.capture.paths)
	}
	c.paths = append(c.paths, path)
	return c
}

// is reports whether these are captures, by the name of the only file or by what it begins
// with. What is loaded beside a capture is to be one.
func (c captures) is() bool {
	if len(c.paths) > 1 || strings.HasPrefix(filepath.Ext(c.paths[0]), ".pcap") {
		return true
	}
	path, _, err := regularFile(c.paths[0])
	if err != nil {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4)
	n, err := io.ReadFull(f, head)
	return (err == nil || errors.Is(err, io.ErrUnexpectedEOF)) && pcap.IsCapture(head[:n])
}

// analyze finds the handshakes in captures.
func (c captures) analyze(ctx context.Context) (found captured, err error) {
	if slices.Contains(c.paths[:len(c.paths)-1], c.paths[len(c.paths)-1]) {
		return found, errors.New("this capture is shown already: give that of the other side")
	}
	var all []*pcap.Capture
	for _, p := range c.paths {
		path, _, err := regularFile(p)
		if err != nil {
			return found, fmt.Errorf("cannot read the capture: %s: %w", knock.Clean(p, 200), phrase.WithoutPath(err))
		}
		one, err := pcap.ReadFile(ctx, path)
		if err != nil {
			return found, err
		}
		all = append(all, one)
	}
	r, err := pcap.Analyze(ctx, all, c.Options)
	if err != nil {
		return found, err
	}
	if len(r.Clients) == 0 {
		none := fmt.Sprintf("no handshake is in there: rapport pcap --tcpdump %s says how to record one", c.name)
		return found, errors.New(strings.Join(append(r.Notes, none), "; "))
	}
	found = captured{paths: c.paths, report: r}
	found.chosen = ui.Scroll(max(0, slices.IndexFunc(r.Clients, func(c arrivals.Client) bool { return !c.In && len(c.Findings) > 0 })))
	return found, nil
}

// unname leaves the path of a file.
func (s *Screen) unname() {
	s.Step, s.failure = Collecting, ""
	if s.capture != nil {
		s.Step = Compared
	}
}

// captureKeys are the keys while captures are shown.
func (s *Screen) captureKeys() ui.Keys {
	clients := len(s.capture.report.Clients)
	other := ui.NewKey("l", "other side", "load the capture of the other side too", func() tea.Cmd { return s.nameFile("") }).If(len(s.capture.paths) < 2)
	others := ui.NewKey("c", "other rules", "read other rules or captures", ui.Act(s.Forget))
	mask := s.Mask("mask the ports of knocks")
	esc := ui.NewKey("esc", "back", "back to the Knock screen", s.escape)
	updown := ui.NewKey("up down", "choose", "", nil).If(clients > 1)
	const page = 10
	move := ui.MoveKeys("choose a handshake", page, func(n int) { s.capture.chosen.Move(n, clients-1) })
	return ui.Keys{
		Rows: [][]ui.Key{{other}, {others}, move, {mask}, {esc}}, Bar: []ui.Key{other, updown, esc, others, mask},
		Legend: s.captureLegend(), Ignore: s.isRestOfPaste,
	}
}

// captureLegend explains the marks of the time line.
func (s *Screen) captureLegend() [][2]string {
	th, left := s.Theme, s.line().LeftMark()
	return [][2]string{
		{left, "it left the client"},
		{th.Dot, "it arrived at the server"},
		{left + " " + th.No, "it left and never arrived: lost"},
		{"late", "it came after the window of the knock before"},
		{"reordered", "it came before the knock that it follows"},
		{"ignored", "it arrived, and leads no further"},
		{"not seen there", "that capture was cut before"},
		{"on the way", "something between the two answered it"},
	}
}
