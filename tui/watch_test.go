package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/gate"
	"rapport/knock/gate/watch"
	"rapport/knock/knocktest"
	"rapport/tui/ui"
)

// newWatch returns the Watch screen at the time that now points to.
func newWatch(t testing.TB, now *time.Time, ascii bool) *app {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	c := Config{Client: &knock.Client{Clock: func() time.Time { return *now }}}
	return newWatchApp(ctx, c, ui.NewTheme(lipgloss.NewRenderer(io.Discard), ascii, ui.Dark), nil)
}

var watchedGate = watch.Gate{
	Kind: gate.FromIPTables, Families: []knock.Family{knock.Family4, knock.Family6}, SSHPort: 22, Door: gate.Fixed,
	Windows: []time.Duration{5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second},
	Ended:   true, Counted: true,
}

// reading is the message of a reading at noon with these visits.
func reading(totals watch.Totals, visits ...watch.Visit) tea.Msg {
	return fromJob{watch.Snapshot{Time: noon, Gate: watchedGate, Visits: visits, Totals: totals, Events: eventsOf(visits)}}
}

// eventsOf are those that tell of visits.
func eventsOf(visits []watch.Visit) (all []watch.Event) {
	all = append(all, watch.Event{Kind: watch.GateFound, Time: noon.Add(-time.Hour), Gate: &watchedGate})
	kinds := map[watch.VisitState]watch.EventKind{
		watch.VisitIn: watch.GotIn, watch.VisitStuck: watch.Stuck, watch.VisitRefused: watch.GuardRefused, watch.VisitSSHDown: watch.SSHDown,
	}
	for _, v := range visits {
		if kind, ok := kinds[v.State]; ok && !v.Changed.IsZero() {
			all = append(all, watch.Event{Kind: kind, Time: v.Changed, Addr: v.Addr, Phase: v.Phase})
		}
	}
	slices.SortStableFunc(all, func(a, b watch.Event) int { return a.Time.Compare(b.Time) })
	return all
}

// visit is that of an address that entered its phases so long ago; a negative age is
// unknown.
func visit(addr string, state watch.VisitState, ages ...time.Duration) watch.Visit {
	v := watch.Visit{Addr: netip.MustParseAddr(addr), State: state, Phase: len(ages)}
	for k, age := range ages {
		if age >= 0 {
			v.Entered[k] = noon.Add(-age)
		}
		v.Changed = noon.Add(-age)
	}
	return v
}

func busyGate() tea.Msg {
	const s, unseen = time.Second, -1
	shared := visit("100.64.7.9", watch.VisitStuck, 41*s, 40*s)
	shared.Shared, shared.Others = true, []netip.Addr{netip.MustParseAddr("100.64.8.130")}
	other := visit("100.64.8.130", watch.VisitStuck, 43*s)
	other.Shared, other.Others = true, []netip.Addr{shared.Addr}
	dropped := visit("198.51.100.200", watch.VisitStuck, unseen, unseen, unseen, unseen, 3*time.Hour)
	dropped.Shared = true
	return reading(watch.Totals{Handshakes: 12, In: 9, Stuck: [5]int{14, 2, 0, 1, 2}, Shared: 2, Refused: 1, SSHDown: 1},
		visit("203.0.113.7", watch.VisitOpen, 1804*time.Millisecond, 1803*time.Millisecond, 1802*time.Millisecond, 1801*time.Millisecond, 1800*time.Millisecond),
		visit("203.0.113.9", watch.VisitInside, 2100*time.Millisecond, 900*time.Millisecond, 400*time.Millisecond),
		visit("2001:db8:1234:5678:9abc:def0:1234:5678", watch.VisitIn, unseen, unseen, unseen, unseen, 12*s),
		shared,
		other,
		visit("192.0.2.77", watch.VisitIn),
		visit("192.0.2.78", watch.VisitStuck, 8*time.Minute),
		dropped,
		visit("192.0.2.79", watch.VisitRefused, unseen, unseen, unseen, 9*time.Minute),
		visit("192.0.2.80", watch.VisitSSHDown, unseen, unseen, unseen, unseen, 10*time.Minute),
		visit("2001:db8::1", watch.VisitPast, unseen, unseen, unseen, unseen, 50*time.Hour),
	)
}

