// Package phrase writes counts, durations, quoted shell words and errors, the same way
// wherever the program shows them.
package phrase

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

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

// Duration writes a duration as the hosts file and flags accept it, without
// trailing units that are zero: 41m, where String writes 41m0s.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Offset writes a clock's offset for a table: +0.004 s below a minute, else
// -3:00:00.
func Offset(d time.Duration) string {
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

// Ahead writes a clock's offset in words, in whole seconds: 41 min ahead,
// 3 h 0 min behind.
func Ahead(d time.Duration) string {
	if d < 0 {
		return Span(-d) + " behind"
	}
	return Span(d) + " ahead"
}

// Span writes a duration in words, in whole seconds: 2 d 3 h 0 min, 41 min
// 20 s. d is not negative.
func Span(d time.Duration) string {
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

// Pause writes a time that was set: 1 ms, 2.5 s, 5 s, 1 min.
func Pause(d time.Duration) string {
	switch {
	case d == 0:
		return "0 s"
	case d%time.Second == 0:
		return Span(d)
	case d < time.Second:
		return fmt.Sprintf("%g ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%g s", d.Seconds())
}

// Millis writes a measured duration in milliseconds: 13.2 ms, and never -0.0 ms.
func Millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Round(100*time.Microsecond).Microseconds())/1000)
}

// Seconds writes a measured duration in seconds: 1.2 s. From a minute on it is a [Span].
func Seconds(d time.Duration) string {
	if d >= time.Minute {
		return Span(d)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// Wrap breaks a text at its spaces into lines of at most width columns, each but the first
// after an indent, and each ended by a newline. A longer word has a line of its own; a
// width of zero breaks nothing.
func Wrap(text string, width int, indent string) string {
	var b strings.Builder
	at := len(text) - len(strings.TrimLeft(text, " "))
	b.WriteString(text[:at])
	for i, word := range strings.Split(text[at:], " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width > 0 && at+1+n > width:
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String() + "\n"
}

// ShellWord returns s as one word of a POSIX shell, quoted if necessary.
func ShellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

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
