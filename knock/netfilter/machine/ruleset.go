package machine

import (
	"strings"
	"time"
)

// Ruleset is a firewall, as a text shows it.
type Ruleset struct {
	Tables []*Table
	prog   *program
}

// Table is a table of iptables, such as filter, or of nft, such as "inet filter".
type Table struct {
	V4, V6  bool   // the families whose packets see it
	Name    string // as its tool names it
	Whole   bool   // the text shows all of it, policies too
	Legacy  bool   // of the iptables backend that nft does not show
	Rank    int    // in the order in which tables were made, as far as it is known
	Chains  []*Chain
	Sets    map[string]*Set // of nft, by their names with the table's in front
	chainOf map[string]*Chain
}

// NewTable returns a table without chains and sets.
func NewTable(name string) *Table {
	return &Table{Name: name, Sets: map[string]*Set{}, chainOf: map[string]*Chain{}}
}

// Native reports whether the table is one of nft, whose name starts with a family.
func (t *Table) Native() bool { return strings.Contains(t.Name, " ") }

// Chain returns the chain with that name, and creates it if there is none.
func (t *Table) Chain(name string) *Chain {
	c := t.chainOf[name]
	if c == nil {
		c = &Chain{Name: name, table: t}
		t.chainOf[name] = c
		t.Chains = append(t.Chains, c)
	}
	return c
}

// sees returns the families whose packets see the table, IPv4 first.
func (t *Table) sees() [2]bool { return [2]bool{t.V4, t.V6} }

// Hook is a place on the way of a packet where base chains are entered.
type Hook int

// The hooks, in the order in which a packet to this machine meets them.
const (
	NoHook Hook = iota // not a base chain
	Ingress
	Prerouting
	Input
	Forward
	Output
	Postrouting
)

// outbound reports whether a hook is behind the choice of the outgoing interface.
func (h Hook) outbound() bool { return h == Output || h == Postrouting }

// local reports whether the destination or else the source of the packets of a hook
// is this machine.
func (h Hook) local(dest bool) bool { return dest == (!h.outbound() && h != Forward) }

// Chain is a list of rules.
type Chain struct {
	Name     string
	Hook     Hook
	NAT      bool // only the first packet of a connection meets it
	Priority int  // among the base chains of a hook, the lowest first
	Policy   Verdict
	Rules    []*Rule
	table    *Table
}

// place is the priority at which packets meet the chain. All nat chains of a hook are
// called by one function, which has the usual priority of such chains.
func (c *Chain) place() int {
	switch {
	case !c.NAT:
		return c.Priority
	case c.Hook == Prerouting || c.Hook == Output:
		return natPriority
	}
	return -natPriority
}

// Table returns the table that the chain belongs to.
func (c *Chain) Table() *Table { return c.table }

// Verdict is what a rule, a chain or all rules decide about a packet.
type Verdict string

// The verdicts. Only Accept, Drop, Reject and Undecided are those of a [Result].
const (
	Next      Verdict = ""        // nothing: the next rule decides
	Accept    Verdict = "accept"  // let through
	Drop      Verdict = "drop"    // ignored in silence
	Reject    Verdict = "reject"  // answered with an error
	Undecided Verdict = "unknown" // depends on what is not modelled
	Return    Verdict = "return"
	Jump      Verdict = "jump"
	Goto      Verdict = "goto"
)

// Final reports whether the verdict ends the way of a packet through a base chain.
func (v Verdict) Final() bool {
	return v == Accept || v == Drop || v == Reject || v == Undecided
}

// Rule is one rule of a chain.
type Rule struct {
	Line     int    // in the text, from 1
	Text     string // as the text has it
	Count    Count
	Parts    []Part // matches and statements, in the order of evaluation
	Verdict  Verdict
	Target   string    // the name of the chain that Jump and Goto lead to
	Redirect *Redirect // where DNAT and REDIRECT send a packet, nil for other rules
	chain    *Chain
	to       *Chain // Target, once linked; nil if there is none
	id       int    // index into Machine.matched
	reads    int    // how many parts come before the first that changes something
}

// Chain returns the chain that holds the rule.
func (r *Rule) Chain() *Chain { return r.chain }

// Redirect is a new destination.
type Redirect struct {
	Local bool // this machine itself
	Port  int  // zero stays as it was
}

// Count is the packet counter of a rule. The zero Count is unknown: rules of nft
// count only with the counter statement.
type Count struct {
	Known   bool
	Packets uint64
}

// Since returns the packets counted after earlier: 0 if either is unknown, or if
// the counter was reset.
func (c Count) Since(earlier Count) uint64 {
	if !c.Known || !earlier.Known || c.Packets < earlier.Packets {
		return 0
	}
	return c.Packets - earlier.Packets
}

// Plus returns the sum, known if both counts are.
func (c Count) Plus(d Count) Count {
	return Count{c.Known && d.Known, c.Packets + d.Packets}
}

// Set is a set or a map of nft.
type Set struct {
	Name     string        // with its table's in front
	Timeout  time.Duration // of its elements; zero is none
	Size     int           // the most elements; zero is not given
	Elements []Element     // as the text lists them
	Items    []Item        // what elements match that rules do not add
	Rate     *Rate         // of the elements that rules make, nil without one, as Count
	Count    *ConnCount
	dynamic  bool // rules change it
	sorted   bool // items are ranges of one field, in ascending order
	id       int  // index into Machine.sets
}

// Element is an element of a [Set] that holds addresses.
type Element struct {
	Addr    string        // as nft writes it, not yet parsed
	Timeout time.Duration // zero is the timeout of the set
	Expires time.Duration // what was left when nft listed it; zero never expires
}

// Expiring returns the elements that have a timeout.
func (s *Set) Expiring() (all []Element) {
	for _, e := range s.Elements {
		if e.Expires != 0 {
			all = append(all, e)
		}
	}
	return all
}

// Taken returns how many elements there are that stay.
func (s *Set) Taken() int {
	if s.Timeout > 0 {
		return 0
	}
	return len(s.Elements) - len(s.Expiring())
}

// Item is what an element matches, and in a verdict map what it leads to.
type Item struct {
	In      []Range // of each field, at most [MaxFields]
	Verdict Verdict
	Target  string // the name of the chain that Jump and Goto lead to
	to      *Chain
}

// has reports whether the item matches an element.
func (i *Item) has(k *key) bool {
	if len(i.In) != int(k.n) {
		return false
	}
	for f, in := range i.In {
		if !in.has(k.f[f]) {
			return false
		}
	}
	return true
}

// ShortName returns the name of a set without the table in front of it.
func ShortName(list string) string { return list[strings.LastIndexByte(list, ' ')+1:] }