func crowd() tea.Msg {
	var all []watch.Visit
	for i := range 57 {
		all = append(all, visit(fmt.Sprintf("203.0.113.%d", i), watch.VisitStuck, time.Duration(i+6)*time.Minute))
	}
	return reading(watch.Totals{Stuck: [5]int{57}}, all...)
}

// observed is a watch that sees SYNs: a client whose fourth knock came before the third, and
// one that knocks the sequence of an earlier hour.
func observed(t testing.TB) tea.Msg {
	q := arrivals.Query{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, Reach: arrivals.DefaultReach}
	track := arrivals.NewTracker(q, arrivals.Gate{Range: q.Range, SSHPort: 22, Window: 5 * time.Second})
	shake := func(from string, hour knock.Hour, order ...int) {
		five := knock.Derive(hour, q.Range, q.Secret).Ports()
		at := noon.Add(-20 * time.Second)
		for i, k := range order {
			at = at.Add(12 * time.Millisecond)
			p := arrivals.Packet{Src: netip.AddrPortFrom(netip.MustParseAddr(from), uint16(40000+i)), Dst: netip.MustParseAddrPort("192.0.2.1:22"), Seq: uint32(i), Arrived: at}
			if k > 0 {
				p.Dst = netip.AddrPortFrom(p.Dst.Addr(), five[k-1])
			}
			track.Add(p)
		}
	}
	shake("203.0.113.9", knock.HourOf(noon), 1, 2, 4, 3, 5, 0)
	shake("203.0.113.7", knock.HourOf(noon).Add(-3), 1, 2, 3, 4, 5, 0)
	m := reading(watch.Totals{Stuck: [5]int{2: 1}}, visit("203.0.113.9", watch.VisitStuck, 20*time.Second, 20*time.Second, 20*time.Second)).(fromJob)
	seen := m.event.(watch.Snapshot)
	seen.Clients = track.Flush()
	slices.Reverse(seen.Clients)
	m.event = seen
	return m
}

