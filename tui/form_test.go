package tui

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/session"
)

// fieldNames are the labels of the form, in their order.
var fieldNames = []string{"name", "address", "ssh port", "range", "secret", "store it in", "secret file", "IP family", "skew", "window", "NTP", "tags", "strict gate", "gap", "sweep guard"}

// fillIn types texts into fields by their labels, from the first field on.
func fillIn(t *testing.T, m *app, texts map[string]string) *app {
	t.Helper()
	for _, name := range fieldNames {
		shows(t, m, "> "+name) // at any size the field with the focus is seen
		for _, key := range typing(texts[name]) {
			m = tell(m, key)
		}
		m = tell(m, tea.KeyMsg{Type: tea.KeyDown})
	}
	return m
}

// saved presses ctrl+s, and returns the entry in the hosts file.
func saved(t *testing.T, m *app, path, name string) (*app, hosts.Host) {
	t.Helper()
	m, cmd := update(m, tea.KeyMsg{Type: tea.KeyCtrlS})
	m = follow(t, m, cmd)
	file, err := hosts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	h, ok := file.Host(name)
	if !ok {
		t.Fatalf("%s is not in the hosts file:\n%s", name, m.View())
	}
	return m, h
}

// The form has every field of an entry, at every size, for a new server and for an old
// one.
func TestFormHasEveryField(t *testing.T) {
	for _, s := range sizes {
		m, path := newList(t, "")
		m = tell(m, tea.WindowSizeMsg{Width: s.Width, Height: s.Height})
		m = fillIn(t, m, map[string]string{
			"name": "home", "address": "192.0.2.7", "secret": "f00b4r", "IP family": "  ", "skew": "-3h", "window": "7s",
			"NTP": "a.example.org, b.example.org", "tags": "web home", "strict gate": " ", "gap": "200ms", "sweep guard": "30",
		})
		m, h := saved(t, m, path, "home")
		want := hosts.NewHost("home")
		want.Address, want.Family, want.Skew, want.Window, want.Strict = "192.0.2.7", knock.Family6, -3*time.Hour, 7*time.Second, true
		want.NTP, want.Tags, want.Gap, want.SweepGuard, want.Secret = []string{"a.example.org", "b.example.org"}, []string{"web", "home"}, 200*time.Millisecond, 30, h.Secret
		if !h.Equal(want) || h.Secret.Source() != hosts.InFile {
			t.Errorf("at %v the entry is\n%+v, want\n%+v", s, h, want)
		}
		if m.shown != m.knock || !strings.Contains(m.View(), "home") {
			t.Errorf("at %v the form does not end on the Knock screen:\n%s", s, m.View())
		}
		// An edit starts with what is there, and changes what is typed.
		m = tell(m, press("1"), press("e"))
		m = fillIn(t, m, map[string]string{"IP family": " ", "tags": " old", "sweep guard": "0"})
		_, h = saved(t, m, path, "home")
		want.Family, want.Tags, want.SweepGuard = knock.FamilyAuto, []string{"web", "home", "old"}, 300
		if !h.Equal(want) {
			t.Errorf("at %v after the edit the entry is\n%+v, want\n%+v", s, h, want)
		}
	}
}

// What is wrong in a field is said, and the field has the focus.
func TestFormRefusesEachField(t *testing.T) {
	for field, tt := range map[string][2]string{
		"skew":        {"soon", `skew "soon" is not a time like 5s`},
		"window":      {"2h", "window 2h is not within 1s to 1h"},
		"gap":         {"x", `gap "x" is not a time`},
		"sweep guard": {"many", "is not a number of wrong ports"},
		"tags":        {"a@b", "is not a word"},
		"NTP":         {"-x", "-x"},
		"secret file": {"/nosuch", "cannot read secret file"},
	} {
		m, path := newList(t, "")
		texts := map[string]string{"name": "home", "secret": "f00b4r", field: tt[0]}
		if field == "secret file" {
			delete(texts, "secret")
		}
		m = tell(fillIn(t, m, texts), tea.KeyMsg{Type: tea.KeyCtrlS})
		shows(t, m, tt[1])
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: it is saved", field)
		}
	}
}

