package netfilter

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table is a table of iptables, such as filter, or of nft, such as "inet filter".
type Table struct {
	v4, v6 bool // the families whose packets see it
	Name   string
	legacy bool // of the iptables backend that nft does not show
	whole  bool // the text shows all of it, policies too
	byName map[string]*Chain
	Chains []*Chain
	Sets   map[string]Set // nft's sets
}

func newTable(name string) *Table {
	return &Table{Name: name, byName: map[string]*Chain{}, Sets: map[string]Set{}}
}

// chain returns the chain with that name, and creates it if there is none.
func (t *Table) chain(name string) *Chain {
	c := t.byName[name]
	if c == nil {
		c = &Chain{Name: name}
		t.byName[name] = c
		t.Chains = append(t.Chains, c)
	}
	return c
}

// Set is a set or a map of nft.
type Set struct {
	Timeout time.Duration // of its elements; zero is none
	Size    int           // the most elements; zero is not given
	words   []string      // of the elements, with commas and line ends
}

// Element is an element of a [Set].
type Element struct {
	Addr    string        // as nft writes it, not yet parsed
	Timeout time.Duration // zero is the timeout of the set
	Expires time.Duration // what was left when nft listed it; zero never expires
}

// Hook is where the kernel enters a base chain.
type Hook int

// The hooks that packets to the machine itself meet.
const (
	NoHook Hook = iota // not a base chain, or of a hook that is not read
	Prerouting
	Input
)

// Chain is a list of rules.
type Chain struct {
	Name     string
	Hook     Hook
	Priority int     // among the base chains of a hook, the lowest first
	Policy   Verdict // [Accept] or [Drop]; [Next] where the text does not show it
	Rules    []Rule
}

// Verdict is what a rule decides about a packet that it matches.
type Verdict string

// The verdicts.
const (
	Next   Verdict = "" // nothing: the next rule decides
	Accept Verdict = "accept"
	Drop   Verdict = "drop" // or reject
	Return Verdict = "return"
	Jump   Verdict = "jump"
	Goto   Verdict = "goto"
	DNAT   Verdict = "dnat"
)

// Rule is one rule: what it matches, which sets it changes, and its verdict.
type Rule struct {
	Match
	Updates []SetUpdate
	Removes []string // the sets that it removes the source from
	Verdict Verdict
	Target  string // the chain of Jump and Goto
	opaque  bool   // a recent match that nft cannot print
	Count   Count
}

// SetUpdate adds the source address of a packet to a set.
type SetUpdate struct {
	Set     string
	Timeout time.Duration // zero: the address stays until something removes it
	ByDest  bool          // adds the destination address instead
	Partial bool          // adds only some bits of the address, which many share
}

// The states of a packet in conntrack, as bits.
const (
	StateNew   = 1 << iota // a SYN that starts a connection
	StateStray             // new to conntrack too, but no SYN: a bare ACK
	StateEstablished
	otherState
	anyState = 1<<iota - 1
)

// Match is the condition of a rule. The zero Match matches every packet.
type Match struct {
	not4, not6 bool
	Proto      string      // "" is any
	Ports      []PortRange // nil is any; of the destination
	States     int         // 0 is any
	Checks     []SetMatch
	Limits     []*Limit
	// unmodelled: it has a condition that this package does not know, or one that
	// excludes most of the Internet, such as a source address or interface lo.
	unmodelled    bool
	unsatisfiable bool // no packet can match
}

// SetMatch tests whether the source address is in a set.
type SetMatch struct {
	Set     string
	Within  time.Duration // since it was added, at most; 0 is any time
	Mode    string        // of the recent match: rcheck, update or remove
	Negated bool          // matches addresses that are not in the set
	ByDest  bool          // tests the destination address instead
	Hits    int           // how often it must have been added; 0 is once
	Partial bool          // tests some bits of the address, which many share
}

// Limit is a token bucket: every packet takes a token. The rule matches while
// there are tokens, or, with Over, once there are none.
type Limit struct {
	Per   time.Duration // between two new tokens
	Burst int           // the most tokens
	Over  bool
}