func TestGoldenWatchScreens(t *testing.T) {
	down := fromJob{watch.Snapshot{Time: noon, Gate: watchedGate, Down: true, Visits: []watch.Visit{
		visit("192.0.2.80", watch.VisitSSHDown, -1, -1, -1, -1, 10*time.Minute),
		visit("192.0.2.81", watch.VisitCut, -1, time.Minute),
	}, Totals: watch.Totals{Handshakes: 1, SSHDown: 1}}}
	lost := fromJob{watch.Snapshot{Gate: watchedGate, Lost: true}}
	for _, tt := range []struct {
		name  string
		w, h  int
		ascii bool
		msgs  []tea.Msg
	}{
		{name: "watch-empty-80x24", w: 80, h: 24, msgs: []tea.Msg{reading(watch.Totals{})}},
		{name: "watch-empty-60x16", w: 60, h: 16, msgs: []tea.Msg{reading(watch.Totals{})}},
		{name: "watch-busy-60x16", w: 60, h: 16, msgs: []tea.Msg{busyGate()}},
		{name: "watch-busy-80x24", w: 80, h: 24, msgs: []tea.Msg{busyGate()}},
		{name: "watch-busy-120x40", w: 120, h: 40, msgs: []tea.Msg{busyGate()}},
		{name: "watch-ascii-80x24", w: 80, h: 24, ascii: true, msgs: []tea.Msg{busyGate()}},
		{name: "watch-crowd-80x24", w: 80, h: 24, msgs: []tea.Msg{crowd(), tea.KeyMsg{Type: tea.KeyDown}, tea.KeyMsg{Type: tea.KeyPgDown}}},
		{name: "watch-paused-80x24", w: 80, h: 24, msgs: []tea.Msg{busyGate(), press("p"), crowd()}},
		{name: "watch-chosen-60x16", w: 60, h: 16, msgs: []tea.Msg{busyGate(), tea.KeyMsg{Type: tea.KeyDown}, tea.KeyMsg{Type: tea.KeyDown}, tea.KeyMsg{Type: tea.KeyDown}}},
		{name: "watch-chosen-80x24", w: 80, h: 24, msgs: []tea.Msg{busyGate(), tea.KeyMsg{Type: tea.KeyPgDown}, tea.KeyMsg{Type: tea.KeyUp}}},
		{name: "watch-down-60x16", w: 60, h: 16, msgs: []tea.Msg{down}},
		{name: "watch-down-80x24", w: 80, h: 24, msgs: []tea.Msg{down}},
		{name: "watch-lost-80x24", w: 80, h: 24, msgs: []tea.Msg{lost}},
		{name: "watch-line-80x24", w: 80, h: 24, msgs: []tea.Msg{observed(t), press("t")}},
		{name: "watch-line-120x40", w: 120, h: 40, msgs: []tea.Msg{observed(t), press("t")}},
		{name: "watch-line-200x50", w: 200, h: 50, msgs: []tea.Msg{observed(t), press("t")}},
		{name: "watch-line-masked-60x16", w: 60, h: 16, msgs: []tea.Msg{observed(t), press("t"), press("m")}},
		{name: "watch-line-phases-80x24", w: 80, h: 24, msgs: []tea.Msg{busyGate(), press("t")}},
		{name: "watch-help-80x24", w: 80, h: 24, msgs: []tea.Msg{reading(watch.Totals{}), press("?")}},
		{name: "watch-help-60x16", w: 60, h: 16, msgs: []tea.Msg{reading(watch.Totals{}), press("?")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := noon
			m := tell(newWatch(t, &now, tt.ascii), append([]tea.Msg{tea.WindowSizeMsg{Width: tt.w, Height: tt.h}}, tt.msgs...)...)
			golden(t, tt.name, m.View())
		})
	}
}

func TestWatchScreenFitsEverySize(t *testing.T) {
	t.Parallel()
	now := noon
	for _, msgs := range [][]tea.Msg{nil, {busyGate()}, {crowd()}, {press("?")}, {observed(t), press("t")}} {
		m := tell(newWatch(t, &now, false), msgs...)
		for w := 1; w < 140; w += 3 {
			for h := 1; h < 50; h++ {
				m = tell(m, tea.WindowSizeMsg{Width: w, Height: h})
				lines := strings.Split(m.View(), "\n")
				if len(lines) > h {
					t.Fatalf("%d lines at %dx%d", len(lines), w, h)
				}
				for _, l := range lines {
					if ansi.StringWidth(l) > w {
						t.Fatalf("a line of %d cells at %dx%d: %q", ansi.StringWidth(l), w, h, l)
					}
				}
			}
		}
	}
}

// Columns keep their place as time passes, and every row shows its address.
func TestWatchAgesKeepTheirWidth(t *testing.T) {
	now := noon
	m := tell(newWatch(t, &now, false), tea.WindowSizeMsg{Width: 80, Height: 24}, busyGate())
	column := func(word string) int {
		for _, l := range strings.Split(m.View(), "\n") {
			if before, _, ok := strings.Cut(l, word); ok {
				return ansi.StringWidth(before)
			}
		}
		return -1
	}
	want := column("stuck at 1")
	for _, d := range []time.Duration{0, time.Second, 9 * time.Second, 10 * time.Second, time.Minute, 3 * time.Hour, 2000 * time.Hour} {
		now = noon.Add(d)
		m = tell(m, ui.FastBeat(now))
		if got := column("stuck at 1"); got != want {
			t.Errorf("after %v it stands in column %d, not %d:\n%s", d, got, want, m.View())
		}
	}
}

