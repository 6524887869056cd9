package knock

import (
	"fmt"
	"strings"
)

// Plural counts things: "1 hour", "3 addresses", "2 hypotheses".
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
