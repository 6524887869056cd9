package knock

import (
	"fmt"
	"time"
)

// hourLayout is the shell's date +%Y-%m-%d-%H, always in UTC.
const hourLayout = "2006-01-02-15"

// Hour is one UTC clock hour, written 2026-11-22-08. The server's rules change
// with it. Hours compare with == and the zero Hour is 1970-01-01-00.
type Hour struct {
	n int32 // hours since the Unix epoch
}

// The first and the last hour that a four-digit year can write.
const (
	firstHour = -17268672 // 0000-01-01-00
	lastHour  = 70389527  // 9999-12-31-23
)

// HourOf returns the hour that t falls in. Times outside the years 0 to 9999
// give the nearest hour inside them.
func HourOf(t time.Time) Hour {
	sec := t.Unix()
	n := sec / 3600
	if sec%3600 < 0 {
		n--
	}
	return Hour{int32(min(max(n, firstHour), lastHour))}
}

// ParseHour reads the form 2026-11-22-08.
func ParseHour(s string) (Hour, error) {
	t, err := time.Parse(hourLayout, s)
	if err != nil || len(s) != len(hourLayout) {
		return Hour{}, fmt.Errorf("hour %q is not of the form 2026-11-22-08 (UTC)", Clean(s, 40))
	}
	return HourOf(t), nil
}

// Start returns the hour's first instant, in UTC.
func (h Hour) Start() time.Time { return time.Unix(int64(h.n)*3600, 0).UTC() }

// End returns the instant at which the next hour starts, in UTC.
func (h Hour) End() time.Time { return h.Start().Add(time.Hour) }

// Add returns the hour n hours later, or earlier where n is negative.
func (h Hour) Add(n int) Hour {
	return Hour{int32(min(max(int64(h.n)+int64(n), firstHour), lastHour))}
}

// Sub returns how many hours h is later than g.
func (h Hour) Sub(g Hour) int { return int(h.n) - int(g.n) }

// String returns the form 2026-11-22-08.
func (h Hour) String() string { return string(h.append(make([]byte, 0, len(hourLayout)))) }

// MarshalText implements [encoding.TextMarshaler].
func (h Hour) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

func (h Hour) append(b []byte) []byte { return h.Start().AppendFormat(b, hourLayout) }