func TestWatchScrollsWithinItsRows(t *testing.T) {
	now := noon
	m := tell(newWatch(t, &now, false), tea.WindowSizeMsg{Width: 80, Height: 24}, crowd())
	for _, tt := range []struct {
		key  tea.KeyType
		want string
	}{
		{tea.KeyUp, "1-13 of 57"}, {tea.KeyDown, "1-13 of 57"}, {tea.KeyPgDown, "2-14 of 57"}, {tea.KeyPgDown, "14-26 of 57"},
		{tea.KeyEnd, "45-57 of 57"}, {tea.KeyDown, "45-57 of 57"}, {tea.KeyPgUp, "45-57 of 57"}, {tea.KeyPgUp, "33-45 of 57"}, {tea.KeyHome, "1-13 of 57"},
	} {
		if m = tell(m, tea.KeyMsg{Type: tt.key}); !strings.Contains(m.View(), tt.want) {
			t.Errorf("%v: no %q in\n%s", tt.key, tt.want, m.View())
		}
	}
}

// A watch that fails quits the screen, and returns its error.
func TestWatchEndsWithItsReason(t *testing.T) {
	now := noon
	m, cmd := update(newWatch(t, &now, false), jobOver{errors.New("no more")})
	if m.Err == nil || !quits(cmd) {
		t.Errorf("failed %v", m.Err)
	}
}

// The chosen address stays chosen, and on its line, when others appear.
func TestWatchChoiceStaysWithItsAddress(t *testing.T) {
	now := noon
	down := tea.KeyMsg{Type: tea.KeyDown}
	m := tell(newWatch(t, &now, false), tea.WindowSizeMsg{Width: 80, Height: 24}, crowd(), down, down)
	chosen := func() (row int, line string) {
		for i, l := range strings.Split(m.View(), "\n") {
			if strings.HasPrefix(l, "│>") {
				return i, l
			}
		}
		return -1, ""
	}
	row, _ := chosen()
	more := crowd().(fromJob)
	seen := more.event.(watch.Snapshot)
	seen.Visits = append([]watch.Visit{visit("198.51.100.1", watch.VisitInside, 0)}, seen.Visits...)
	more.event = seen
	m = tell(m, more)
	if got, line := chosen(); got != row || !strings.Contains(line, "203.0.113.2 ") || !strings.Contains(m.View(), " > 203.0.113.2 ") {
		t.Errorf("the choice went from line %d to %d:\n%s", row, got, m.View())
	}
}

// On a wide screen those for whom SSH opened stand above the crowd, and the choice walks
// through both.
func TestWatchPutsThoseWhoGotInFirst(t *testing.T) {
	now := noon
	m := tell(newWatch(t, &now, false), tea.WindowSizeMsg{Width: 120, Height: 40}, reading(watch.Totals{},
		visit("192.0.2.1", watch.VisitStuck, time.Minute), visit("192.0.2.2", watch.VisitOpen, -1, -1, -1, -1, time.Second),
		visit("192.0.2.3", watch.VisitInside, time.Second), visit("192.0.2.4", watch.VisitIn)))
	for _, addr := range []string{"192.0.2.2", "192.0.2.4", "192.0.2.1", "192.0.2.3", "192.0.2.3"} {
		if view := m.View(); !strings.Contains(view, "│>"+addr) || !strings.Contains(view, "─ "+addr+" ─") {
			t.Errorf("%s is not the chosen one:\n%s", addr, view)
		}
		m = tell(m, down)
	}
	if view := m.View(); strings.Index(view, "192.0.2.4") > strings.Index(view, "the crowd") || strings.Index(view, "the crowd") > strings.Index(view, "192.0.2.1") {
		t.Errorf("those who got in do not stand above the others:\n%s", view)
	}
}

