package netfilter

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table is rules as either reader understood them.
type Table struct {
	v4, v6 bool
	Name   string
	legacy bool // of iptables' backend that nft does not show
	whole  bool // the text shows all that the kernel has, policies too
	byName map[string]*Chain
	Chains []*Chain
	Sets   map[string]Set // nft's sets
}

func newTable(name string) *Table {
	return &Table{Name: name, byName: map[string]*Chain{}, Sets: map[string]Set{}}
}

// Chain returns the chain of that name, made where it is new.
func (t *Table) chain(name string) *Chain {
	c := t.byName[name]
	if c == nil {
		c = &Chain{Name: name}
		t.byName[name] = c
		t.Chains = append(t.Chains, c)
	}
	return c
}

// list is what is known of a set or a map of nft.
type Set struct {
	Timeout time.Duration
	Size    int
	words   []string // their words, commas and line ends too
}

// Element is an address in a set of nft that forgets.
type Element struct {
	Addr    string
	Timeout time.Duration // zero is the set's
	Expires time.Duration // when it goes, from the moment of the reading
}

// Hook is where in a packet's way a base chain stands; packets to the machine
// itself see these two.
type Hook int

const (
	NoHook Hook = iota
	Prerouting
	Input
)

type Chain struct {
	Name     string
	Hook     Hook
	Priority int
	Policy   Verdict
	Rules    []Rule
}

type Verdict string

const (
	Next   Verdict = ""
	Accept Verdict = "accept"
	Drop   Verdict = "drop" // or rejects
	Return Verdict = "return"
	Jump   Verdict = "jump"
	Goto   Verdict = "goto"
	DNAT   Verdict = "dnat"
)

// Rule is one rule: what it asks, what it notes, and where it sends a packet.
type Rule struct {
	Match
	Updates []SetUpdate
	Removes []string
	Verdict Verdict
	Target  string // of jumps and leaves
	opaque  bool   // the recent match as nft shows it
	Count   Count
}

// add is an address put on a list; for is how long it stays, zero as long as
// the list says.
type SetUpdate struct {
	Set     string
	Timeout time.Duration
	ByDest  bool // its destination is, rather
	Partial bool // only a part of it is, which many share
}

// What a packet is to conntrack, as bits.
const (
	StateNew   = 1 << iota // a SYN that starts a connection
	StateStray             // new to conntrack too, but no SYN: a bare ACK
	StateEstablished
	otherState
	anyState = 1<<iota - 1
)

// Match is what a rule asks of a packet. The zero cond asks nothing.
type Match struct {
	not4, not6 bool
	Proto      string      // "" is any
	Ports      []PortRange // nil is any; of the destination
	States     int         // 0 is any
	Checks     []SetMatch
	Limits     []*Limit
	// unmodelled: it asks more, which nothing here understands or which leaves most
	// of the Internet out, such as a source address or the loopback interface.
	unmodelled    bool
	unsatisfiable bool // asks what cannot be
}

// listCheck asks whether the source is on a list.
type SetMatch struct {
	Set     string
	Seconds time.Duration // 0: however long ago
	Mode    string        // rcheck, update, remove
	Negated bool
	ByDest  bool // the list holds destinations, as a replay guard's does
	Hits    int  // it has to have been noted so often; 0 once
	Partial bool // the list holds a part of the address, which many share
}

// limit is a token bucket: every packet takes a token, and the rule holds while
// there are some, or once there are none.
type Limit struct {
	Per   time.Duration // until there is one more token
	Burst int
	Over  bool // the rule holds once there are none
}

// parseLimit reads 30/minute or 30/min; nil where it is something else, such as
// bytes.
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

// maxFewPorts bounds the ports that are listed one by one.
const maxFewPorts = 64

// usualBurst is the burst of a limit that says none, in nft as in iptables.
const usualBurst = 5

// PortRange is a run of ports. Negative ones are words of a script whose value the
// text does not tell.
type PortRange struct{ First, Last int }

func (c Match) MatchesPort(p int) bool {
	return c.Ports == nil || slices.ContainsFunc(c.Ports, func(r PortRange) bool { return r.First <= p && p <= r.Last })
}

// Port returns the one port that c asks for, or 0.
func (c Match) Port() int {
	if len(c.Ports) == 1 && c.Ports[0].First == c.Ports[0].Last && (c.Proto == "tcp" || c.Proto == "") {
		return c.Ports[0].First
	}
	return 0
}

// fewPorts returns the ports that c asks for, none where it asks for a great
// many or for other protocols than TCP.
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

// and returns what asks both.
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

// except returns all ports but those of rs.
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

// stateBit returns the bit of a conntrack state, by its name or the number that
// nft -n writes.
func stateBit(s string) int {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "new", "0x8", "8":
		return StateNew | StateStray
	case "established", "0x2", "2":
		return StateEstablished
	}
	return otherState
}

// isUplink reports whether an interface leads to the Internet, as its name goes.
func isUplink(iface string) bool {
	for _, p := range []string{"eth", "en", "wl", "ww", "ppp", "venet", "bond", "em", "p1p"} {
		if strings.HasPrefix(iface, p) {
			return true
		}
	}
	return iface == "+" || iface == "*"
}

// shown returns a list's name without its table's.
func ShortName(list string) string { return list[strings.LastIndexByte(list, ' ')+1:] }
