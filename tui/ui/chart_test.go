package ui

import (
	"strings"
	"testing"
	"time"
)

func TestAxis(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)
	x := NewAxis(plainTheme(), 49, at, []Span{{-3 * time.Hour, -3 * time.Hour}, {0, 16 * time.Minute}})
	got := []string{x.Ticks(), x.Hours(), x.Draw(-3*time.Hour, -3*time.Hour), x.Draw(-2*time.Hour, 0), x.Draw(-50*time.Hour, -49*time.Hour), x.Draw(49*time.Hour, 50*time.Hour)}
	want := []string{
		"-3h        -2h         -1h          0         +1h",
		"05h|    06h    |    07h    |    08h    |   09h   ",
	}
	for i, w := range want {
		if i < len(got) && got[i] != w {
			t.Errorf("line %d is\n%q, want\n%q", i, got[i], w)
		}
	}
	for i, w := range []string{"*", "[", "<", ">"} {
		if line := got[2+i]; len(line) != 49 || strings.Count(line, w) != 1 {
			t.Errorf("no single %s in %q", w, line)
		}
	}
}

func TestTimelineScalesInSteps(t *testing.T) {
	for last, want := range map[time.Duration]time.Duration{0: 10, 10: 10, 11: 20, 21: 50, 51: 100, 4000: 5000} {
		var l Timeline
		if l.Scale(last * time.Millisecond); l.Total != want*time.Millisecond {
			t.Errorf("%d ms are drawn in %v, want %d ms", last, l.Total, want)
		}
	}
	l := Timeline{Theme: plainTheme(), Width: 10, Total: 10 * time.Millisecond}
	for _, tt := range []struct {
		begin, length time.Duration
		want          string
	}{{0, 0, "|"}, {0, 9, "#########"}, {5, 2, "    ###"}, {20, 1, "         #"}} {
		if got := l.Span(tt.begin*time.Millisecond, tt.length*time.Millisecond); got != tt.want {
			t.Errorf("%d ms from %d: %q, want %q", tt.length, tt.begin, got, tt.want)
		}
	}
}
