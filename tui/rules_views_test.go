package tui

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/tui/ui"
)

var (
	tab  = tea.KeyMsg{Type: tea.KeyTab}
	esc  = tea.KeyMsg{Type: tea.KeyEsc}
	home = tea.KeyMsg{Type: tea.KeyHome}
	down = tea.KeyMsg{Type: tea.KeyDown}
)

// articleRules returns what iptables-save prints of the article's gate, in the hour of
// all golden screens.
func articleRules(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../knock/gate/testdata/rules/article.save")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// withRules returns the Rules screen with the findings about a text.
func withRules(t *testing.T, text string, change func(*Config)) *app {
	t.Helper()
	now := noon
	m := tell(newScreen(t, &now, change), tea.WindowSizeMsg{Width: 80, Height: 24}, press("c"), paste(text))
	m = unfold(t, m, enter)
	now = now.Add(5 * time.Second) // what comes now is no rest of the paste
	return m
}

func TestTraceAndAuditGoldenScreens(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		text string
		tabs int // to the view
		then []tea.Msg
	}{
		{"findings", rulesOf(t, knock.HourOf(noon).Add(-3), portRange(t, "10000-10998")), 0, nil},
		{"trace", articleRules(t), 1, slices.Repeat([]tea.Msg{down}, 5)},
		{"trace-stale", rulesOf(t, knock.HourOf(noon).Add(-3), knock.DefaultRange), 1, nil},
		{"audit", articleRules(t), 2, slices.Repeat([]tea.Msg{down}, 9)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := unfold(t, tell(withRules(t, tt.text, nil), tab), tab)
			for m = tell(m, tab); tt.tabs > 0; tt.tabs-- {
				m = tell(m, tab)
			}
			m = tell(m, tt.then...)
			for _, l := range looks {
				r := lipgloss.NewRenderer(io.Discard)
				r.SetColorProfile(l.profile)
				m.Theme = ui.NewTheme(r, l.ascii, ui.Dark)
				for _, s := range sizes {
					atSize(t, m, s, "rules-"+tt.name, l)
				}
			}
			fits(t, m)
		})
	}
}

// notModelled returns rules whose first one has a match that is not modelled.
func notModelled(rules string) string {
	return strings.Replace(rules, "-A INPUT -i lo -j ACCEPT", "-A INPUT -m geoip --source-country FR -j DROP", 1)
}

// The foot of the trace says of the chosen rule what it did to each packet, and why.
func TestTraceSaysWhy(t *testing.T) {
	t.Parallel()
	article := articleRules(t)
	screens := map[string]*app{}
	for _, text := range []string{article, notModelled(article)} {
		screens[text] = tell(withRules(t, text, nil), tab)
	}
	for _, tt := range []struct {
		name string
		text string
		down int
		want []string
	}{
		{"a jump", article, 2, []string{"line 13, chain INPUT, table filter", "1st 2nd 3rd 4th 5th ssh ✓ matches"}},
		{"a knock", article, 3, []string{"1st ✓ matches", "2nd - port is 10363", "ssh - port is 22"}},
		{"a chain of one phase", article, 4, []string{"-A portknock_into_phase1 -m recent --set", "1st ✓ matches", "2nd 3rd 4th 5th ssh not met"}},
		{"the accept rule", article, 18, []string{"line 14", "4th - not on the list PK_PHASE5", "5th - port is 10938", "ssh ✓ matches"}},
		{"the last rule", article, 20, []string{"-A portknock_accept -j ACCEPT", "1st 2nd 3rd 4th 5th not met", "ssh ✓* decides: accept"}},
		{"the policy", article, 99, []string{"policy drop of INPUT", "1st 2nd 3rd 4th 5th ✓* decides: drop", "ssh not met"}},
		{"what is not modelled", notModelled(article), 0,
			[]string{"1st 2nd 3rd 4th 5th ssh ? may match: -m geoip is not modelled", "not known"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := tell(screens[tt.text], home)
			m = tell(m, slices.Repeat([]tea.Msg{down}, tt.down)...)
			shows(t, m, tt.want...)
		})
	}
}

