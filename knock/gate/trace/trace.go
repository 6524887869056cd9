// Package trace plays packets through a server's rules and says, for each, which rules it
// met and which one decided. No packet leaves the machine.
//
// [Run] plays a [Request], such as the [Handshake] of a client, and returns a [Trace],
// which is its own JSON and prints itself as text. [ParseRequest] reads the packets of
// a request from text. [Explain] plays what an observer saw of a client that was not let
// in, and records in it the rule that stopped it, or what the gate wants instead.
package trace

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter/machine"
)

// Packet is a packet to play: a SYN, or a UDP packet.
type Packet struct {
	Proto machine.Proto
	Port  int
	From  netip.Addr    // the zero Addr is that of the trace
	After time.Duration // the packet before
}

// Handshake returns the knocks of ports, a gap between them, and the SYN to SSH
// behind them.
func Handshake(ports [knock.Knocks]uint16, sshPort int, gap time.Duration) (all []Packet) {
	for _, p := range append(ports[:], uint16(sshPort)) {
		all = append(all, Packet{Proto: machine.TCP, Port: int(p), After: gap})
	}
	return all
}

// Trace is what rules did to packets, and its own JSON. Its names are a contract:
// others read them.
type Trace struct {
	Schema     int          `json:"schema"` // 1
	Packets    []Played     `json:"packets"`
	Opened     bool         `json:"opened"` // a connection to SSH came about
	Unmodelled []Unmodelled `json:"unmodelled"`
}

// Opens reports whether a connection to SSH came about. Unknown depends on the rules
// in Unmodelled.
func (t Trace) Opens() machine.Truth {
	switch {
	case t.Opened:
		return machine.Yes
	case t.answered(machine.Undecided):
		return machine.Unknown
	}
	return machine.No
}

// Unanswered reports whether a SYN to SSH was let in, but no answer let out.
func (t Trace) Unanswered() bool {
	return !t.Opened && (t.answered(machine.Drop) || t.answered(machine.Reject))
}

// In returns the interface by which the first packet has to come, by the rules that led it
// further; it is empty where none of them asks for one.
func (t Trace) In() string {
	for _, h := range t.Packets[0].Hits {
		if h.Outcome == machine.Yes.String() && h.In != "" {
			return h.In
		}
	}
	return ""
}

func (t Trace) answered(v machine.Verdict) bool {
	return slices.ContainsFunc(t.Packets, func(p Played) bool { return p.Answer == v })
}

// Played is what became of a packet.
type Played struct {
	At          knock.Millis    `json:"at_ms"` // since the first packet
	Proto       string          `json:"proto"`
	Port        int             `json:"port"`
	From        netip.Addr      `json:"from"`
	Verdict     machine.Verdict `json:"verdict"`
	PhaseBefore int             `json:"phase_before"` // 0 is none
	PhaseAfter  int             `json:"phase_after"`
	// PhaseUnsure: a rule that is not modelled, or what is not given, decides about phases.
	PhaseUnsure bool  `json:"phase_unsure,omitempty"`
	Hits        []Hit `json:"hits"`
	// Answer is what became of the answer to a SYN to SSH, empty without one.
	Answer machine.Verdict `json:"answer,omitempty"`
	// Decided is the one of Hits, a rule or policy, that gave the verdict, nil where none met
	// the packet; Stopped is that of an answer which is not let out.
	Decided *Hit `json:"-"`
	Stopped *Hit `json:"-"`
	// Missed are rules for the port of the packet that did not match it.
	Missed []Hit `json:"-"`
}

// Hit is a rule, or the policy of a chain, that a packet met.
type Hit struct {
	Table   string `json:"table"`
	Chain   string `json:"chain"`
	Rule    int    `json:"rule"` // in its chain, from 1; 0 is the policy
	Line    int    `json:"line"` // in the text; 0 is none
	Text    string `json:"text"`
	Outcome string `json:"outcome"` // "yes", "no" or "unknown": whether it matched
	Reason  string `json:"reason"`  // why it did not, or why that is unknown
	Source  bool   `json:"-"`       // it asks for the source
	In      string `json:"-"`       // the interface that it asks for, if it jumps to a chain or records a knock
}

// is reports whether a hit is that of a rule.
func (h Hit) is(r *machine.Rule) bool {
	return r != nil && h.Line == r.Line && h.Text == r.Text && h.Chain == r.Chain().Name && h.Table == r.Chain().Table().Name
}

// Unmodelled is a rule on which a verdict depends, with a match whose outcome
// is not known.
type Unmodelled struct {
	Line int    `json:"line"`
	Text string `json:"text"`
	Why  string `json:"why"`
}

