package netfilter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
)

// nftReader reads the words of the output of nft list ruleset.
type nftReader struct {
	wordReader          // "\n" ends a statement, as ";" does
	lines      []int32  // of each word, from 1
	texts      []string // the lines
	opaque     bool
	flaws      []Flaw
	table      *machine.Table
	timed      map[string][]machine.Item // what elements of sets with a timeout match
	vague      []string                  // sets whose elements have a statement that is not modelled
}

// readNFT reads tables as nft prints them, or as a file for nft -f has them, and
// skips the rest. opaque tells that a rule holds the recent match.
func readNFT(lines []string, timed map[string][]machine.Item) (tables []*machine.Table, opaque bool, flaws []Flaw) {
	n := &nftReader{timed: timed}
	n.w, n.lines = nftWords(lines)
	for _, l := range lines {
		n.texts = append(n.texts, knock.Clean(l, maxRuleLine))
	}
	for n.more() {
		if n.next() != "table" {
			continue
		}
		family, name := n.next(), n.next()
		if name == "{" { // the family may be left out
			family, name, n.i = "ip", family, n.i-1
		}
		if n.next() != "{" {
			n.i--
			continue
		}
		n.table = newNFTTable(family + " " + name)
		n.body()
		tables = append(tables, n.table)
	}
	return tables, n.opaque, n.flaws
}

// newNFTTable returns a table whose name starts with its family.
func newNFTTable(name string) *machine.Table {
	t := machine.NewTable(name)
	family, _, _ := strings.Cut(name, " ")
	both := family == "inet" || family == "netdev"
	t.V4, t.V6, t.Whole = both || family == "ip", both || family == "ip6", true
	return t
}

// body reads a table, from behind its opening brace to the closing one.
func (n *nftReader) body() {
	for n.more() {
		switch n.next() {
		case "}":
			return
		case "set", "map":
			name := n.next()
			if n.took("{") {
				n.set(name)
			}
		case "chain":
			name := n.next()
			if n.took("{") {
				n.chain(n.table.Chain(name))
			}
		case "{":
			n.braces()
		}
	}
	n.flaws = append(n.flaws, Flaw{CutOff, len(n.texts), "the text ends inside table " + knock.Clean(n.table.Name, maxRuleLine)})
}

// list returns the name of a set with its table in front.
func (n *nftReader) list(name string) string {
	return n.table.Name + " " + strings.TrimPrefix(name, "@")
}

// chain reads the statements of a chain.
func (n *nftReader) chain(c *machine.Chain) {
	c.Policy = machine.Accept // the default
	var words []string
	depth, line := 0, 0
	for n.more() {
		w := n.next()
		if len(words) == 0 {
			line = int(n.lines[n.i-1])
		}
		end := depth == 0 && (w == "\n" || w == ";" || w == "}")
		switch {
		case end:
			n.statement(c, words, line)
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
func (n *nftReader) statement(c *machine.Chain, w []string, line int) {
	switch {
	case len(w) == 0:
	case w[0] == "type":
		if i := slices.Index(w, "hook"); i > 0 && i+1 < len(w) {
			c.Hook = map[string]machine.Hook{"ingress": machine.Ingress, "prerouting": machine.Prerouting, "input": machine.Input, "forward": machine.Forward, "output": machine.Output, "postrouting": machine.Postrouting}[w[i+1]]
			c.NAT = w[1] == "nat"
			if p := slices.Index(w, "priority"); p > 0 {
				c.Priority = nftPriority(w[p+1:])
			}
		}
	case w[0] == "policy":
		if len(w) > 1 && w[1] == "drop" {
			c.Policy = machine.Drop
		}
	case w[0] == "comment":
	default:
		r := n.rule(w)
		r.Line, r.Text = line, strings.TrimSpace(n.texts[line-1])
		c.Rules = append(c.Rules, r)
		n.checkPorts(r)
	}
}

// checkPorts records a port that there is not.
func (n *nftReader) checkPorts(r *machine.Rule) {
	for _, p := range r.Parts {
		c, ok := p.(*machine.Compare)
		if !ok || c.Subject != machine.Port && c.Subject != machine.SourcePort {
			continue
		}
		for _, in := range c.In {
			if from := in.From; from.Hi == 0 && from.Lo > 65535 {
				n.flaws = append(n.flaws, Flaw{Impossible, r.Line, fmt.Sprintf("port %d is not within 0-65535", from.Lo)})
			}
		}
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
