package netfilter

import (
	"slices"
	"strings"
)

// wordReader reads words one after the other.
type wordReader struct {
	w []string
	i int // of the next word
}

func (r *wordReader) more() bool { return r.i < len(r.w) }

// peek returns the next word, "" at the end.
func (r *wordReader) peek() string {
	if r.more() {
		return r.w[r.i]
	}
	return ""
}

// next reads the next word.
func (r *wordReader) next() string {
	w := r.peek()
	r.i = min(r.i+1, len(r.w))
	return w
}

// took reads the next word if it is one of those.
func (r *wordReader) took(words ...string) bool {
	if r.more() && slices.Contains(words, r.peek()) {
		r.i++
		return true
	}
	return false
}

// skipTo reads the words before the next of those.
func (r *wordReader) skipTo(words ...string) []string {
	first := r.i
	for r.more() && !slices.Contains(words, r.peek()) {
		r.i++
	}
	return r.w[first:r.i]
}

// braces reads the words up to the brace that closes the one read last, and that.
func (r *wordReader) braces() []string {
	first := r.i
	for depth := 1; r.more(); {
		switch r.next() {
		case "{":
			depth++
		case "}":
			depth--
		}
		if depth == 0 {
			return r.w[first : r.i-1]
		}
	}
	return r.w[first:]
}

// nftWords splits text into words and signs.
func nftWords(lines []string) (words []string, at []int32) {
	for i, line := range lines {
		rest := line
		for rest != "" {
			switch c := rest[0]; {
			case c == ' ':
				rest = rest[1:]
			case c == '#':
				rest = ""
			case strings.IndexByte("{};,:()", c) >= 0 && !(c == ':' && strings.Contains(rest[1:min(2, len(rest))], ":")):
				words = append(words, rest[:1])
				rest = rest[1:]
			case c == '"':
				end := strings.IndexByte(rest[1:], '"')
				if end < 0 {
					end = len(rest) - 2
				}
				words = append(words, `"`+rest[1:1+max(end, 0)])
				rest = rest[min(len(rest), end+2):]
			default:
				end := strings.IndexAny(rest, ` {};,"()`)
				if end < 0 {
					end = len(rest)
				}
				if i := strings.IndexByte(rest[:end], ':'); i >= 0 && !isAddress(rest[:end]) {
					end = max(i, 1)
				}
				words = append(words, rest[:max(end, 1)])
				rest = rest[max(end, 1):]
			}
		}
		words = append(words, "\n")
		for len(at) < len(words) {
			at = append(at, int32(i+1))
		}
	}
	return words, at
}

// isAddress reports whether a word is an IPv6 or a MAC address, whose colons
// separate nothing.
func isAddress(s string) bool { return strings.Count(s, ":") > 1 }
