package gate

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
)

// TracePacket is a packet to play: a SYN, or a UDP packet.
type TracePacket struct {
	Proto machine.Proto
	Port  int
	From  netip.Addr    // the zero Addr is that of the trace
	After time.Duration // the packet before
}

// maxAfter is how long a trace waits for a packet: longer than any window or list.
const maxAfter = 7 * 24 * time.Hour

// parseTracePacket parses tcp/22, tcp/22@+7s, udp/53@203.0.113.9 and both together.
// A packet without a time comes a gap after the one before.
func parseTracePacket(s string, gap time.Duration) (p TracePacket, err error) {
	wrong := fmt.Errorf("packet %q is not of the form tcp/22, tcp/22@+7s or udp/53@203.0.113.9", knock.Clean(s, 60))
	p.After = gap
	what, at, _ := strings.Cut(s, "@")
	proto, port, _ := strings.Cut(what, "/")
	switch proto {
	case "tcp":
		p.Proto = machine.TCP
	case "udp":
		p.Proto = machine.UDP
	default:
		return p, wrong
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if p.Port = int(n); err != nil || n == 0 {
		return p, wrong
	}
	timed := false
	for word := range strings.SplitSeq(at, "@") {
		switch later, isTime := strings.CutPrefix(word, "+"); {
		case word == "" && at == "" && !strings.HasSuffix(s, "@"):
		case isTime && timed, !isTime && p.From.IsValid():
			return p, wrong
		case isTime:
			timed = true
			if p.After, err = time.ParseDuration(later); err != nil || p.After < 0 || p.After > maxAfter {
				return p, wrong
			}
		default:
			if p.From, err = parseSource(word); err != nil {
				return p, wrong
			}
		}
	}
	return p, nil
}

// Handshake returns the knocks of ports, a gap between them, and the SYN to SSH
// behind them.
func Handshake(ports [knock.Knocks]uint16, sshPort int, gap time.Duration) (all []TracePacket) {
	for _, p := range append(ports[:], uint16(sshPort)) {
		all = append(all, TracePacket{Proto: machine.TCP, Port: int(p), After: gap})
	}
	return all
}

// Trace is what rules did to packets, and its own JSON. Its names are a contract:
// others read them.
type Trace struct {
	Schema     int              `json:"schema"` // 1
	Packets    []TracedPacket   `json:"packets"`
	Opened     bool             `json:"opened"` // a connection to SSH came about
	Unmodelled []UnmodelledRule `json:"unmodelled"`
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

func (t Trace) answered(v machine.Verdict) bool {
	return slices.ContainsFunc(t.Packets, func(p TracedPacket) bool { return p.Answer == v })
}

// TracedPacket is what became of a packet.
type TracedPacket struct {
	At          knock.Millis    `json:"at_ms"` // since the first packet
	Proto       string          `json:"proto"`
	Port        int             `json:"port"`
	From        netip.Addr      `json:"from"`
	Verdict     machine.Verdict `json:"verdict"`
	PhaseBefore int             `json:"phase_before"` // 0 is none
	PhaseAfter  int             `json:"phase_after"`
	Hits        []TracedRule    `json:"hits"`
	// Answer is what became of the answer to a SYN to SSH, empty without one.
	Answer machine.Verdict `json:"answer,omitempty"`
	// Decided is the rule or policy of the verdict, nil where none met the packet.
	Decided *TracedRule `json:"-"`
	// Missed are rules for the port of the packet that did not match it.
	Missed []TracedRule `json:"-"`
}

// TracedRule is a rule, or the policy of a chain, that a packet met.
type TracedRule struct {
	Table   string `json:"table"`
	Chain   string `json:"chain"`
	Rule    int    `json:"rule"` // in its chain, from 1; 0 is the policy
	Line    int    `json:"line"` // in the text; 0 is none
	Text    string `json:"text"`
	Outcome string `json:"outcome"` // "yes", "no" or "unknown": whether it matched
	Reason  string `json:"reason"`  // why it did not, or why that is unknown
}

// UnmodelledRule is a rule on which a verdict depends, with a match whose outcome
// is not known.
type UnmodelledRule struct {
	Line int    `json:"line"`
	Text string `json:"text"`
	Why  string `json:"why"`
}

// TraceRequest says what to play. Zero fields are not given.
type TraceRequest struct {
	Packets []TracePacket // without any, the handshake of the gate
	Gap     time.Duration // of that handshake
	Family  knock.Family
	From    netip.Addr // for packets without a source; without it a client that the gate opens to
	SSHPort int        // without it that of the gate
}

// maxGap is the longest time between two packets.
const maxGap = time.Hour

// NewTraceRequest parses packets and the address that they come from, which may be
// empty.
func NewTraceRequest(packets []string, from string, gap time.Duration) (r TraceRequest, err error) {
	if r.Gap = gap; gap < 0 || gap > maxGap {
		return r, fmt.Errorf("a gap of %v is not within 0s-1h", gap)
	}
	if from != "" {
		if r.From, err = parseSource(from); err != nil {
			return r, err
		}
	}
	for _, s := range packets {
		p, err := parseTracePacket(s, gap)
		if err != nil {
			return r, err
		}
		r.Packets = append(r.Packets, p)
	}
	return r, nil
}

func parseSource(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return a, fmt.Errorf("%q is not an address, such as 203.0.113.9", knock.Clean(s, 60))
	}
	return a, nil
}

// family returns the family of the packets: as given, or that of an address, or that
// of the gate.
func (r TraceRequest) family(f Findings) knock.Family {
	if r.Family != "" && r.Family != knock.FamilyAuto {
		return r.Family
	}
	addrs := []netip.Addr{r.From}
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

// Trace plays packets through the rules. Connections to SSH are made to their first
// data packet.
func (f Findings) Trace(r TraceRequest) (Trace, error) {
	t := Trace{Schema: 1, Packets: []TracedPacket{}, Unmodelled: []UnmodelledRule{}}
	if f.rules == nil {
		return t, errors.New("this is the script of rapport rules, which computes its rules: give what iptables-save or nft list ruleset prints after its setup")
	}
	family := r.family(f)
	x := tracer{t: &t, g: f.gateOf(family), m: f.rules.NewMachine(), c: newClient(f.rules, family), port: sshPort}
	if x.g != nil {
		x.c, x.port = x.g.player(), x.g.port()
		x.m.Entry = x.c.entry
	}
	x.port = cmp.Or(r.SSHPort, x.port)
	x.m.Tracing = true
	x.m.Wait(origin)
	if r.From.IsValid() && knock.FamilyOf(r.From) != family {
		return t, wrongFamily(r.From, family)
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
	if r.From.IsValid() {
		x.c.src = r.From
	}
	src := x.c.src
	for _, p := range packets {
		if x.c.src = src; p.From.IsValid() {
			x.c.src = p.From
		}
		if x.c.src.Is6() != (family == knock.Family6) {
			return t, wrongFamily(x.c.src, family)
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

// gateOf returns the gate of a family, nil without one.
func (f Findings) gateOf(family knock.Family) *Gate {
	for i := range f.Gates {
		if f.Gates[i].Family == family {
			return &f.Gates[i]
		}
	}
	return nil
}

// tracer plays the packets of a trace.
type tracer struct {
	t    *Trace
	g    *Gate
	c    *client
	m    *machine.Machine
	port int // of SSH
}

// handshake returns the knocks of the gate in the rules, and the SYN to SSH.
func (x *tracer) handshake(gap time.Duration) (all []TracePacket, err error) {
	if x.g == nil {
		return nil, errors.New("these rules hold no gate: name the HOST whose knocks to play, or give --packet tcp/PORT")
	}
	for _, k := range x.g.knocks {
		p := TracePacket{Proto: machine.TCP, Port: k.port, After: gap}
		if k.udp {
			p.Proto = machine.UDP
		}
		all = append(all, p)
	}
	return append(all, TracePacket{Proto: machine.TCP, Port: x.port, After: gap}), nil
}

// play plays a packet and records what became of it.
func (x *tracer) play(p TracePacket) {
	at := origin
	if n := len(x.t.Packets); n > 0 {
		at += time.Duration(x.t.Packets[n-1].At) + p.After
	}
	at = max(at, x.m.Now())
	x.m.Wait(at - gap - x.m.Now())
	o := TracedPacket{At: knock.Millis(at - origin), Proto: p.Proto.String(), Port: p.Port, From: x.c.src, PhaseBefore: x.phase(), Hits: []TracedRule{}}
	var r machine.Result
	if p.Proto == machine.TCP && p.Port == x.port {
		a := x.c.connect(x.m, p.Port)
		r, o.Answer = a.Result, a.answer.Verdict
		if r.Verdict == machine.Undecided {
			o.Answer = machine.Undecided
		}
		x.unsure(a.answer)
		x.t.Opened = x.t.Opened || a.opened() == machine.Yes
	} else {
		r = x.m.Deliver(x.c.packet(knockAt{p.Port, p.Proto == machine.UDP}), at)
	}
	o.Verdict, o.PhaseAfter = r.Verdict, x.phase()
	decided := -1
	for i, h := range r.Trace {
		o.Hits = append(o.Hits, tracedRule(h))
		if h.Outcome == machine.Yes && h.Rule == r.Rule && (h.Rule != nil || h.Chain == r.Chain) {
			decided = i
		}
		if h.Outcome != machine.Yes && h.Rule != nil && slices.Contains(h.Rule.Ports(), p.Port) {
			o.Missed = append(o.Missed, tracedRule(h))
		}
	}
	if decided >= 0 {
		o.Decided = &o.Hits[decided]
	}
	x.unsure(r)
	x.t.Packets = append(x.t.Packets, o)
}

// phase returns how many of the gate's lists, in order, the source has reached.
func (x *tracer) phase() int {
	if x.g == nil {
		return 0
	}
	for i := len(x.g.steps); i > 0; i-- {
		if l := x.g.steps[i-1].List; l != "" && x.m.Holds(l, x.c.src) {
			return i
		}
	}
	return 0
}

// unsure records the rules on which a verdict depends, each once.
func (x *tracer) unsure(r machine.Result) {
	add := func(u UnmodelledRule) {
		if !slices.Contains(x.t.Unmodelled, u) {
			x.t.Unmodelled = append(x.t.Unmodelled, u)
		}
	}
	for _, h := range r.Unsure {
		add(UnmodelledRule{h.Rule.Line, h.Rule.Text, h.Reason})
	}
	switch {
	case r.Verdict != machine.Undecided || len(r.Unsure) > 0:
	case r.Rule != nil:
		add(UnmodelledRule{r.Rule.Line, r.Rule.Text, "what its target does with a packet is not known"})
	case r.Chain != nil:
		add(UnmodelledRule{0, "chain " + r.Chain.Name, "the text does not show its policy"})
	default:
		add(UnmodelledRule{0, "no chain of INPUT", "the text does not show what packets meet there"})
	}
}

// tracedRule describes a rule that a packet met.
func tracedRule(h machine.Hit) TracedRule {
	r := TracedRule{Table: h.Chain.Table().Name, Chain: h.Chain.Name, Outcome: h.Outcome.String(), Reason: h.Reason}
	if h.Rule == nil {
		r.Text = fmt.Sprintf("policy %s", h.Verdict)
		return r
	}
	r.Rule, r.Line, r.Text = 1+slices.Index(h.Chain.Rules, h.Rule), h.Rule.Line, h.Rule.Text
	return r
}
