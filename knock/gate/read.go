package gate

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

const (
	// maxSequences bounds those that are solved for. The most careful gate accepts
	// three at once: those of this hour, the one before and the one after.
	maxSequences = 4
)

// Kind is what rules were read from.
type Kind string

// The kinds of rules.
const (
	FromIPTables Kind = "iptables" // iptables-save or iptables -S
	FromNFT      Kind = "nft"      // nft list ruleset
	FromScript   Kind = "script"   // a shell script that calls iptables
)

// AcceptKind is what the accept rule does to an address that it accepts. Its values
// are those of the recent match.
type AcceptKind string

// The kinds of accept rules.
const (
	Fixed   AcceptKind = "rcheck" // nothing: SSH is open for one window
	Sliding AcceptKind = "update" // every packet that it matches extends the window
	OneShot AcceptKind = "remove" // the first connection ends the window
)

// Words returns the kind in words.
func (k AcceptKind) Words() string {
	switch k {
	case Fixed:
		return "fixed"
	case Sliding:
		return "sliding"
	case OneShot:
		return "one-shot"
	}
	return string(k)
}

// Gate is a gate found in rules. Everything in it is printable.
type Gate struct {
	Family knock.Family
	// Ports are those of the phases in order, five in a gate that works. In a
	// script, which computes them, they are 0.
	Ports []uint16
	// Also are further sequences that it accepts at the same time, such as the
	// previous hour's during the grace time.
	Also [][]uint16
	// Lists are the names of the sets, from phase 1 to the one that the accept rule
	// checks.
	Lists []string
	// Windows are the windows of the phases, from 1 to the last; zero is endless, or
	// unknown in a script.
	Windows []time.Duration
	Accept  AcceptKind
	// SSHPort is the port of the accept rule, 0 if it accepts all. AcceptPorts are
	// the ports of all accept rules of this gate.
	SSHPort     int
	AcceptPorts []int
	// Chain is the chain that holds the rule of phase 1.
	Chain string
	// Guarded: the gate has a replay guard.
	Guarded bool
	// Strict: after a wrong or repeated knock a client has to start over.
	Strict bool
	// SweepGuard is how many wrong ports a minute the gate forgives an address; 0
	// is no sweep guard.
	SweepGuard int

	rules  *machine.Ruleset
	client *client   // for whom it was found
	knocks []knockAt // of Ports
	steps  []Step
	opens  bool              // the knocks open something
	apart  string            // where the phases do not follow from each other, empty if they do
	accept attempt           // by which they do
	few    map[int][]knockAt // fewer knocks than make a gate that open a port
	native bool              // is in a native table of nft
	swept  bool              // passes is known
	passes int               // of a sweep until it opens; 0 is never
}

// Step is what a knock of the gate does.
type Step struct {
	Rule  *machine.Rule // that looks at its port, nil where none does
	Lists []string      // to which it adds the source
	List  string        // the one of them that the next step asks
}

// Steps returns what the knocks of the gate do, in order.
func (g Gate) Steps() []Step { return g.steps }

// Rules returns the rules that the gate was found in, nil for a script that computes
// them.
func (g Gate) Rules() *machine.Ruleset { return g.rules }

// Opens reports whether the knocks lead to an accept rule, also where other rules are
// in the way.
func (g Gate) Opens() bool { return g.opens }

// Accepted returns what became of the SYN to SSH behind the handshake.
func (g Gate) Accepted() machine.Result { return g.accept.Result }

// Window returns the shortest window, zero if all are endless or unknown.
func (g Gate) Window() time.Duration {
	var shortest time.Duration
	for _, w := range g.Windows {
		if w > 0 && (shortest == 0 || w < shortest) {
			shortest = w
		}
	}
	return shortest
}

// Sequence returns the ports of the gate. ok is false if they are not five, or not
// known.
func (g Gate) Sequence() (p [knock.Knocks]uint16, ok bool) { return fivePorts(g.Ports) }

// Sequences returns all sequences of five ports that the gate accepts, Ports first.
func (g Gate) Sequences() (all [][knock.Knocks]uint16) {
	for _, ports := range append([][]uint16{g.Ports}, g.Also...) {
		if p, ok := fivePorts(ports); ok && len(all) < maxSequences {
			all = append(all, p)
		}
	}
	return all
}

func fivePorts(s []uint16) (p [knock.Knocks]uint16, ok bool) {
	if len(s) != knock.Knocks || slices.Contains(s, 0) {
		return p, false
	}
	return [knock.Knocks]uint16(s), true
}

// Findings is what was found in rules. The zero Findings holds no gate.
type Findings struct {
	Kind  Kind
	Gates []Gate // IPv4's before IPv6's; at most one each
	// Other are gates of nft beside Gates of iptables. A client has to pass both.
	Other []Gate
	// Printed is set for a script of package script. Its gates have no ports: it
	// computes them.
	Printed *script.Printed

	local   bool // these are all rules of this machine
	rules   *machine.Ruleset
	flaws   []netfilter.Flaw
	partly  bool     // the search for a gate was given up
	other   noGate   // what stands there instead of a gate
	cleared []string // what a script's refresh empties
	cut     []string // lists that a script makes with a mask of IPv4
}

