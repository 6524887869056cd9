package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/tui/session"
	"rapport/tui/ui"
)

func (s *Screen) View() []string {
	lines, _ := s.layOut()
	return lines
}

// layOut draws the screen, and returns by how many lines the part below the verdict
// can be scrolled.
func (s *Screen) layOut() (lines []string, most int) {
	card := s.card()
	body := slices.Concat(s.sections()...)
	room := s.Size.Height - 2 - len(card.Lines)
	framed := s.Size.Framed()
	if framed {
		room -= 3 // the frame, and an empty line above the keys
	}
	if paging := s.paging(); paging || len(body) > room {
		if !framed {
			room--
		}
		var where string
		body, where, most = s.scroll.Window(body, room)
		card.Foot = s.Theme.Dim.Render(where + ": tab, up, down")
		if paging {
			most = max(most, 1) // so that the user can scroll back to the whole card
		}
		if !framed {
			body = append(body, " "+card.Foot)
		}
	}
	return append(s.Frame(card), body...), most
}

// paging reports whether the user has scrolled down on a screen without frames. The
// card is then cut to make room.
func (s *Screen) paging() bool {
	if s.Size.Framed() || s.scroll == 0 || !s.Report.Done {
		return false
	}
	top := *s
	top.scroll = 0
	_, most := top.layOut()
	return most > 0
}

// sections are the parts below the verdict. Those of a fixed height come first, so
// that nothing moves when they fill.
func (s *Screen) sections() [][]string {
	all := [][]string{s.checkLines(), s.scanLines(), s.clockLines(), s.causeLines(), s.fullLines()}
	if s.Size.Roomy() {
		for i := range all {
			if len(all[i]) > 0 {
				all[i] = append([]string{""}, all[i]...)
			}
		}
	}
	return all
}

// labelled wraps a text after a label, less cells narrower than the screen.
func (s *Screen) labelled(label, text string, less int) (out []string) {
	const column = 14 // where the text begins
	for _, l := range ui.Wrap(s.withoutPorts(text), s.Size.Width-column-less-1) {
		out = append(out, " "+ui.Fit(label, column-1)+l)
		label = ""
	}
	return out
}

// withoutPorts hides the knock ports in a text while the screen is masked.
func (s *Screen) withoutPorts(text string) string {
	ports := slices.Clone(s.Report.Verdict.Detail.Ports)
	for _, h := range []*knock.Report{s.Report.Handshake, s.Report.Other} {
		if h == nil {
			continue
		}
		for _, attempt := range h.Attempts {
			for _, k := range attempt.Knocks {
				ports = append(ports, k.Port)
			}
		}
	}
	return s.Hide(text, ports)
}

// surely is the likelihood above which the screen says that there is no other cause.
const surely = 0.9

// otherCauses names the causes that are less likely than the verdict.
func (s *Screen) otherCauses() string {
	var others []string
	for _, c := range s.Report.Causes[min(1, len(s.Report.Causes)):] {
		others = append(others, fmt.Sprintf("%s %s", c.Code, percent(c.Likelihood)))
	}
	if others == nil {
		return ""
	}
	return "or else: " + strings.Join(others, ", ")
}

// causeLines are the evidence for the verdict, and the causes that are less likely.
func (s *Screen) causeLines() (out []string) {
	r := s.Report
	if !r.Done || s.running() || len(r.Causes) == 0 {
		return nil
	}
	if !s.Size.Roomy() { // else the card has it
		out = s.evidence(0)
	}
	if d := r.Verdict.Detail; len(d.Ports) > 0 {
		out = append(out, s.labelled("ports", session.PortList(d.Ports)+" "+string(d.Answer), 0)...)
	}
	label := "other causes"
	for _, c := range r.Causes[1:] {
		const indent = "      "
		out = append(out, s.labelled(label, fmt.Sprintf("%4s  %s", percent(c.Likelihood), c.Code), 0)...)
		for _, e := range c.Evidence {
			for _, l := range s.labelled("", e, len(indent)) {
				out = append(out, indent+l)
			}
		}
		label = ""
	}
	if len(r.Causes) == 1 && r.Causes[0].Likelihood > surely {
		out = append(out, s.labelled(label, "none that the evidence allows", 0)...)
	}
	return out
}

// evidence is the evidence for the verdict, less cells narrower than the screen.
func (s *Screen) evidence(less int) (out []string) {
	label := "evidence"
	for _, c := range s.Report.Causes[:min(1, len(s.Report.Causes))] {
		for _, e := range c.Evidence {
			out = append(out, s.labelled(label, e, less)...)
			label = ""
		}
	}
	return out
}

// fullLines are the verdict and its fix in full, where the card had to cut them.
func (s *Screen) fullLines() []string {
	v := s.Report.Verdict
	if !s.Report.Done || s.running() {
		return nil
	}
	if _, whole := s.verdict(); whole {
		return nil
	}
	return append(s.labelled("in full", v.Summary, 0), s.labelled("fix", v.Fix, 0)...)
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
