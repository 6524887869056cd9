package knock_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// strictStyle is a kind of gate that starts over.
type strictStyle int

const (
	// archStyle drops a wrong packet and forgets the newest phase only; only the
	// last phase has a time limit. See the Arch wiki.
	archStyle strictStyle = iota
	// oceanStyle has one phase at a time; a first knock always counts, and SSH ends
	// the last phase. See DigitalOcean's tutorial.
	oceanStyle
	// singleStyle drops a wrong packet and forgets all phases; a repeated first
	// knock is wrong too.
	singleStyle
	// rangeStyle is singleStyle that sees only the range.
	rangeStyle
)

func (s strictStyle) String() string {
	return [...]string{"arch", "ocean", "single", "range"}[s]
}

func strictStyles() []strictStyle {
	return []strictStyle{archStyle, oceanStyle, singleStyle, rangeStyle}
}

// strictGate is a gate of a strictStyle, for one client.
type strictGate struct {
	style strictStyle
	ports [knock.Knocks]uint16
	in    [knock.Knocks]bool // the phases that the client is in
	at    [knock.Knocks]time.Time
}

func (g *strictGate) knock(port uint16, now time.Time) { g.syn(port, now) }
func (g *strictGate) ssh(now time.Time) bool           { return g.syn(22, now) }

func (g *strictGate) enter(k int, now time.Time) { g.in[k], g.at[k] = true, now }

func (g *strictGate) syn(port uint16, now time.Time) (accepted bool) {
	const last = knock.Knocks - 1
	limit := func(k int) time.Duration {
		switch {
		case k == last:
			return 30 * time.Second
		case g.style == archStyle:
			return time.Hour
		}
		return 10 * time.Second
	}
	within := func(k int) bool { return g.in[k] && now.Sub(g.at[k]) <= limit(k) }
	if port == 22 && within(last) {
		g.in[last] = g.style != oceanStyle
		return true
	}
	if port == 22 && g.style == rangeStyle {
		return false
	}
	for k := last; k >= 0; k-- {
		if !within(k) && (!g.in[k] || g.style != archStyle) {
			continue
		}
		g.in[k] = g.style == archStyle // passed phases stay listed
		switch {
		case k < last && port == g.ports[k+1]:
			g.enter(k+1, now)
			return false
		case g.style == oceanStyle:
			g.in = [knock.Knocks]bool{}
		case g.style == archStyle:
			g.in[k] = false
			return false
		default:
			g.in = [knock.Knocks]bool{}
			return false
		}
	}
	if port == g.ports[0] {
		g.enter(0, now)
	}
	return false
}

// strictPlanOf plans for the hour at noon, and with both for another one too.
func strictPlanOf(t *testing.T, rtt time.Duration, both bool) (knock.Plan, []knock.Sequence) {
	var all []knock.Sequence
	for _, h := range []knock.Hour{knock.HourOf(noon), knock.HourOf(noon).Add(1)} {
		all = append(all, knock.Derive(h, knock.DefaultRange, secret(t, "f00b4r")))
	}
	sent := all
	if !both {
		sent = all[:1]
	}
	return knock.NewPlan(sent, knock.DefaultGaps(), knock.Facts{RTT: rtt, Strict: true, Wrong: 10000}), all
}

// In any state of the gate after an earlier handshake, and in either hour near the
// hour change, each attempt is as good as the first one.
func TestStrictPlanStartsFresh(t *testing.T) {
	clean := network{rtt: 20 * ms}
	for _, style := range strictStyles() {
		for left := range 1 << knock.Knocks {
			for _, both := range []bool{false, true} {
				p, sequences := strictPlanOf(t, 20*ms, both)
				for attempt, s := range sequences {
					if attempt > 0 && !both {
						continue
					}
					g := &strictGate{style: style, ports: s.Ports()}
					for k := range g.in {
						if left>>k&1 == 1 {
							g.enter(k, noon.Add(-40*time.Second))
						}
					}
					got := play(clean, p, g, true, dice())
					if got.banner == 0 || got.attempt != attempt+1 || got.connections != 1 {
						t.Errorf("%v, left in %05b, both hours %v: banner %v by attempt %d, %d connections, want attempt %d",
							style, left, both, got.banner, got.attempt, got.connections, attempt+1)
					}
				}
			}
		}
	}
}

// After any one lost packet the next attempt for that hour opens.
func TestStrictPlanAfterOneLoss(t *testing.T) {
	for _, style := range strictStyles() {
		for _, both := range []bool{false, true} {
			p, sequences := strictPlanOf(t, 20*ms, both)
			for nth := 1; nth <= 12; nth++ { // the probe before, five wrong SYNs, five knocks, the probe
				g := &strictGate{style: style, ports: sequences[0].Ports()}
				got := play(network{rtt: 20 * ms, nth: nth}, p, g, true, dice())
				if most := map[bool]int{false: 2, true: 3}[both]; got.banner == 0 || got.attempt > most {
					t.Errorf("%v, both hours %v, packet %d lost: banner %v by attempt %d, want at most %d", style, both, nth, got.banner, got.attempt, most)
				}
			}
		}
	}
}