// A phase that the rules leave open has a ?, as in the text of rapport trace.
func TestTraceDoubtsPhases(t *testing.T) {
	t.Parallel()
	const call = "-A INPUT -j portknocking"
	text := strings.Replace(articleRules(t), call, "-A INPUT -p tcp -m tcp --dport 10357 -m ttl --ttl-lt 65 -j DROP\n"+call, 1)
	doubtful, certain := tell(withRules(t, text, nil), tab), tell(withRules(t, articleRules(t), nil), tab)
	for _, s := range sizes[1:] {
		size := tea.WindowSizeMsg{Width: s.Width, Height: s.Height}
		shows(t, tell(doubtful, size), "0-1 1-2 2-3? 3-4? 4-5? 5-5?")
		if view := tell(certain, size).View(); strings.Contains(view, "2-3?") || strings.Contains(view, "2-3") != s.Wide() {
			t.Errorf("at %v:\n%s", s, view)
		}
	}
}

// The views follow each other; a text without a gate has only findings.
func TestRulesSwitchesViews(t *testing.T) {
	t.Parallel()
	m := withRules(t, articleRules(t), nil)
	shows(t, m, "findings", "tab trace")
	m = tell(m, tab)
	shows(t, m, "SSH opens", "tab audit")
	m = unfold(t, m, tab)
	shows(t, m, "failed: replay, sweep", "tab findings")
	m = tell(m, tab)
	shows(t, m, "findings")
	m = tell(m, tab, tab) // the audit is kept
	shows(t, m, "failed: replay, sweep")

	for name, text := range map[string]string{"ports": "10247 10363 10357 10858 10938", "no gate": "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"} {
		m := withRules(t, text, nil)
		if tabbed := tell(m, tab).View(); strings.Contains(tabbed, "tab trace") || !strings.Contains(tabbed, "findings") {
			t.Errorf("%s: tab leads to\n%s", name, tabbed)
		}
	}
}

// A wide screen shows all views at once, and plays the audit without being asked. Up and
// down walk the trace, and after tab the audit.
func TestRulesShowsAllViewsAtOnce(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 120, Height: 40}, press("c"), paste(articleRules(t)))
	m = unfold(t, m, enter)
	shows(t, m, "hour, range and secret are the same here", "SSH opens", "2 fail, 4 warn", "line 11, chain INPUT")
	m = tell(m, down, down)
	shows(t, m, "line 13, chain INPUT", "1st 2nd 3rd 4th 5th ssh ✓ matches")
	m = tell(m, tab, down)
	shows(t, m, "handshake: ok")
	shows(t, tell(m, tab, tab), "line 13, chain INPUT")
}

// esc cancels the audit, which begins again when it is shown again.
func TestAuditCancels(t *testing.T) {
	m := tell(withRules(t, articleRules(t), nil), tab, tab)
	job := m.rules.Job
	if job == nil {
		t.Fatal("no audit is under way")
	}
	shows(t, m, "playing 16 attacks", "esc cancel")
	if m = tell(m, esc); m.rules.Job != nil || m.shown != m.rules {
		t.Fatal("not cancelled")
	}
	shows(t, m, "SSH opens", "esc back")
	m = unfold(t, m, tab)
	shows(t, m, "failed: replay, sweep")
	if m = tell(m, esc); m.shown != m.knock {
		t.Error("esc does not go back")
	}
}

// While the screens are masked no view shows a knock port.
func TestRulesMasksAllViews(t *testing.T) {
	m := tell(withRules(t, articleRules(t), nil), press("m"), tea.WindowSizeMsg{Width: 120, Height: 40}, tab)
	views := m.View()
	for range 20 {
		m = tell(m, down)
		views += m.View()
	}
	m = unfold(t, m, tab)
	for range 16 {
		views += m.View()
		m = tell(m, down)
	}
	for _, port := range m.Sequence(m.Hour()).Ports() {
		if strings.Contains(views, fmt.Sprint(port)) {
			t.Errorf("port %d shows", port)
		}
	}
	shows(t, tell(m, tab, tab), "rule 3 of portknocking")
}

// A script computes its ports: its own knocks are played, and nothing of its secret shows.
func TestTraceOfAScript(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../knock/gate/testdata/rules/refresh.sh")
	if err != nil {
		t.Fatal(err)
	}
	m := tell(withRules(t, string(text), nil), tab)
	for range 30 {
		if strings.Contains(m.View(), "f00b4r") {
			t.Fatalf("the secret shows:\n%s", m.View())
		}
		m = tell(m, down)
	}
	shows(t, m, "1st 2nd 3rd 4th 5th ssh")

	m = tell(withRules(t, scriptOf(t, script.IPTables), nil), tab)
	shows(t, m, "the script of rapport rules, which computes its rules")
	shows(t, unfold(t, m, tab), "unknown")
}
