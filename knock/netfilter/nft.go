package netfilter

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// nftReader reads the words of the output of nft list ruleset.
type nftReader struct {
	words  []string // "\n" ends a statement, as ";" does
	at     int
	opaque bool
	table  *Table
	copied int // words of sets that rules named
}

// maxCopied bounds nftReader.copied: many rules can name one large set.
const maxCopied = 1 << 19

// readNFT reads tables as nft prints them, or as a file for nft -f has them, and
// skips the rest. opaque tells that a rule holds the recent match.
func readNFT(lines []string) (tables []*Table, opaque bool) {
	n := &nftReader{words: nftWords(lines)}
	for n.at < len(n.words) {
		if n.next() != "table" {
			continue
		}
		family, name := n.next(), n.next()
		if name == "{" { // the family may be left out
			family, name, n.at = "ip", family, n.at-1
		}
		if n.next() != "{" {
			n.at--
			continue
		}
		t := newTable(family + " " + name)
		t.v4, t.v6, t.whole = family == "ip" || family == "inet", family == "ip6" || family == "inet", true
		n.table = t
		n.body()
		tables = append(tables, t)
	}
	return tables, n.opaque
}

// nftWords splits text into words and signs.
func nftWords(lines []string) (words []string) {
	for _, line := range lines {
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
				if i := strings.IndexByte(rest, ':'); i >= 0 && (end < 0 || i < end) && !isAddress(rest, end) {
					end = max(i, 1)
				}
				if end < 0 {
					end = len(rest)
				}
				words = append(words, rest[:max(end, 1)])
				rest = rest[max(end, 1):]
			}
		}
		words = append(words, "\n")
	}
	return words
}

// isAddress reports whether the word at the start of s is an IPv6 or a MAC
// address, whose colons separate nothing.
func isAddress(s string, end int) bool {
	if end < 0 {
		end = len(s)
	}
	return strings.Count(s[:end], ":") > 1
}

func (n *nftReader) next() string {
	if n.at >= len(n.words) {
		return ""
	}
	n.at++
	return n.words[n.at-1]
}

// body reads a table, from behind its opening brace to the closing one.
func (n *nftReader) body() {
	for n.at < len(n.words) {
		switch n.next() {
		case "}":
			return
		case "set", "map":
			name := n.next()
			if n.open() {
				n.set(name)
			}
		case "chain":
			name := n.next()
			if n.open() {
				n.chain(n.table.chain(name))
			}
		case "{":
			n.skip()
		}
	}
}

func (n *nftReader) open() bool {
	if n.at < len(n.words) && n.words[n.at] == "{" {
		n.at++
		return true
	}
	return false
}

// skip moves behind the brace that closes the one read last.
func (n *nftReader) skip() {
	for depth := 1; depth > 0 && n.at < len(n.words); {
		switch n.next() {
		case "{":
			depth++
		case "}":
			depth--
		}
	}
}

// set reads a set or a map: its timeout, size and elements.
func (n *nftReader) set(name string) {
	var l Set
	for n.at < len(n.words) {
		switch n.next() {
		case "}":
			n.table.Sets[n.list(name)] = l
			return
		case "{":
			n.skip()
		case "elements":
			if n.next() == "=" && n.open() {
				first := n.at
				n.skip()
				l.words = n.words[first:max(first, n.at-1)]
			}
		case "timeout":
			l.Timeout = nftTime(n.next())
		case "size":
			l.Size, _ = strconv.Atoi(n.next())
		}
	}
}

// Expiring returns the elements that have a timeout.
func (l Set) Expiring() []Element {
	return slices.DeleteFunc(l.Elements(), func(e Element) bool { return e.Expires == 0 })
}

// Elements returns the elements of a set.
func (l Set) Elements() (all []Element) {
	var e Element
	for i, w := range l.words {
		value := ""
		if i+1 < len(l.words) {
			value = l.words[i+1]
		}
		switch w {
		case "\n":
		case ",":
			if e.Addr != "" {
				all = append(all, e)
			}
			e = Element{}
		case "timeout":
			e.Timeout = nftTime(value)
		case "expires":
			e.Expires = nftTime(value)
		default:
			if e.Addr == "" {
				e.Addr = w
			}
		}
	}
	if e.Addr != "" {
		all = append(all, e)
	}
	return all
}

// list returns the name of a set with its table in front.
func (n *nftReader) list(name string) string {
	return n.table.Name + " " + strings.TrimPrefix(name, "@")
}

// named returns the elements of a set or map if value is its name, else value. ok
// is false if the text does not show the set.
func (n *nftReader) named(value []string) (all []string, ok bool) {
	if len(value) != 1 || !strings.HasPrefix(value[0], "@") {
		return value, true
	}
	elements := n.table.Sets[n.list(value[0])].words
	if n.copied += len(elements); n.copied > maxCopied {
		return nil, false
	}
	for _, w := range elements {
		if w != "," && w != "\n" {
			all = append(all, w)
		}
	}
	return all, len(all) > 0
}

// nftTime parses 5s, 1m30s and 1d2h.
func nftTime(s string) time.Duration {
	var days int
	if d, rest, ok := strings.Cut(s, "d"); ok {
		days, _ = strconv.Atoi(d)
		s = rest
	}
	if days < 0 || days > 10000 {
		return 0
	}
	t, _ := time.ParseDuration(s)
	return max(0, t) + time.Duration(days)*24*time.Hour
}

// chain reads the statements of a chain.
func (n *nftReader) chain(c *Chain) {
	c.Policy = Accept // the default
	var words []string
	depth := 0
	for n.at < len(n.words) {
		w := n.next()
		end := depth == 0 && (w == "\n" || w == ";" || w == "}")
		switch {
		case end:
			n.statement(c, words)
			words = nil
			if w == "}" {
				return
			}
			continue
		case w == "\n":
			continue
		case w == "{":
			depth++
		case w == "}":
			depth--
		}
		words = append(words, w)
	}
}

// statement reads one statement of a chain.
func (n *nftReader) statement(c *Chain, w []string) {
	switch {
	case len(w) == 0:
	case w[0] == "type":
		if i := slices.Index(w, "hook"); i > 0 && i+1 < len(w) {
			c.Hook = map[string]Hook{"prerouting": Prerouting, "input": Input}[w[i+1]]
			if p := slices.Index(w, "priority"); p > 0 {
				c.Priority = nftPriority(w[p+1:])
			}
		}
	case w[0] == "policy":
		if len(w) > 1 && w[1] == "drop" {
			c.Policy = Drop
		}
	case w[0] == "comment":
	default:
		c.Rules = append(c.Rules, n.rule(w)...)
	}
}

// nftPriority parses filter, -150, and filter - 1.
func nftPriority(w []string) (p int) {
	sign := 1
	for _, s := range w {
		switch s {
		case "-":
			sign = -1
		case "+":
			sign = 1
		default:
			n, err := strconv.Atoi(s)
			if err != nil {
				n = map[string]int{"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}[s]
			}
			p += sign * n
		}
	}
	return p
}