// Request says what to play. Zero fields are not given.
type Request struct {
	Packets []Packet      // without any, the handshake of the gate
	Gap     time.Duration // of that handshake
	Family  knock.Family
	From    netip.Addr // for packets without a source; without it a client that the gate opens to
	To      netip.Addr // where packets go; without it any address of the server
	SSHPort int        // without it that of the gate
}

// family returns the family of the packets: as given, or that of an address, or that
// of the gate.
func (r Request) family(f gate.Findings) knock.Family {
	if r.Family != "" && r.Family != knock.FamilyAuto {
		return r.Family
	}
	addrs := []netip.Addr{r.From, r.To}
	for _, p := range r.Packets {
		addrs = append(addrs, p.From)
	}
	if i := slices.IndexFunc(addrs, netip.Addr.IsValid); i >= 0 {
		return knock.FamilyOf(addrs[i])
	}
	if g, ok := f.Gate(); ok {
		return g.Family
	}
	return knock.Family4
}

// Run plays packets through the rules. Connections to SSH are made to their first data
// packet. What is not given is left open, unless it makes no difference: whether a source is
// in a set that is not shown, and which of the server's addresses packets go to.
func Run(f gate.Findings, r Request) (Trace, error) {
	t, err := anyMember(f, r)
	if err != nil || r.To.IsValid() {
		return t, err
	}
	rules, _ := f.Rules()
	for _, to := range destinations(rules, r.family(f)) {
		r.To = to
		if other, err := anyMember(f, r); err == nil {
			t.leaveOpen(other, to)
		}
	}
	return t, nil
}

// anyMember is Run for packets to one address.
func anyMember(f gate.Findings, r Request) (Trace, error) {
	t, err := run(f, r, machine.Unknown)
	if err != nil || t.Opens() != machine.Unknown {
		return t, err
	}
	in, _ := run(f, r, machine.Yes)
	out, err := run(f, r, machine.No)
	if in.Opened && out.Opened {
		return out, err
	}
	return t, err
}

// run is Run with a source that is in all sets which are not shown, or in none.
func run(f gate.Findings, r Request, member machine.Truth) (Trace, error) {
	t := Trace{Schema: 1, Packets: []Played{}, Unmodelled: []Unmodelled{}}
	if rules, _ := f.Rules(); rules == nil {
		return t, errors.New("this is the script of rapport rules, which computes its rules: give what iptables-save or nft list ruleset prints after its setup")
	}
	family := r.family(f)
	x := tracer{t: &t}
	x.p, x.g = f.Observe(family, member)
	if x.port = cmp.Or(r.SSHPort, knock.DefaultSSHPort); x.g != nil {
		x.port = cmp.Or(r.SSHPort, x.g.SSHPort, x.port)
	}
	x.p.Wait(origin)
	src := r.From
	if !src.IsValid() {
		src = x.p.Source()
	}
	if knock.FamilyOf(src) != family {
		return t, wrongFamily(src, family)
	}
	if r.To.IsValid() {
		if knock.FamilyOf(r.To) != family {
			return t, wrongFamily(r.To, family)
		}
		x.p.To(r.To)
	}
	packets := r.Packets
	if len(packets) == 0 {
		var err error
		if packets, err = x.handshake(r.Gap); err != nil {
			if g, other := f.Gate(); other {
				err = fmt.Errorf("these rules hold no gate of IPv%s, only one of IPv%s: name the HOST whose knocks to play, or give --packet tcp/PORT", family, g.Family)
			}
			return t, err
		}
	}
	for _, p := range packets {
		if !p.From.IsValid() {
			p.From = src
		}
		if knock.FamilyOf(p.From) != family {
			return t, wrongFamily(p.From, family)
		}
		x.play(p)
	}
	return t, nil
}

func wrongFamily(a netip.Addr, family knock.Family) error {
	return fmt.Errorf("%v is no address of IPv%s: trace one family at a time", a, family)
}

// origin is when the first packet comes.
const origin = time.Second

// tracer plays the packets of a trace.
type tracer struct {
	t    *Trace
	g    *gate.Gate // nil where there is none
	p    *gate.Play
	port int // of SSH
	// doubts are the first unmodelled matches on which depends what lists and sets hold.
	doubts []machine.Hit
}

// handshake returns the knocks of the gate in the rules, and the SYN to SSH.
func (x *tracer) handshake(gap time.Duration) (all []Packet, err error) {
	if x.g == nil {
		return nil, errors.New("these rules hold no gate: name the HOST whose knocks to play, or give --packet tcp/PORT")
	}
	for i, port := range x.g.Knocks() {
		all = append(all, Packet{Proto: x.g.Proto(i), Port: port, After: gap})
	}
	return append(all, Packet{Proto: machine.TCP, Port: x.port, After: gap}), nil
}

