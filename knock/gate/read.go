package gate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/netfilter"
)

const (
	// maxSequences bounds those that are solved for: this hour's, the hour's
	// before and after are taken at once by the most careful gate.
	maxSequences = 4
)

// Kind says what rules were read from.
type Kind string

// The kinds of rules.
const (
	FromIPTables Kind = "iptables" // iptables-save or iptables -S
	FromNFT      Kind = "nft"      // nft list ruleset
	FromScript   Kind = "script"   // a shell script that calls iptables
)

// AcceptKind is what a gate's door does to the address that it lets through.
type AcceptKind string

// The kinds of doors.
const (
	Fixed   AcceptKind = "rcheck" // nothing: open for one window
	Sliding AcceptKind = "update" // every connection extends the window
	OneShot AcceptKind = "remove" // the first connection uses it up
)

// Gate is a gate found in rules. Everything in it is printable.
type Gate struct {
	Family knock.Family
	// Ports are those of the phases in order, five in a gate that works. In a
	// script, which computes them, they are 0.
	Ports []uint16
	// Also are further sequences that it takes at the same time, such as the
	// previous hour's for a while.
	Also [][]uint16
	// Lists are the names of the lists of phase 1 to the door.
	Lists []string
	// Windows are the times for which phase 1 to the last stay open; zero is
	// without end, or what a script does not tell.
	Windows []time.Duration
	Accept  AcceptKind
	// SSHPort is the port that the door guards, 0 where it guards all.
	// Doors are all ports behind doors of this gate.
	SSHPort     int
	AcceptPorts []int
	// Chain is where the phases stand.
	Chain string
	// Guarded says that the last phase remembers who has been there, as a replay
	// guard does.
	Guarded bool
	// Strict says that a wrong or repeated knock takes the phases away, so that
	// a client has to start over.
	Strict bool
	// SweepGuard is how many wrong ports a minute the gate forgives a source; 0
	// is no sweep guard.
	SweepGuard int

	path      netfilter.Path // of its family, all of it
	edges     []edge
	acceptHit int  // index of the door's step, -1 without one
	ordered   bool // the phases lead to the door
	size      int  // the smallest list's, 0 unknown
	native    bool // stands in a table of nft's own
	swept     bool // it is known what a sweep does
	passes    int  // of a sweep, after which it is open; 0 is never
}

// Window returns the shortest window, zero where none ends.
func (g Gate) Window() time.Duration {
	var shortest time.Duration
	for _, w := range g.Windows {
		if w > 0 && (shortest == 0 || w < shortest) {
			shortest = w
		}
	}
	return shortest
}

// Sequence returns the five ports, unless the gate has another number of them
// or does not tell.
func (g Gate) Sequence() (p [knock.Knocks]uint16, ok bool) { return fivePorts(g.Ports) }

// Sequences returns all sequences of five ports that the gate takes, the first
// first.
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

// Findings is what [ReadRules] found.
type Findings struct {
	Kind  Kind
	Gates []Gate // IPv4's before IPv6's; at most one each
	// Other are gates of nft beside Gates of iptables. Who is to get in must
	// pass both.
	Other []Gate
	// Printed is set for a script that Rules.Script wrote, whose gates tell no
	// ports.
	Printed *script.Printed

	local   bool                            // all that this machine has was read
	Paths   map[knock.Family]netfilter.Path // what a packet of each family meets
	cleared []string                        // what a script's refresh empties
	cut     []string                        // listsOf that a script makes with a mask of IPv4
}

// ReadRules reads rules and finds the gate in them, whatever its chains and
// lists are called. It takes the output of iptables-save, iptables -S and nft
// list ruleset, several one after the other (iptables-save and ip6tables-save
// belong together), a shell script that calls iptables, and the script that
// [Rules.Script] writes. Rules without a
// gate are no error.
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

// tryOut tries the gates out, which a watch has no use for.
func (f *Findings) tryOut() {
	for _, gates := range [][]Gate{f.Gates, f.Other} {
		for i := range gates {
			if g := &gates[i]; f.Printed == nil {
				g.tryOut(g.path.Only(g.native))
			}
		}
	}
}

// Find is ReadRules for a text of any length.
func Find(text []byte) (Findings, error) {
	lines := netfilter.CleanLines(text)
	if p, ok := script.ReadPrinted(lines); ok {
		return fromPrinted(p), nil
	}
	rules, err := netfilter.Parse(lines)
	if err != nil {
		return Findings{}, err
	}
	f := Findings{Kind: FromNFT}
	f.find(rules)
	switch {
	case rules.Script:
		f.Kind = FromScript
	case rules.IPTables && (len(f.Gates) == 0 || !f.Gates[0].native):
		f.Kind = FromIPTables
	}
	if rules.Opaque && len(f.Gates) == 0 && !rules.IPTables {
		return Findings{}, netfilter.ErrOpaqueRules
	}
	f.cut = rules.MaskedLists
	f.recordCleared(rules.FlushedChains, rules.EmptiedLists)
	return f, nil
}

// find looks for the gates in what a packet of each family meets. Those of
// iptables and of nft's own tables are kept apart: they share no list.
func (f *Findings) find(rules netfilter.Ruleset) {
	f.Paths = map[knock.Family]netfilter.Path{}
	var gates [2][]Gate
	for _, family := range []knock.Family{knock.Family4, knock.Family6} {
		w := rules.Path(family)
		f.Paths[family] = w
		for kind, native := range []bool{false, true} {
			if g, ok := findGate(w.Only(native)); ok {
				g.Family, g.native, g.path = family, native, w
				gates[kind] = append(gates[kind], g)
			}
		}
	}
	if f.Gates, f.Other = gates[0], gates[1]; len(f.Gates) == 0 {
		f.Gates, f.Other = f.Other, nil
	}
}

// recordCleared keeps what a script empties of the gate: its chain, or its lists.
func (f *Findings) recordCleared(flushes, empties []string) {
	for _, g := range f.Gates {
		if f.Kind != FromScript {
			return
		}
		for _, e := range g.edges {
			if slices.Contains(flushes, e.chain) {
				f.cleared = append(f.cleared, "chain "+e.chain)
			}
			if slices.Contains(empties, e.to) {
				f.cleared = append(f.cleared, "list "+e.to)
			}
		}
	}
	slices.Sort(f.cleared)
	f.cleared = slices.Compact(f.cleared)
}

// Gate returns the first gate.
func (f Findings) Gate() (Gate, bool) {
	if len(f.Gates) == 0 {
		return Gate{}, false
	}
	return f.Gates[0], true
}

// Sets are the sets of nft in the rules, by their names.
func (f Findings) Sets() map[string]netfilter.Set {
	all := map[string]netfilter.Set{}
	for _, w := range f.Paths {
		maps.Copy(all, w.Sets)
	}
	return all
}
