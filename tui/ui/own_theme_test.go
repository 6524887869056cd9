package ui_test

import (
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"rapport/knock/hosts"
	"rapport/tui/ui"
)

// A role that is given has its colour in each profile; the rest is as without it.
func TestOwnTheme(t *testing.T) {
	own := map[string]string{}
	for i, role := range hosts.ThemeRoles() {
		own[role] = "#" + strings.Repeat(string("0123456789"[i]), 6)
	}
	own["accent"], own["open"] = "#ff0000", "#00ff00"
	delete(own, "bad")
	for profile, red := range map[termenv.Profile]string{termenv.TrueColor: "38;2;255;0;0m", termenv.ANSI256: "38;5;196m", termenv.ANSI: "91m"} {
		r := lipgloss.NewRenderer(io.Discard)
		r.SetColorProfile(profile)
		th, plain := ui.OwnTheme(r, false, ui.Light, own), ui.NewTheme(r, false, ui.Light)
		if got := th.Accent.Render("x"); !strings.Contains(got, red) {
			t.Errorf("the accent in profile %v is %q", profile, got)
		}
		same := func(a, b ui.Style) bool { return a.Render("x") == b.Render("x") }
		if !same(th.Steps[0], th.Accent) || !same(th.Steps[4], th.Open) || !same(th.Bad, plain.Bad) || th.Tint("x", 1) != plain.Tint("x", 1) {
			t.Error("the steps are not from accent to open, or a role that is left out has changed")
		}
		for role, s := range map[string]ui.Style{"ink": th.Ink, "muted": th.Quiet, "faint": th.Faint, "warn": th.Warn, "past": th.Past, "next": th.Next} {
			if want := r.NewStyle().Foreground(lipgloss.Color(own[role])).Render("x"); s.Render("x") != want {
				t.Errorf("%s is %q, want %q", role, s.Render("x"), want)
			}
		}
	}
}
