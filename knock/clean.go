package knock

import (
	"strings"
	"unicode"
)

// Clean makes foreign text safe for a terminal, a log and a line: invalid UTF-8
// and what does not print become '?', and what is longer than n runes is cut.
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
