package knock

import (
	"fmt"
	"strings"
	"unicode"
)

// Clean makes foreign text safe for one line of a terminal or a log: '?' replaces
// invalid UTF-8 and characters that do not print, and text longer than n runes is
// cut and ends in "...".
func Clean(s string, n int) string {
	if len(s) <= n && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		return s
	}
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

// Excerpt is [Clean] for text inside an error.
func Excerpt(s string) string { return Clean(s, 80) }

// Quote is [Excerpt] between double quotes.
func Quote(s string) string { return fmt.Sprintf("%q", Excerpt(s)) }

// QuotePath is [Quote] for a path, which must stay usable.
func QuotePath(s string) string { return fmt.Sprintf("%q", Clean(s, 1024)) }