// The path of a secret file is completed by tab, which else goes to the next field.
func TestFormCompletesPaths(t *testing.T) {
	m, path := newList(t, "")
	file := filepath.Join(filepath.Dir(path), "mine.secret")
	if err := os.WriteFile(file, []byte("f00b4r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m = tell(m, typing("home", "tab", "tab", "tab", "tab", "tab", "tab")...)
	shows(t, m, "> secret file")
	m = tell(m, typing(filepath.Join(filepath.Dir(path), "mi"))...)
	shows(t, m, "tab complete")
	m = tell(m, typing("tab")...)
	shows(t, m, "> secret file", "tab next")
	shows(t, tell(m, typing("tab")...), "> IP family")
	if _, h := saved(t, m, path, "home"); h.Secret.Path != file {
		t.Errorf("the secret is in %q", h.Secret.Path)
	}
}

// A script that is pasted fills the form, in the form and where a path is asked for.
func TestPastedScriptIsImported(t *testing.T) {
	script := tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune("#!/bin/sh\ncalc_knock_ports f00b4r 20000 20999\nnc server.example.org 22\n")}
	for name, msgs := range map[string][]tea.Msg{"form": {script}, "import": {tea.KeyMsg{Type: tea.KeyEsc}, press("i"), script}} {
		m, path := newList(t, "")
		m = tell(m, msgs...)
		shows(t, m, "imported from the script", "server.example.org", "20000-20999", "******")
		if strings.Contains(m.View(), "f00b4r") {
			t.Errorf("%s: the secret shows:\n%s", name, m.View())
		}
		if _, h := saved(t, m, path, "server.example.org"); h.Range.String() != "20000-20999" {
			t.Errorf("%s: the range is %v", name, h.Range)
		}
	}
	m, _ := newList(t, "")
	m = tell(m, tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune("no script\nat all\n")})
	shows(t, m, "calc_knock_ports")
}

// The first start offers the demo, explains gate and secret, and ends with what to do
// on the server.
func TestFirstStartLeadsOn(t *testing.T) {
	m, _ := newList(t, "")
	m.Config.OffersDemo = true
	shows(t, m, "The gate opens SSH", "The secret, the same on both sides", "ctrl+d shows it on a demo", "ctrl+d demo")
	if m, cmd := update(m, tea.KeyMsg{Type: tea.KeyCtrlD}); !quits(cmd) || !errors.Is(m.Err, session.ErrDemo) {
		t.Errorf("ctrl+d does not leave for the demo: %v", m.Err)
	}
	m, path := newList(t, "")
	m = tell(m, typing("home", "tab", "tab", "tab", "tab", "ctrl+g")...)
	m, h := saved(t, m, path, "home")
	shows(t, tell(m, press("7")), "its secret is in ", "next: rapport rules home prints the server's script", "/etc/rapport/secret")
	if h.Secret.Path == "" {
		t.Error("the secret is in no file")
	}
}

// Letters that are read together are text, even where they spell the name of a key.
func TestLettersReadTogetherAreText(t *testing.T) {
	m, _ := newList(t, "")
	m = tell(m, press("home"), tea.KeyMsg{Type: tea.KeyTab}, press("tab"))
	shows(t, m, "name home", "> address tab")
}

// Beside the form stands what it would write, without the secret, and what it knocks.
func TestWideFormShowsTheEntry(t *testing.T) {
	m, _ := newList(t, "")
	m = tell(m, tea.WindowSizeMsg{Width: 200, Height: 50})
	shows(t, m, "[hosts.NAME]", "next: give the server a name")
	m = tell(m, typing("home", "tab", "192.0.2.7", "tab", "tab", "tab", "f00b4r")...)
	shows(t, m, "[hosts.home]", `address = "192.0.2.7"`, "08h 10247 10363 10357 10858 10938")
	if strings.Contains(m.View(), "f00b4r") {
		t.Errorf("the secret shows:\n%s", m.View())
	}
}
