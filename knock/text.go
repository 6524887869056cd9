package knock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode"
)

// Clean makes foreign text safe for one line of a terminal or a log: '?' replaces
// invalid UTF-8 and characters that do not print, and text longer than n runes is
// cut and ends in "...".
func Clean(s string, n int) string {
	var b strings.Builder
	for _, c := range strings.ToValidUTF8(s, "?") {
		if n == 0 {
			b.WriteString("...")
			break
		}
		n--
		if !unicode.IsPrint(c) {
			c = '?'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Limits of foreign text inside an error, in runes.
const (
	maxQuoted     = 80
	maxQuotedPath = 1024 // which must stay usable
)

// Excerpt is [Clean] for text inside an error.
func Excerpt(s string) string { return Clean(s, maxQuoted) }

// Quote is [Excerpt] between double quotes.
func Quote(s string) string { return fmt.Sprintf("%q", Excerpt(s)) }

// QuotePath is [Quote] for a path.
func QuotePath(s string) string { return fmt.Sprintf("%q", Clean(s, maxQuotedPath)) }

// WithoutPath removes the operation and the path from an error of package os, for
// a message that names them itself.
func WithoutPath(err error) error {
	if pe := new(fs.PathError); errors.As(err, &pe) {
		return pe.Err
	}
	if le := new(os.LinkError); errors.As(err, &le) {
		return le.Err
	}
	return err
}

// Plural writes a number of things: "1 hour", "3 addresses", "2 hypotheses".
func Plural(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, what)
	}
	if stem, ok := strings.CutSuffix(what, "sis"); ok {
		return fmt.Sprintf("%d %sses", n, stem)
	}
	if strings.HasSuffix(what, "s") {
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// FormatDuration writes a duration as the hosts file and flags accept it, without
// trailing units that are zero: 41m, where String writes 41m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// FormatOffset writes a clock's offset for a table: +0.004 s below a minute, else
// -3:00:00.
func FormatOffset(d time.Duration) string {
	if d.Abs() < time.Minute {
		return fmt.Sprintf("%+.3f s", d.Seconds())
	}
	sign := "+"
	if d < 0 {
		sign = "-"
	}
	d = d.Abs().Round(time.Second)
	return fmt.Sprintf("%s%d:%02d:%02d", sign, d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second)
}

// FormatAhead writes a clock's offset in words, in whole seconds: 41 min ahead,
// 3 h 0 min behind.
func FormatAhead(d time.Duration) string {
	if d < 0 {
		return FormatSpan(-d) + " behind"
	}
	return FormatSpan(d) + " ahead"
}

// FormatSpan writes a duration in words, in whole seconds: 2 d 3 h 0 min, 41 min
// 20 s. d is not negative.
func FormatSpan(d time.Duration) string {
	const day = 24 * time.Hour
	days, h, m, s := d/day, d%day/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second
	var parts []string
	add := func(n time.Duration, unit string, always bool) {
		if n > 0 || always {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit))
		}
	}
	add(days, "d", false)
	add(h, "h", days > 0)
	add(m, "min", d == 0 || d >= time.Minute)
	add(s, "s", false)
	return strings.Join(parts, " ")
}
