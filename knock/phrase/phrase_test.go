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
