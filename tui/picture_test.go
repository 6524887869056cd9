package tui

import (
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"rapport/diag"
	"rapport/diag/check"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/ui"
)

const (
	maxPicture = 60_000  // bytes
	maxTour    = 130_000 // bytes
)

// samePicture compares an SVG picture with its file; go test ./tui -update writes all.
func samePicture(t *testing.T, name, got string, most int) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(got)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%s is no XML: %v", name, err)
		}
	}
	if len(got) > most {
		t.Errorf("%s has %d bytes, more than %d", name, len(got), most)
	}
	path := filepath.Join("testdata", "pictures", name+".svg")
	if *updateGolden {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != got {
		t.Errorf("%s is not the picture of today's screen; go test ./tui -update writes it anew (%v)", path, err)
	}
}

// Each screen has a picture of its golden frame.
func TestPictures(t *testing.T) {
	size, colour := ui.Size{Width: 120, Height: 40}, look{"", termenv.TrueColor, false}
	for name, msgs := range shownScreens(t) {
		m := reach(styled(t, colour), msgs)
		m.Config.HostsPath = "~/.config/rapport/hosts.toml"
		m = tell(m, tea.WindowSizeMsg(size))
		samePicture(t, name, picture(size, scene{frame: m.View()}), maxPicture)
	}
	now := noon
	m := newWatch(t, &now, false)
	m.Theme = coloured()
	m = tell(m, busyGate(), tea.WindowSizeMsg(size))
	samePicture(t, "watch", picture(size, scene{frame: m.View()}), maxPicture)
}

func coloured() ui.Theme {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.TrueColor)
	return ui.NewTheme(r, false, ui.Dark)
}

// tour is a walk through the demo in time that passes by frames alone.
type tour struct {
	m      *app
	now    time.Time
	size   ui.Size
	scenes []scene
}

// show adds a frame that stays for d, after messages.
func (x *tour) show(d time.Duration, msgs ...tea.Msg) {
	x.m = reach(x.m, append(msgs, ui.FastBeat(x.now)))
	x.scenes = append(x.scenes, scene{x.m.View(), d})
	x.now = x.now.Add(d)
}

// newTour returns the screens on the demo, before the first knock.
func newTour(t *testing.T) *tour {
	x := &tour{now: noon, size: ui.Size{Width: 80, Height: 24}}
	x.m = newScreen(t, &x.now, func(c *Config) {
		h := hosts.NewHost("demo")
		h.Address, h.SSHPort = "127.0.0.1", 2222
		c.Host, c.HostsPath, c.Demo, c.Zone = &h, "", true, time.UTC
	})
	x.m.Target.Addr = netip.MustParseAddrPort("127.0.0.1:2222")
	x.m.Theme, x.m.Log = coloured(), nil
	x.m.Note("demo: a gate and an SSH server on loopback, secret f00b4r")
	x.m = tell(x.m, tea.WindowSizeMsg(x.size))
	return x
}

// received is the demo's handshake: each knock is accepted, to be seen.
func (x *tour) received(r *knock.Report) {
	opened(r)
	r.Host, r.Address, r.At, r.Before.State = "demo", "127.0.0.1", x.now, knock.SSHRefused
	r.SSH.Banner = "SSH-2.0-rapport_demo"
	for i := range r.Attempts[0].Knocks {
		r.Attempts[0].Knocks[i].Answer = knock.Open
	}
}

// behind is the handshake once the skew is applied.
func (x *tour) behind(r *knock.Report) {
	x.received(r)
	r.Hour = knock.HourOf(noon).Add(-3)
	for i, port := range x.m.Sequence(r.Hour).Ports() {
		r.Attempts[0].Knocks[i].Port = port
	}
}

// here is a report about the demo.
func here(r diag.Report) diag.Report {
	r.Host, r.Address = "demo", "127.0.0.1"
	r.Checks = slices.Clone(r.Checks)
	for i := range r.Checks {
		if r.Checks[i].ID == check.Name {
			r.Checks[i].Args.Address = netip.MustParseAddr(r.Address)
		}
	}
	return r
}

// refused is a handshake at a demo whose clock is off.
func refused(r *knock.Report) {
	shut(r)
	r.Host, r.Address, r.Before.State, r.SSH.State = "demo", "127.0.0.1", knock.SSHRefused, knock.SSHRefused
	for _, a := range r.Attempts {
		for i := range a.Knocks {
			a.Knocks[i].Answer = knock.Refused
		}
	}
}

// The tour shows the three uses in half a minute: a knock, sequences, a clock that is
// off.
func TestTour(t *testing.T) {
	const tile = 60 * time.Millisecond
	x := newTour(t)
	right, down := tea.KeyMsg{Type: tea.KeyShiftLeft}, tea.KeyMsg{Type: tea.KeyDown}
	x.show(2500 * time.Millisecond)
	x.show(tile, over(nil, knocked(5, x.received))...)
	for range knock.Knocks - 1 {
		x.show(tile)
	}
	for range 6 {
		x.show(900 * time.Millisecond)
	}
	x.show(2*time.Second, press("3"))
	x.show(700*time.Millisecond, down)
	x.show(700*time.Millisecond, down)
	x.show(2500*time.Millisecond, press("r"))
	x.show(1500*time.Millisecond, tea.KeyMsg{Type: tea.KeyEsc}, press("4"), clocksRead())
	x.show(800*time.Millisecond, right)
	x.show(800*time.Millisecond, right)
	x.show(2*time.Second, right)
	x.show(2*time.Second, append([]tea.Msg{press("2")}, over(nil, knocked(5, refused))...)...)
	x.show(2*time.Second, press("d"), snapshot(here(running(t))))
	x.show(4*time.Second, diagnosed(here(behind(t)))[1:]...)
	x.show(tile, append([]tea.Msg{press("f")}, over(nil, knocked(5, x.behind))[1:]...)...)
	for range knock.Knocks {
		x.show(tile)
	}
	x.show(2 * time.Second)
	var total time.Duration
	for _, s := range x.scenes {
		total += s.stays
	}
	if total < 25*time.Second || total > 35*time.Second {
		t.Errorf("the tour takes %v", total)
	}
	samePicture(t, "tour", picture(x.size, x.scenes...), maxTour)
}

// The README shows pictures that there are.
func TestReadmeShowsPictures(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`\(tui/(testdata/pictures/[a-z]+\.svg)\)`).FindAllSubmatch(readme, -1)
	if len(shown) < 2 {
		t.Errorf("the README shows %d pictures", len(shown))
	}
	for _, m := range shown {
		if _, err := os.Stat(string(m[1])); err != nil {
			t.Error(err)
		}
	}
}
