package clock_test

import (
	"slices"
	"testing"
	"time"

	"rapport/diag/clock"

	"pgregory.net/rapid"
)

func TestIntersect(t *testing.T) {
	i := func(low, high time.Duration) clock.Interval { return clock.Interval{Low: low, High: high} }
	for _, tt := range []struct {
		name  string
		all   []clock.Interval
		best  clock.Interval
		agree []bool
		ok    bool
	}{
		{name: "nothing"},
		{"one", []clock.Interval{i(3, 5)}, i(3, 5), []bool{true}, true},
		{"two agree", []clock.Interval{i(3, 8), i(5, 9)}, i(5, 8), []bool{true, true}, true},
		{"they touch", []clock.Interval{i(3, 5), i(5, 9)}, i(5, 5), []bool{true, true}, true},
		{"the same twice", []clock.Interval{i(3, 5), i(3, 5)}, i(3, 5), []bool{true, true}, true},
		{"one inside another", []clock.Interval{i(0, 100), i(40, 50)}, i(40, 50), []bool{true, true}, true},
		{"one is outvoted", []clock.Interval{i(8, 12), i(11, 13), i(14, 15)}, i(11, 12), []bool{true, true, false}, true},
		{"Marzullo's example", []clock.Interval{i(8, 12), i(11, 13), i(10, 12)}, i(11, 12), []bool{true, true, true}, true},
		{"one against one", []clock.Interval{i(3, 5), i(7, 9)}, i(0, 0), []bool{false, false}, false},
		{"two against two", []clock.Interval{i(3, 5), i(4, 6), i(7, 9), i(8, 9)}, i(0, 0), []bool{false, false, false, false}, false},
		{"a wide one links two", []clock.Interval{i(3, 5), i(0, 20), i(7, 9)}, i(3, 9), []bool{true, true, true}, true},
		{"the wrong way round", []clock.Interval{i(5, 3), i(2, 7)}, i(2, 7), []bool{false, true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			best, agree, ok := clock.Intersect(tt.all)
			if best != tt.best || ok != tt.ok || !slices.Equal(agree, tt.agree) {
				t.Errorf("Intersect(%v) = %v %v %v, want %v %v %v", tt.all, best, agree, ok, tt.best, tt.agree, tt.ok)
			}
		})
	}
}

// For any intervals, no offset has more votes than those that were found,
// all that have as many are among them, a majority is never missed, and the order
// does not matter.
func TestIntersectProperties(t *testing.T) {
	interval := rapid.Custom(func(t *rapid.T) clock.Interval {
		low := rapid.IntRange(-20, 20).Draw(t, "low")
		return clock.Interval{Low: time.Duration(low), High: time.Duration(low + rapid.IntRange(0, 10).Draw(t, "width"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(interval, 0, 8).Draw(t, "all")
		votes := func(d time.Duration) (n int) {
			for _, i := range all {
				if i.Contains(d) {
					n++
				}
			}
			return n
		}
		most := 0
		for d := time.Duration(-20); d <= 30; d++ {
			most = max(most, votes(d))
		}
		best, agree, ok := clock.Intersect(all)
		if ok {
			if votes(best.Low) != most || votes(best.High) != most {
				t.Fatalf("the ends of %v have %d and %d votes, others %d", best, votes(best.Low), votes(best.High), most)
			}
			for d := time.Duration(-20); d <= 30; d++ {
				if votes(d) == most && !best.Contains(d) {
					t.Fatalf("%d has %d votes too, and is not in %v", d, most, best)
				}
			}
			for n, i := range all {
				if agree[n] != (i.Low <= best.High && best.Low <= i.High) {
					t.Fatalf("%v agrees with %v: %v", i, best, agree[n])
				}
			}
		}
		if !ok && 2*most > len(all) {
			t.Fatalf("%d of %d agree, yet nothing was found", most, len(all))
		}
		mixed := rapid.Permutation(all).Draw(t, "mixed")
		if again, _, ok2 := clock.Intersect(mixed); again != best || ok2 != ok {
			t.Fatalf("%v %v in another order is %v %v", best, ok, again, ok2)
		}
	})
}

// A knock reveals the hour: every skew is in the interval of the hour
// that it opens, and of no other.
func TestFromKnock(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)
	got := clock.FromKnock(now, -3)
	want := clock.Interval{Low: -3*time.Hour - 43*time.Minute - 54*time.Second, High: -2*time.Hour - 43*time.Minute - 54*time.Second - 1}
	if got != want {
		t.Errorf("hour -3 opens at %v: %v, want %v", now, got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "now"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
		skew := time.Duration(rapid.Int64Range(int64(-48*time.Hour), int64(48*time.Hour)).Draw(t, "skew"))
		k := clock.HourOffset(now, skew)
		for n := k - 1; n <= k+1; n++ {
			if clock.FromKnock(now, n).Contains(skew) != (n == k) {
				t.Fatalf("at %v skew %v is hour %d, but %v is hour %d", now, skew, k, clock.FromKnock(now, n), n)
			}
		}
	})
}