// parseLimit parses 30/minute or 30/min. It returns nil for anything else, such
// as bytes.
func parseLimit(rate, burst string, over bool) *Limit {
	n, unit, _ := strings.Cut(rate, "/")
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit[:min(1, len(unit))]]
	count, err := strconv.Atoi(n)
	if err != nil || count < 1 || per == 0 {
		return nil
	}
	l := Limit{Per: max(1, per/time.Duration(count)), Burst: usualBurst, Over: over}
	if b, err := strconv.Atoi(burst); err == nil {
		l.Burst = max(b, 1)
	}
	return &l
}

// maxFewPorts bounds what [Match.FewPorts] lists.
const maxFewPorts = 64

// usualBurst is the burst of a limit without one, in nft and in iptables.
const usualBurst = 5

// PortRange is a range of ports, both ends included. A negative port stands for a
// variable of a script, whose value is unknown.
type PortRange struct{ First, Last int }

// MatchesPort reports whether the match allows a destination port.
func (c Match) MatchesPort(p int) bool {
	return c.Ports == nil || slices.ContainsFunc(c.Ports, func(r PortRange) bool { return r.First <= p && p <= r.Last })
}

// Port returns the port if c matches exactly one TCP port, else 0.
func (c Match) Port() int {
	if len(c.Ports) == 1 && c.Ports[0].First == c.Ports[0].Last && (c.Proto == "tcp" || c.Proto == "") {
		return c.Ports[0].First
	}
	return 0
}

// FewPorts returns the TCP ports that c matches, and none if they are more than
// 64 or c is for another protocol.
func (c Match) FewPorts() (all []int) {
	if c.Proto != "tcp" && c.Proto != "" {
		return nil
	}
	for _, r := range c.Ports {
		for p := r.First; p <= r.Last; p++ {
			if len(all) == maxFewPorts {
				return nil
			}
			if p > 0 {
				all = append(all, p)
			}
		}
	}
	return all
}

// and returns a match for packets that match both.
func (c Match) and(d Match) Match {
	c.not4, c.not6 = c.not4 || d.not4, c.not6 || d.not6
	c.unmodelled, c.unsatisfiable = c.unmodelled || d.unmodelled, c.unsatisfiable || d.unsatisfiable
	c.Checks, c.Limits = slices.Concat(c.Checks, d.Checks), slices.Concat(c.Limits, d.Limits)
	switch {
	case c.Proto == "":
		c.Proto = d.Proto
	case d.Proto != "" && d.Proto != c.Proto:
		c.unsatisfiable = true
	}
	switch {
	case c.States == 0:
		c.States = d.States
	case d.States != 0:
		c.States &= d.States
		c.unsatisfiable = c.unsatisfiable || c.States == 0
	}
	switch {
	case c.Ports == nil:
		c.Ports = d.Ports
	case d.Ports != nil:
		var both []PortRange
		for _, a := range c.Ports {
			for _, b := range d.Ports {
				if r := (PortRange{max(a.First, b.First), min(a.Last, b.Last)}); r.First <= r.Last {
					both = append(both, r)
				}
			}
		}
		c.Ports = both
		c.unsatisfiable = c.unsatisfiable || len(both) == 0
	}
	return c
}

// except returns all ports outside rs.
func except(rs []PortRange) []PortRange {
	rest := []PortRange{{0, 65535}}
	for _, r := range rs {
		var next []PortRange
		for _, o := range rest {
			if o.First < r.First {
				next = append(next, PortRange{o.First, min(o.Last, r.First-1)})
			}
			if o.Last > r.Last {
				next = append(next, PortRange{max(o.First, r.Last+1), o.Last})
			}
		}
		rest = next
	}
	return rest
}

// stateBit returns the bit of a conntrack state, given as its name or as the
// number that nft -n prints.
func stateBit(s string) int {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "new", "0x8", "8":
		return StateNew | StateStray
	case "established", "0x2", "2":
		return StateEstablished
	}
	return otherState
}

// isUplink guesses from an interface's name whether it leads to the Internet.
func isUplink(iface string) bool {
	for _, p := range []string{"eth", "en", "wl", "ww", "ppp", "venet", "bond", "em", "p1p"} {
		if strings.HasPrefix(iface, p) {
			return true
		}
	}
	return iface == "+" || iface == "*"
}

// ShortName returns the name of a set without the table in front of it.
func ShortName(list string) string { return list[strings.LastIndexByte(list, ' ')+1:] }
