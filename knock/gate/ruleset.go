package gate

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// table is rules as either reader understood them.
type table struct {
	v4, v6 bool
	name   string
	legacy bool // of iptables' backend that nft does not show
	whole  bool // the text shows all that the kernel has, policies too
	chains map[string]*chain
	order  []*chain
	lists  map[string]list // nft's sets
}

func newTable(name string) *table {
	return &table{name: name, chains: map[string]*chain{}, lists: map[string]list{}}
}

// chain returns the chain of that name, made where it is new.
func (t *table) chain(name string) *chain {
	c := t.chains[name]
	if c == nil {
		c = &chain{name: name}
		t.chains[name] = c
		t.order = append(t.order, c)
	}
	return c
}

// list is what is known of a set or a map of nft.
type list struct {
	timeout  time.Duration
	size     int
	elements []string // their words, commas and line ends too
}

// element is an address in a set of nft that forgets.
type element struct {
	addr    string
	timeout time.Duration // zero is the set's
	expires time.Duration // when it goes, from the moment of the reading
}

// hook is where in a packet's way a base chain stands; packets to the machine
// itself see these two.
type hook int

const (
	noHook hook = iota
	prerouting
	input
)

type chain struct {
	name     string
	hook     hook
	priority int
	policy   verdict
	rules    []rule
}

type verdict string

const (
	goesOn  verdict = ""
	accepts verdict = "accept"
	drops   verdict = "drop" // or rejects
	returns verdict = "return"
	jumps   verdict = "jump"
	leaves  verdict = "goto"
	dnats   verdict = "dnat"
)

// rule is one rule: what it asks, what it notes, and where it sends a packet.
type rule struct {
	cond
	sets    []note
	removes []string
	verdict verdict
	target  string // of jumps and leaves
	opaque  bool   // the recent match as nft shows it
	count   Count
}

// note is an address put on a list; for is how long it stays, zero as long as
// the list says.
type note struct {
	list   string
	stay   time.Duration
	byDest bool // its destination is, rather
	part   bool // only a part of it is, which many share
}

// What a packet is to conntrack, as bits.
const (
	isNew   = 1 << iota // a SYN that starts a connection
	isStray             // new to conntrack too, but no SYN: a bare ACK
	isEstablished
	otherState
	anyState = 1<<iota - 1
)

// cond is what a rule asks of a packet. The zero cond asks nothing.
type cond struct {
	not4, not6 bool
	proto      string  // "" is any
	ports      []ports // nil is any; of the destination
	states     int     // 0 is any
	checks     []listCheck
	limits     []*limit
	// narrow: it asks more, which nothing here understands or which leaves most
	// of the Internet out, such as a source address or the loopback interface.
	narrow bool
	never  bool // asks what cannot be
}

// listCheck asks whether the source is on a list.
type listCheck struct {
	list    string
	seconds time.Duration // 0: however long ago
	mode    string        // rcheck, update, remove
	negated bool
	byDest  bool // the list holds destinations, as a replay guard's does
	hits    int  // it has to have been noted so often; 0 once
	part    bool // the list holds a part of the address, which many share
}

// limit is a token bucket: every packet takes a token, and the rule holds while
// there are some, or once there are none.
type limit struct {
	per   time.Duration // until there is one more token
	burst int
	over  bool // the rule holds once there are none
}

// parseLimit reads 30/minute or 30/min; nil where it is something else, such as
// bytes.
func parseLimit(rate, burst string, over bool) *limit {
	n, unit, _ := strings.Cut(rate, "/")
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit[:min(1, len(unit))]]
	count, err := strconv.Atoi(n)
	if err != nil || count < 1 || per == 0 {
		return nil
	}
	l := limit{per: max(1, per/time.Duration(count)), burst: usualBurst, over: over}
	if b, err := strconv.Atoi(burst); err == nil {
		l.burst = max(b, 1)
	}
	return &l
}

// usualBurst is the burst of a limit that says none, in nft as in iptables.
const usualBurst = 5

// ports is a run of ports. Negative ones are words of a script whose value the
// text does not tell.
type ports struct{ first, last int }

func (c cond) takesPort(p int) bool {
	return c.ports == nil || slices.ContainsFunc(c.ports, func(r ports) bool { return r.first <= p && p <= r.last })
}

// port returns the one port that c asks for, or 0.
func (c cond) port() int {
	if len(c.ports) == 1 && c.ports[0].first == c.ports[0].last && (c.proto == "tcp" || c.proto == "") {
		return c.ports[0].first
	}
	return 0
}

// fewPorts returns the ports that c asks for, none where it asks for a great
// many or for other protocols than TCP.
func (c cond) fewPorts() (all []int) {
	if c.proto != "tcp" && c.proto != "" {
		return nil
	}
	for _, r := range c.ports {
		for p := r.first; p <= r.last; p++ {
			if len(all) == maxDoors {
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
func (c cond) and(d cond) cond {
	c.not4, c.not6 = c.not4 || d.not4, c.not6 || d.not6
	c.narrow, c.never = c.narrow || d.narrow, c.never || d.never
	c.checks, c.limits = slices.Concat(c.checks, d.checks), slices.Concat(c.limits, d.limits)
	switch {
	case c.proto == "":
		c.proto = d.proto
	case d.proto != "" && d.proto != c.proto:
		c.never = true
	}
	switch {
	case c.states == 0:
		c.states = d.states
	case d.states != 0:
		c.states &= d.states
		c.never = c.never || c.states == 0
	}
	switch {
	case c.ports == nil:
		c.ports = d.ports
	case d.ports != nil:
		var both []ports
		for _, a := range c.ports {
			for _, b := range d.ports {
				if r := (ports{max(a.first, b.first), min(a.last, b.last)}); r.first <= r.last {
					both = append(both, r)
				}
			}
		}
		c.ports = both
		c.never = c.never || len(both) == 0
	}
	return c
}

// except returns all ports but those of rs.
func except(rs []ports) []ports {
	rest := []ports{{0, 65535}}
	for _, r := range rs {
		var next []ports
		for _, o := range rest {
			if o.first < r.first {
				next = append(next, ports{o.first, min(o.last, r.first-1)})
			}
			if o.last > r.last {
				next = append(next, ports{max(o.first, r.last+1), o.last})
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
		return isNew | isStray
	case "established", "0x2", "2":
		return isEstablished
	}
	return otherState
}

// isWide reports whether an interface leads to the Internet, as its name goes.
func isWide(iface string) bool {
	for _, p := range []string{"eth", "en", "wl", "ww", "ppp", "venet", "bond", "em", "p1p"} {
		if strings.HasPrefix(iface, p) {
			return true
		}
	}
	return iface == "+" || iface == "*"
}

// shown returns a list's name without its table's.
func shown(list string) string { return list[strings.LastIndexByte(list, ' ')+1:] }