// go test -v -run StrictPlanInBadNetworks ./knock prints how a strict gate opens
// by this plan, and how by the usual one.
func TestStrictPlanInBadNetworks(t *testing.T) {
	knocktest.Long(t)
	for _, style := range strictStyles() {
		for _, n := range []struct {
			name string
			network
			in5 float64
		}{
			{"1 % loss", network{rtt: 20 * ms, loss: 0.01}, 0.999},
			{"10 % loss", network{rtt: 20 * ms, loss: 0.1}, 0.95},
			{"10 % reordered", network{rtt: 20 * ms, jitter: 20 * ms, late: 0.1}, 0.99},
			{"10 % duplicated", network{rtt: 20 * ms, duplicate: 0.1}, 0.85},
		} {
			p, sequences := strictPlanOf(t, 0, false)
			newGate := func() syns { return &strictGate{style: style, ports: sequences[0].Ports()} }
			s := gamesAt(1000, n.network, p, true, newGate)
			usual, _ := plan(t, knock.DefaultGaps(), knock.Facts{})
			u := gamesAt(1000, n.network, usual, false, newGate)
			t.Logf("%-6v %-15s within 2 s %5.1f %%, 5 s %5.1f %%, median %4d ms, %4.1f SYNs; by the usual plan within 5 s %5.1f %%",
				style, n.name, 100*s.in2, 100*s.in5, s.median.Milliseconds(), s.syns, 100*u.in5)
			if s.in5 < n.in5 {
				t.Errorf("%v, %s: %.4f within 5 s, want %v", style, n.name, s.in5, n.in5)
			}
		}
	}
}

// A strict plan mixes nothing and repeats nothing.
func TestStrictPlanSendsOneHourOnce(t *testing.T) {
	for _, both := range []bool{false, true} {
		p, sequences := strictPlanOf(t, 0, both)
		for i, a := range p.Attempts {
			var ports [knock.Knocks]uint16
			for k, knock := range a.Knocks {
				if ports[k] = knock.Port; knock.Copy || k > 0 && knock.At <= a.Knocks[k-1].At {
					t.Errorf("attempt %d: %+v", i+1, a.Knocks)
				}
			}
			want := sequences[0]
			if both {
				want = sequences[i%2]
			}
			if ports != want.Ports() || len(a.Resets) != knock.Knocks {
				t.Errorf("attempt %d, both hours %v: %v after %d wrong SYNs, want %v", i+1, both, ports, len(a.Resets), want.Ports())
			}
			if lead := a.Knocks[0].At - a.Resets[knock.Knocks-1].At; lead < knock.Millis(30*ms) {
				t.Errorf("attempt %d: the first knock follows a wrong SYN after %v", i+1, time.Duration(lead))
			}
		}
		paused := slices.IndexFunc(p.Attempts, func(a knock.PlannedAttempt) bool { return a.Pause > 0 })
		if left := len(p.Attempts) - 1 - paused; left != map[bool]int{false: 1, true: 2}[both] || p.Attempts[paused].Pause != knock.Millis(knock.DefaultWindow+time.Second) {
			t.Errorf("both hours %v: a pause of %v before the last %d attempts", both, time.Duration(p.Attempts[paused].Pause), left)
		}
	}
	// With few attempts there is no pause.
	p, _ := strictPlanOf(t, 0, true)
	few := knock.NewPlan([]knock.Sequence{knock.Derive(knock.HourOf(noon), knock.DefaultRange, secret(t, "f00b4r"))}, knock.DefaultGaps()[:2], knock.Facts{Strict: true})
	if few.Length() > 3*time.Second || len(few.Attempts[0].Resets) > 0 {
		t.Errorf("two attempts take %v: %+v", few.Length(), few)
	}
	if want := 1 + 8*(2*knock.Knocks+2) - 1; p.Packets() != want {
		t.Errorf("%d SYNs, want %d", p.Packets(), want)
	}
	// The sweep guard's budget bounds the wrong SYNs.
	s := knock.Derive(knock.HourOf(noon), knock.DefaultRange, secret(t, "f00b4r"))
	p = knock.NewPlan([]knock.Sequence{s}, knock.DefaultGaps(), knock.Facts{Strict: true, Wrong: 10000, SweepGuard: 12})
	var resets []string
	for _, a := range p.Attempts {
		resets = append(resets, fmt.Sprint(len(a.Resets)))
	}
	if !slices.Equal(resets, []string{"5", "5", "0", "0", "0", "0", "0", "0"}) {
		t.Errorf("with 12 wrong ports forgiven the attempts send %v wrong SYNs", resets)
	}
}
