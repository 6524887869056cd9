package knock_test

import (
	"slices"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

const ms = time.Millisecond

func plan(t *testing.T, gaps []time.Duration, f knock.Facts) (knock.Plan, knock.Sequence) {
	seq := knock.Derive(knock.HourOf(noon), knock.DefaultRange, secret(t, "f00b4r"))
	return knock.NewPlan([]knock.Sequence{seq}, gaps, f), seq
}

// The plan reaches its aims. On a good network it sends nothing unnecessary and ends
// after two round trips: for the connection and for the banner.
func TestPlanInBadNetworks(t *testing.T) {
	knocktest.Long(t)
	const runs = 4000
	for _, tt := range []struct {
		name     string
		n        network
		in2, in5 float64
	}{
		{"1 % loss", network{rtt: 20 * ms, loss: 0.01}, 0.999, 0.999},
		{"10 % loss", network{rtt: 20 * ms, loss: 0.1}, 0.99, 0.999},
		{"20 % loss", network{rtt: 20 * ms, loss: 0.2}, 0.97, 0.99},
		{"10 % reordered", network{rtt: 20 * ms, jitter: 20 * ms, late: 0.1}, 0.999, 0.999},
		{"30 % reordered", network{rtt: 20 * ms, jitter: 20 * ms, late: 0.3}, 0.999, 0.999},
		{"10 % duplicated", network{rtt: 20 * ms, duplicate: 0.1}, 0.999, 0.999},
		{"mixed", network{rtt: 120 * ms, jitter: 30 * ms, late: 1, loss: 0.05}, 0.98, 0.999},
	} {
		p, seq := plan(t, knock.DefaultGaps(), knock.Facts{})
		s := games(runs, tt.n, p, seq)
		if s.in2 < tt.in2 || s.in5 < tt.in5 {
			t.Errorf("%s: %.4f within 2 s, want %v; %.4f within 5 s, want %v", tt.name, s.in2, tt.in2, s.in5, tt.in5)
		}
		if s.connections > most {
			t.Errorf("%s: %d connections", tt.name, s.connections)
		}
	}
	for _, rtt := range []time.Duration{ms, 50 * ms, 200 * ms, 600 * ms} {
		p, seq := plan(t, knock.DefaultGaps(), knock.Facts{RTT: rtt})
		s := games(1, network{rtt: rtt}, p, seq)
		if want := 5*ms + 2*rtt + sshdTime; s.syns != 7 || s.connections != 1 || s.median != want {
			t.Errorf("round trip %v: %v SYNs, %d connections, banner after %v, want 7, 1, %v", rtt, s.syns, s.connections, s.median, want)
		}
	}
}

// Each part of the plan has a use: go test -v -run WithoutAPart ./knock prints the
// results without the part, or with more of it.
func TestPlanWithoutAPart(t *testing.T) {
	knocktest.Long(t)
	networks := []struct {
		name string
		network
	}{
		{"10 % loss", network{rtt: 20 * ms, loss: 0.1}},
		{"20 % loss", network{rtt: 20 * ms, loss: 0.2}},
		{"30 % reordered", network{rtt: 20 * ms, jitter: 20 * ms, late: 0.3}},
		{"150 ms, 5 % loss, 30 ms jitter", network{rtt: 120 * ms, jitter: 30 * ms, late: 1, loss: 0.05}},
	}
	each := func(change func(i int, a *knock.PlannedAttempt)) func(p knock.Plan) knock.Plan {
		return func(p knock.Plan) knock.Plan {
			for i := range p.Attempts {
				change(i, &p.Attempts[i])
			}
			return p
		}
	}
	scores := map[string]score{}
	for _, v := range []struct {
		name   string
		gaps   []time.Duration
		change func(knock.Plan) knock.Plan
	}{
		{"as it is", nil, nil},
		{"each knock once", nil, each(func(_ int, a *knock.PlannedAttempt) {
			a.Knocks = slices.DeleteFunc(a.Knocks, func(k knock.PlannedKnock) bool { return k.Copy })
		})},
		{"each knock three times", nil, each(func(_ int, a *knock.PlannedAttempt) {
			for _, k := range a.Knocks {
				if k.Copy {
					k.At += a.Gap / 4
					a.Knocks = append(a.Knocks, k)
				}
			}
		})},
		{"one probe an attempt", nil, each(func(_ int, a *knock.PlannedAttempt) { a.Probes = a.Probes[:1] })},
		{"gaps of 1 ms", slices.Repeat([]time.Duration{ms}, 8), nil},
		{"gaps of 30 ms, all but the first", append([]time.Duration{ms}, slices.Repeat([]time.Duration{30 * ms}, 7)...), nil},
		{"waits of 1 s", nil, each(func(_ int, a *knock.PlannedAttempt) { a.Wait = knock.Millis(time.Second) })},
		{"1, 50, 250 ms, each knock and probe once, waits of 1 s", []time.Duration{ms, 50 * ms, 250 * ms}, each(func(i int, a *knock.PlannedAttempt) {
			a.Knocks = slices.DeleteFunc(a.Knocks, func(k knock.PlannedKnock) bool { return k.Copy })
			a.Probes, a.Wait = a.Probes[:1], knock.Millis(time.Second)
		})},
	} {
		if v.gaps == nil {
			v.gaps = knock.DefaultGaps()
		}
		t.Log(v.name)
		for _, n := range networks {
			p, seq := plan(t, v.gaps, knock.Facts{})
			if v.change != nil {
				p = v.change(p)
			}
			s := games(2000, n.network, p, seq)
			t.Logf("  %-32s within 2 s %5.1f %%, 5 s %5.1f %%, median %4d ms, %4.1f SYNs", n.name, 100*s.in2, 100*s.in5, s.median.Milliseconds(), s.syns)
			scores[v.name+" in "+n.name] = s
		}
	}
	for part, n := range map[string]string{
		"each knock once":      "20 % loss",
		"one probe an attempt": "20 % loss",
		"waits of 1 s":         "20 % loss",
		"gaps of 1 ms":         "150 ms, 5 % loss, 30 ms jitter",
	} {
		if with, without := scores["as it is in "+n], scores[part+" in "+n]; without.median <= with.median {
			t.Errorf("%s: with %s the banner comes after %v, and after %v as it is", n, part, without.median, with.median)
		}
	}
}

func TestPlanFollowsFacts(t *testing.T) {
	wait := func(f knock.Facts, attempt int) time.Duration {
		p, _ := plan(t, knock.DefaultGaps(), f)
		return time.Duration(p.Attempts[attempt].Wait)
	}
	last := len(knock.DefaultGaps()) - 1
	for _, tt := range []struct {
		rtt      time.Duration
		min, max time.Duration // of the first wait
	}{
		{0, 220 * ms, 300 * ms}, {ms, 20 * ms, 60 * ms}, {200 * ms, 220 * ms, 300 * ms},
		{600 * ms, 650 * ms, 900 * ms}, {time.Minute, time.Second, 2 * time.Second},
	} {
		if got := wait(knock.Facts{RTT: tt.rtt}, 0); got < tt.min || got > tt.max {
			t.Errorf("round trip %v: the first attempt waits %v, want %v to %v", tt.rtt, got, tt.min, tt.max)
		}
		if got := wait(knock.Facts{RTT: tt.rtt}, last); got != 2*time.Second {
			t.Errorf("round trip %v: the last attempt waits %v", tt.rtt, got)
		}
	}
	// Every attempt fits into the window several times.
	p, _ := plan(t, []time.Duration{time.Hour, 0}, knock.Facts{Window: 2 * time.Second})
	if a, b := time.Duration(p.Attempts[0].Gap), time.Duration(p.Attempts[1].Gap); a != 500*ms || b != 0 {
		t.Errorf("gaps of an hour and of nothing become %v and %v", a, b)
	}
	// The knocks of two hours are sent together, each sequence in order.
	both := knock.NewPlan([]knock.Sequence{
		knock.Derive(knock.HourOf(noon), knock.DefaultRange, secret(t, "f00b4r")),
		knock.Derive(knock.HourOf(noon).Add(1), knock.DefaultRange, secret(t, "f00b4r")),
	}, knock.DefaultGaps(), knock.Facts{})
	for i, a := range both.Attempts {
		if want := 2 * knock.Knocks * a.Copies; len(a.Knocks) != want {
			t.Errorf("attempt %d has %d knocks, want %d", i+1, len(a.Knocks), want)
		}
		if !slices.IsSortedFunc(a.Knocks, func(a, b knock.PlannedKnock) int { return int(a.At - b.At) }) {
			t.Errorf("attempt %d is not in order of time: %+v", i+1, a.Knocks)
		}
	}
	// Length and Packets match the attempts.
	p, _ = plan(t, knock.DefaultGaps(), knock.Facts{})
	if end := p.Attempts[last]; p.Length() != time.Duration(end.At+end.Probes[1].At+end.Wait) {
		t.Errorf("%v long, and the last attempt begins at %v", p.Length(), time.Duration(end.At))
	}
	if p.Packets() != 1+5+1+7*(10+2) {
		t.Errorf("%d SYNs", p.Packets())
	}
}
