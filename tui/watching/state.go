package watching

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/knock/gate/watch"
	"rapport/tui/ui"
)

// state says how far an address has come, in at most w cells.
func (s *Screen) state(v watch.Visit, w int) (words string, tone lipgloss.Style) {
	forms, tone := s.states(v)
	if v.Shared {
		forms, tone = sharedForms(v), s.Theme.Bad
	}
	return ui.FirstThatFits(w, forms...), tone
}

// states are the wordings of a state, the longest first.
func (s *Screen) states(v watch.Visit) (forms []string, tone lipgloss.Style) {
	t := s.Theme
	left, over := "", false // of the window
	if windows := s.seen().Gate.Windows; v.Phase > 0 && v.Phase <= len(windows) && windows[v.Phase-1] > 0 {
		d := v.Entered[v.Phase-1].Add(windows[v.Phase-1]).Sub(s.when())
		left, over = fmt.Sprintf(", %.1f s left", max(0, d).Seconds()), d <= 0
	}
	switch v.State {
	case watch.VisitInside:
		in := fmt.Sprintf("in phase %d", v.Phase)
		if over {
			return []string{fmt.Sprintf("phase %d over", v.Phase)}, t.Dim
		}
		return []string{in + left, in}, t.Accent
	case watch.VisitOpen:
		if over {
			return []string{"SSH shut again", "shut again"}, t.Dim
		}
		return []string{"SSH open" + left, "SSH open"}, t.Good
	case watch.VisitIn:
		if v.Phase == 0 {
			return []string{"got in; no handshake was seen", "no handshake"}, t.Good
		}
		return []string{"got in"}, t.Good
	case watch.VisitPast:
		return []string{"opened before"}, t.Dim
	case watch.VisitCut:
		return []string{"the gate changed meanwhile", "gate changed"}, t.Dim
	case watch.VisitRefused:
		return []string{"refused by the replay guard", "refused by guard", "refused"}, t.Warn
	case watch.VisitSSHDown:
		return []string{fmt.Sprintf("open; nothing listens on port %d", s.seen().Gate.SSHPort), "nothing listens", "no listener"}, t.Bad
	case watch.VisitStuck:
		return []string{fmt.Sprintf("stuck at %d", v.Phase)}, t.Warn
	}
	return []string{string(v.State)}, t.Dim
}

// sharedForms are the wordings of a visit that may use several addresses, the longest
// first.
func sharedForms(v watch.Visit) []string {
	stuck := fmt.Sprintf("stuck at %d, shared", v.Phase)
	if len(v.Others) == 0 {
		return []string{stuck + "? attempts dropped", stuck + "?", fmt.Sprintf("%d, shared?", v.Phase)}
	}
	more := ""
	if n := len(v.Others) - 1; n > 0 {
		more = fmt.Sprintf(" +%d", n)
	}
	return []string{
		stuck + " with " + joinedAddrs(v.Others) + "?",
		stuck + " with " + v.Others[0].String() + more + "?",
		fmt.Sprintf("%d, shared %s%s?", v.Phase, ending(v.Others[0]), more),
		fmt.Sprintf("%d, shared%s?", v.Phase, more),
	}
}

// ending is the part of an address in which neighbours differ: the last two numbers
// of IPv4, the last one of IPv6.
func ending(addr netip.Addr) string {
	s, sep, n := addr.String(), ".", 2
	if !addr.Is4() {
		sep, n = ":", 1
	}
	i := len(s)
	for range n {
		i = strings.LastIndex(s[:i], sep)
	}
	return s[max(0, i):]
}

// detail is the chosen row with its whole address.
func (s *Screen) detail() string {
	visits := s.seen().Visits
	if s.at >= len(visits) {
		return ""
	}
	who := s.Theme.Accent.Render(" > ") + visits[s.at].Addr.String() + "  "
	words, tone := s.state(visits[s.at], s.Size.Width-ansi.StringWidth(who))
	return who + tone.Render(words)
}

// shortened returns the addresses of rows in at most w cells each. Long ones are cut
// to a part in which they differ, with "~" for the rest.
func shortened(visits []watch.Visit, w int) []string {
	all := make([]string, len(visits))
	for cut := range maxCuts {
		known := map[string]netip.Addr{}
		twice := false
		for i, v := range visits {
			all[i] = shorten(v.Addr.String(), w, cut)
			other, same := known[all[i]]
			twice = twice || same && other != v.Addr
			known[all[i]] = v.Addr
		}
		if !twice {
			return all
		}
	}
	for i, v := range visits {
		all[i] = shorten(v.Addr.String(), w, 0)
	}
	return all
}

// maxCuts is how many ways to shorten an address are tried.
const maxCuts = 36

// shorten cuts an address to w cells: cut 0 drops the middle, 1 keeps the end, and
// each higher one keeps a part further left.
func shorten(s string, w, cut int) string {
	switch tail := w / 2; {
	case len(s) <= w:
		return s
	case cut == 0:
		return s[:w-tail-1] + "~" + s[len(s)-tail:]
	default:
		end := max(w-1, len(s)-cut+1)
		cutOff := ""
		if end < len(s) {
			cutOff = "~"
		}
		first := max(0, end-(w-1-len(cutOff)))
		if first == 0 {
			return s[:w-1] + "~"
		}
		return "~" + s[first:end] + cutOff
	}
}

func joinedAddrs(all []netip.Addr) string {
	var words []string
	for _, addr := range all {
		words = append(words, addr.String())
	}
	return strings.Join(words, ", ")
}

// age writes a span in four cells: "1.2s", " 12s", " 12m", " 12h", " 12d".
func age(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%3ds", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%3dm", int(d.Minutes()))
	case d < 100*time.Hour:
		return fmt.Sprintf("%3dh", int(d.Hours()))
	}
	return fmt.Sprintf("%3dd", min(999, int(d.Hours()/24)))
}
