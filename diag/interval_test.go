package diag_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rapport/diag"
)

func TestIntersect(t *testing.T) {
	i := func(low, high time.Duration) diag.Interval { return diag.Interval{Low: low, High: high} }
	for _, tt := range []struct {
		name  string
		all   []diag.Interval
		best  diag.Interval
		agree []bool
		ok    bool
	}{
		{name: "nothing"},
		{"one", []diag.Interval{i(3, 5)}, i(3, 5), []bool{true}, true},
		{"two agree", []diag.Interval{i(3, 8), i(5, 9)}, i(5, 8), []bool{true, true}, true},
		{"they touch", []diag.Interval{i(3, 5), i(5, 9)}, i(5, 5), []bool{true, true}, true},
		{"the same twice", []diag.Interval{i(3, 5), i(3, 5)}, i(3, 5), []bool{true, true}, true},
		{"one inside another", []diag.Interval{i(0, 100), i(40, 50)}, i(40, 50), []bool{true, true}, true},
		{"one is outvoted", []diag.Interval{i(8, 12), i(11, 13), i(14, 15)}, i(11, 12), []bool{true, true, false}, true},
		{"Marzullo's example", []diag.Interval{i(8, 12), i(11, 13), i(10, 12)}, i(11, 12), []bool{true, true, true}, true},
		{"one against one", []diag.Interval{i(3, 5), i(7, 9)}, i(0, 0), []bool{false, false}, false},
		{"two against two", []diag.Interval{i(3, 5), i(4, 6), i(7, 9), i(8, 9)}, i(0, 0), []bool{false, false, false, false}, false},
		{"a wide one links two", []diag.Interval{i(3, 5), i(0, 20), i(7, 9)}, i(3, 9), []bool{true, true, true}, true},
		{"the wrong way round", []diag.Interval{i(5, 3), i(2, 7)}, i(2, 7), []bool{false, true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			best, agree, ok := diag.Intersect(tt.all)
			if best != tt.best || ok != tt.ok || !slices.Equal(agree, tt.agree) {
				t.Errorf("Intersect(%v) = %v %v %v, want %v %v %v", tt.all, best, agree, ok, tt.best, tt.agree, tt.ok)
			}
		})
	}
}

// Whatever the intervals: no offset has more votes than those that were found,
// all that have as many are among them, a majority is never missed, and the order
// does not matter.
func TestIntersectProperties(t *testing.T) {
	interval := rapid.Custom(func(t *rapid.T) diag.Interval {
		low := rapid.IntRange(-20, 20).Draw(t, "low")
		return diag.Interval{Low: time.Duration(low), High: time.Duration(low + rapid.IntRange(0, 10).Draw(t, "width"))}
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
		best, agree, ok := diag.Intersect(all)
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
		if again, _, ok2 := diag.Intersect(mixed); again != best || ok2 != ok {
			t.Fatalf("%v %v in another order is %v %v", best, ok, again, ok2)
		}
	})
}

// A knock tells the hour: whatever the skew, it is in the interval of the hour
// that it opens, and of no other.
func TestFromKnock(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)
	got := diag.FromKnock(now, -3)
	want := diag.Interval{Low: -3*time.Hour - 43*time.Minute - 54*time.Second, High: -2*time.Hour - 43*time.Minute - 54*time.Second - 1}
	if got != want {
		t.Errorf("hour -3 opens at %v: %v, want %v", now, got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "now"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
		skew := time.Duration(rapid.Int64Range(int64(-48*time.Hour), int64(48*time.Hour)).Draw(t, "skew"))
		k := diag.HourOffset(now, skew)
		for n := k - 1; n <= k+1; n++ {
			if diag.FromKnock(now, n).Contains(skew) != (n == k) {
				t.Fatalf("at %v skew %v is hour %d, but %v is hour %d", now, skew, k, diag.FromKnock(now, n), n)
			}
		}
	})
}