// The totals name the phase where most get stuck if at least three and half of them
// do.
func TestWatchTellsWhereMostGetStuck(t *testing.T) {
	now := noon
	for _, tt := range []struct {
		stuck [5]int
		want  bool
	}{
		{[5]int{2}, false},
		{[5]int{2, 1}, true},
		{[5]int{2, 1, 1}, true},
		{[5]int{2, 1, 1, 1}, false},
	} {
		m := tell(newWatch(t, &now, false), tea.WindowSizeMsg{Width: 80, Height: 24}, reading(watch.Totals{Stuck: tt.stuck}))
		if got := strings.Contains(m.View(), "mostly at 1"); got != tt.want {
			t.Errorf("%v: told %v", tt.stuck, got)
		}
	}
}

// Long addresses that differ anywhere look different.
func TestWatchAddressesAreToldApart(t *testing.T) {
	now := noon
	for _, pair := range [][2]string{
		{"2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234:5678:9abc:def0:1234:5679"},
		{"2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234:5678:9abc:def1:1234:5678"},
		{"2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234:5678:1abc:def0:1234:5678"},
		{"2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234:4678:9abc:def0:1234:5678"},
		{"2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db9:1234:5678:9abc:def0:1234:5678"},
	} {
		for _, size := range [][2]int{{60, 16}, {80, 24}} {
			m := tell(newWatch(t, &now, false), tea.WindowSizeMsg{Width: size[0], Height: size[1]},
				reading(watch.Totals{}, visit(pair[0], watch.VisitStuck, time.Minute), visit(pair[1], watch.VisitStuck, time.Minute)))
			shown := map[string]bool{}
			for _, l := range strings.Split(m.View(), "\n") {
				if before, _, ok := strings.Cut(strings.TrimLeft(l, "│> "), "✓"); ok {
					shown[before] = true
				}
			}
			if len(shown) != 2 {
				t.Errorf("%v at %v:\n%s", pair, size, m.View())
			}
		}
	}
}

// A window that has ended is not shown with zero seconds left.
func TestWatchTellsThatAWindowIsOver(t *testing.T) {
	for _, tt := range []struct {
		state  watch.VisitState
		during string
		after  string
	}{
		{watch.VisitInside, "in phase 5, 1.0 s left", "phase 5 over"},
		{watch.VisitOpen, "SSH open, 1.0 s left", "SSH shut again"},
	} {
		now := noon
		m := tell(newWatch(t, &now, false), tea.WindowSizeMsg{Width: 80, Height: 24},
			reading(watch.Totals{}, visit("203.0.113.7", tt.state, -1, -1, -1, -1, 4*time.Second)))
		if !strings.Contains(m.View(), tt.during) {
			t.Errorf("no %q in\n%s", tt.during, m.View())
		}
		now = noon.Add(1100 * time.Millisecond)
		if m = tell(m, ui.FastBeat(now)); !strings.Contains(m.View(), tt.after) {
			t.Errorf("no %q in\n%s", tt.after, m.View())
		}
	}
}

// TestWatchShowsFindings: the chosen address shows what its SYNs were made with.
func TestWatchShowsFindings(t *testing.T) {
	stuck := visit("203.0.113.7", watch.VisitStuck, time.Minute)
	seen := watch.Snapshot{Time: noon, Gate: watchedGate, Visits: []watch.Visit{stuck}, More: 4000,
		Clients: []arrivals.Client{{Addr: stuck.Addr, Findings: []arrivals.Finding{{Code: arrivals.HourBehind, Hours: 3}}}}}
	now := noon
	text := ansi.Strip(tell(newWatch(t, &now, false), tea.WindowSizeMsg{Width: 80, Height: 24}, fromJob{seen}).View())
	if !strings.Contains(text, "203.0.113.7  knocks the sequence of 3 hours ago") {
		t.Errorf("no finding in\n%s", text)
	}
}