// ReadRules reads rules and finds the gate in them, whatever its chains and sets
// are called. It reads the output of iptables-save, iptables -S and nft list
// ruleset, as text or in JSON, also one after the other (iptables-save and ip6tables-save belong
// together), shell scripts that call iptables, and the script that
// [script.Rules.Script] writes. Rules without a gate are no error. Its errors are
// those of the reader, [netfilter.ErrLongRules], [netfilter.ErrNoRules],
// [netfilter.ErrJSONRules] and [netfilter.ErrOpaqueRules].
func ReadRules(r io.Reader) (Findings, error) {
	text, err := io.ReadAll(io.LimitReader(r, netfilter.MaxText+1))
	if err != nil {
		return Findings{}, fmt.Errorf("cannot read the rules: %w", err)
	}
	if len(text) > netfilter.MaxText {
		return Findings{}, netfilter.ErrLongRules
	}
	f, err := Find(text)
	f.tryOut()
	return f, err
}

// tryOut plays handshakes and sweeps through the gates.
func (f *Findings) tryOut() {
	for _, gates := range [][]Gate{f.Gates, f.Other} {
		for i := range gates {
			if g := &gates[i]; f.Printed == nil {
				g.tryOut()
			}
		}
	}
}

// Find is ReadRules without trying the gates out, for a text of any length: it is
// cheap enough for a watch. Strict, SweepGuard and [Gate.Sweep] stay unknown.
func Find(text []byte) (Findings, error) {
	if bytes.HasPrefix(text, []byte("#!")) {
		if p, ok := script.ReadPrinted(netfilter.CleanLines(text)); ok {
			return fromPrinted(p), nil
		}
	}
	rules, err := netfilter.Read(text)
	if err != nil {
		if kind, other := foreignText(netfilter.CleanLines(text)); kind != "" {
			return Findings{Kind: kind, other: other}, nil
		}
		return Findings{}, err
	}
	f := Findings{Kind: FromNFT, flaws: rules.Flaws}
	f.find(rules.Ruleset)
	switch {
	case rules.Script:
		f.Kind = FromScript
	case rules.IPTables && (len(f.Gates) == 0 || !f.Gates[0].native):
		f.Kind = FromIPTables
	}
	if rules.Opaque && len(f.Gates) == 0 && !rules.IPTables {
		return Findings{}, netfilter.ErrOpaqueRules
	}
	if len(f.Gates) == 0 {
		if f.other = foreignRules(rules.Ruleset); slices.ContainsFunc(f.flaws, func(flaw netfilter.Flaw) bool { return flaw.Kind == netfilter.CutOff }) {
			f.other = noGate{"these rules hold no gate as far as they go", "give the whole output"}
		}
		if f.other.summary == "" && f.partly {
			f.other = noGate{"no gate was found as far as the search went: packets meet too many of these rules, or there are too many ports", "give the chains of the gate, and those that lead to them, alone"}
		}
		if kind, other := foreignText(netfilter.CleanLines(text)); rules.Script && kind != "" {
			f.Kind, f.other = kind, other
		}
	}
	f.cut = rules.MaskedLists
	f.recordCleared(rules.FlushedChains, rules.EmptiedLists)
	return f, nil
}

// find finds the gates that packets of each family meet. It looks at iptables and at
// native tables of nft separately: they share no set.
func (f *Findings) find(rules *machine.Ruleset) {
	f.rules = rules
	rules.Link()
	var gates [2][]Gate
	for _, family := range []knock.Family{knock.Family4, knock.Family6} {
		for kind, native := range []bool{false, true} {
			g, ok, whole := findGate(rules, family, native)
			if f.partly = f.partly || !whole; ok {
				gates[kind] = append(gates[kind], g)
			}
		}
	}
	if f.Gates, f.Other = gates[0], gates[1]; len(f.Gates) == 0 {
		f.Gates, f.Other = f.Other, nil
	}
}

// recordCleared records what a script empties: the chain of the gate, or its lists.
func (f *Findings) recordCleared(flushes, empties []string) {
	for _, g := range f.Gates {
		if f.Kind != FromScript {
			return
		}
		for _, s := range g.steps {
			if s.Rule != nil && slices.Contains(flushes, s.Rule.Chain().Name) {
				f.cleared = append(f.cleared, "chain "+s.Rule.Chain().Name)
			}
			if slices.Contains(empties, s.List) {
				f.cleared = append(f.cleared, "list "+s.List)
			}
		}
	}
	slices.Sort(f.cleared)
	f.cleared = slices.Compact(f.cleared)
}

// Gate returns the first gate. ok is false if there is none.
func (f Findings) Gate() (g Gate, ok bool) {
	if len(f.Gates) == 0 {
		return Gate{}, false
	}
	return f.Gates[0], true
}

// Set returns a set of nft by its name with the table's in front, the zero Set if
// there is none.
func (f Findings) Set(name string) machine.Set {
	if f.rules != nil {
		if s := f.rules.Set(name); s != nil {
			return *s
		}
	}
	return machine.Set{}
}