// play plays a packet and records what became of it.
func (x *tracer) play(p Packet) {
	at := origin
	if n := len(x.t.Packets); n > 0 {
		at += time.Duration(x.t.Packets[n-1].At) + p.After
	}
	at = max(at, x.p.Now())
	x.p.Wait(at - time.Millisecond - x.p.Now()) // a SYN to SSH takes that time
	o := Played{At: knock.Millis(at - origin), Proto: p.Proto.String(), Port: p.Port, From: p.From, PhaseBefore: x.phase(p.From), Hits: []Hit{}}
	var r machine.Result
	if p.Proto == machine.TCP && p.Port == x.port {
		s := x.p.Dial(p.From, p.Port, at)
		r, o.Answer = s.SYN, s.Answer.Verdict
		if r.Verdict == machine.Undecided {
			o.Answer = machine.Undecided
		}
		if v := s.Answer.Verdict; v == machine.Drop || v == machine.Reject {
			if i := decided(s.Answer); i >= 0 {
				h := describe(s.Answer.Trace[i])
				o.Stopped = &h
			}
		}
		x.unsure(s.Answer)
		x.t.Opened = x.t.Opened || s.Opened == machine.Yes
	} else {
		r = x.p.Deliver(p.From, p.Proto, p.Port, at)
	}
	o.Verdict, o.PhaseAfter = r.Verdict, x.phase(p.From)
	for _, h := range r.Trace {
		o.Hits = append(o.Hits, describe(h))
		if h.Outcome != machine.Yes && h.Rule != nil && slices.Contains(h.Rule.Ports(), p.Port) {
			o.Missed = append(o.Missed, describe(h))
		}
	}
	if i := decided(r); i >= 0 {
		o.Decided = &o.Hits[i]
	}
	x.unsure(r)
	o.PhaseUnsure = len(x.doubts) > 0
	x.t.Packets = append(x.t.Packets, o)
}

// decided returns the place of the rule or policy of a verdict in the trace, -1 where none
// met the packet.
func decided(r machine.Result) int {
	for i, h := range slices.Backward(r.Trace) {
		if h.Outcome == machine.Yes && h.Rule == r.Rule && (h.Rule != nil || h.Chain == r.Chain) {
			return i
		}
	}
	return -1
}

// phase returns how many of the gate's lists, in order, a source has reached.
func (x *tracer) phase(src netip.Addr) int {
	if x.g == nil {
		return 0
	}
	steps := x.g.Steps()
	for i := len(steps); i > 0; i-- {
		if l := steps[i-1].List; l != "" && x.p.Holds(l, src) {
			return i
		}
	}
	return 0
}

// unsure records the rules on which a verdict depends, each once, behind those by
// which lists and sets came to be in doubt.
func (x *tracer) unsure(r machine.Result) {
	add := func(u Unmodelled) {
		if !slices.Contains(x.t.Unmodelled, u) {
			x.t.Unmodelled = append(x.t.Unmodelled, u)
		}
	}
	if len(r.Unsure) > 0 {
		for _, h := range x.doubts {
			add(Unmodelled{h.Rule.Line, h.Rule.Text, h.Reason})
		}
	}
	if len(x.doubts) == 0 { // later ones follow from the first
		x.doubts = r.Doubts
	}
	for _, h := range r.Unsure {
		add(Unmodelled{h.Rule.Line, h.Rule.Text, h.Reason})
	}
	switch {
	case r.Verdict != machine.Undecided || len(r.Unsure) > 0:
	case r.Rule != nil:
		add(Unmodelled{r.Rule.Line, r.Rule.Text, "what its target does with a packet is not known"})
	case r.Chain != nil:
		add(Unmodelled{0, "chain " + r.Chain.Name, "the text does not show its policy"})
	default:
		add(Unmodelled{0, "no chain of INPUT", "the text does not show what packets meet there"})
	}
}

// describe describes a rule that a packet met.
func describe(h machine.Hit) Hit {
	r := Hit{Table: h.Chain.Table().Name, Chain: h.Chain.Name, Outcome: h.Outcome.String(), Reason: h.Reason}
	if h.Rule == nil {
		r.Text = fmt.Sprintf("policy %s", h.Verdict)
		return r
	}
	r.Rule, r.Line, r.Text = 1+slices.Index(h.Chain.Rules, h.Rule), h.Rule.Line, h.Rule.Text
	r.Source = h.Rule.Reads(machine.SourceAddr)
	if len(h.Rule.Targets()) > 0 || len(h.Rule.Updates()) > 0 && h.Rule.Reads(machine.Port) {
		r.In = strings.Join(h.Rule.Interfaces(false), " or ")
	}
	return r
}
