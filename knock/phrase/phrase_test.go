package phrase_test

import (
	"testing"
	"time"

	"rapport/knock/phrase"
)

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", -3 * time.Hour: "-3h", 41 * time.Minute: "41m", 10 * time.Second: "10s",
		3*time.Hour + 20*time.Minute: "3h20m", -10*time.Hour - 5*time.Second: "-10h0m5s",
	} {
		if got := phrase.Duration(d); got != want {
			t.Errorf("FormatDuration(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"fix: one two three", 10, "fix: one\n  two\n  three\n"},
		{"  - one two", 9, "  - one\n  two\n"},
		{"one two", 0, "one two\n"},
		{"antidisestablishment is long", 8, "antidisestablishment\n  is\n  long\n"},
		{"", 10, "\n"},
	} {
		if got := phrase.Wrap(tt.text, tt.width, "  "); got != tt.want {
			t.Errorf("%q in %d columns: %q", tt.text, tt.width, got)
		}
	}
}

func TestPause(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0 s", time.Millisecond: "1 ms", 1500 * time.Microsecond: "1.5 ms", 5 * time.Second: "5 s", 2500 * time.Millisecond: "2.5 s", time.Minute: "1 min", time.Hour: "1 h 0 min"} {
		if got := phrase.Pause(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
