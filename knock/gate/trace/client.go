package trace

import (
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/gate"
	"rapport/knock/netfilter/machine"
)

// Explain plays what a client that is barred sent through the rules of its server, and records
// what came of it: which rule stopped which of its packets, or what the gate wants
// instead. It reports false where the rules do not say.
func Explain(f gate.Findings, c *arrivals.Client) bool {
	if !c.Barred() || len(f.Gates) == 0 {
		return false
	}
	x := explainer{f: f, c: c}
	r := x.request()
	g := x.gate(knock.FamilyOf(r.From))
	if g == nil {
		c.Explain(arrivals.Finding{Code: arrivals.GateDiffers, Wants: &arrivals.Wants{Family: f.Gates[0].Family}}, 0)
		return true
	}
	t, err := Run(f, r)
	if err != nil {
		return false
	}
	reached := 0
	for _, p := range t.Packets {
		reached = max(reached, p.PhaseAfter)
	}
	found, ok := x.explain(g, r, t)
	if ok {
		c.Explain(found, reached)
	}
	return ok
}

// explain says what a trace of the client's packets shows.
func (x *explainer) explain(g *gate.Gate, r Request, t Trace) (found arrivals.Finding, ok bool) {
	switch t.Opens() {
	case machine.Yes:
		last := t.Packets[x.lastSSH(t)]
		return arrivals.Finding{Code: arrivals.Unanswered, Rule: ruleOf(last.Decided, last.Verdict)}, last.Decided != nil
	case machine.Unknown:
		if len(t.Unmodelled) == 0 {
			return found, false
		}
		u := t.Unmodelled[0]
		return arrivals.Finding{Code: arrivals.RuleStops, Rule: &arrivals.Rule{Text: knock.Clean(u.Text, maxRule), Reason: u.Why, Verdict: string(machine.Undecided)}}, true
	}
	// Where the gate's own handshake opens to this client, its own one is what differs.
	own, err := Run(x.f, Request{From: r.From, To: r.To, Gap: time.Millisecond})
	if err == nil && own.Opens() == machine.Yes {
		if found, ok = x.differs(g); ok {
			return found, true
		}
	}
	return x.stopped(g, t)
}

// maxRule bounds the text of a rule that is told.
const maxRule = 200

// explainer explains what became of a client.
type explainer struct {
	f       gate.Findings
	c       *arrivals.Client
	packets []arrivals.Knock
}

// request returns what to play: the client's packets at their times.
func (x *explainer) request() Request {
	x.packets = x.c.Packets()
	r := Request{From: x.c.Addr, To: x.c.Server, SSHPort: int(x.c.SSH[0].Port)}
	var before time.Time
	for i, k := range x.packets {
		p := Packet{Proto: machine.TCP, Port: int(k.Port), From: k.From}
		if i > 0 {
			p.After = k.At().Sub(before)
		}
		if k.From.IsValid() {
			r.From = k.From
		}
		before = k.At()
		r.Packets = append(r.Packets, p)
	}
	if !sameFamily(r.From, r.To) {
		r.To = netip.Addr{} // a translator stands between them
	}
	return r
}

func sameFamily(a, b netip.Addr) bool { return b.IsValid() && knock.FamilyOf(a) == knock.FamilyOf(b) }

// gate returns the gate of a family, nil for none.
func (x *explainer) gate(family knock.Family) *gate.Gate {
	i := slices.IndexFunc(x.f.Gates, func(g gate.Gate) bool { return g.Family == family })
	if i < 0 {
		return nil
	}
	return &x.f.Gates[i]
}

// differs says what the gate wants that the client did not do.
func (x *explainer) differs(g *gate.Gate) (arrivals.Finding, bool) {
	var w arrivals.Wants
	ports, made := g.Knocks(), x.c.Sequence()
	if len(ports) != knock.Knocks {
		w.Knocks = len(ports)
	}
	var order []int
	for i, p := range ports {
		if g.Proto(i) == machine.UDP {
			w.Protocol = machine.UDP.String()
		}
		for n, m := range made { // a port may occur twice
			if int(m) == p && !slices.Contains(order, n+1) {
				order = append(order, n+1)
				break
			}
		}
	}
	switch {
	case w.Knocks != 0:
	case len(order) < knock.Knocks:
		w.Others = knock.Knocks - len(order)
	case !slices.IsSorted(order):
		w.Order = order
	}
	tried := int(x.c.SSH[0].Port)
	switch {
	case w.Knocks != 0 || w.Others != 0 || w.Protocol != "" || w.Order != nil:
		return arrivals.Finding{Code: arrivals.GateDiffers, Wants: &w}, true
	case g.SSHPort != 0 && !slices.Contains(g.AcceptPorts, tried):
		return arrivals.Finding{Code: arrivals.SSHPort, Port: uint16(tried), SSH: uint16(g.SSHPort)}, true
	}
	return arrivals.Finding{}, false
}

// stopped names the rule that stopped the first packet that the gate was waiting for, and
// the further ones that it stopped too.
func (x *explainer) stopped(g *gate.Gate, t Trace) (found arrivals.Finding, ok bool) {
	steps := g.Steps()
	found.Code = arrivals.RuleStops
	for i, p := range t.Packets {
		k := x.packets[i].Phase
		if k == 0 || k != p.PhaseBefore+1 || p.PhaseAfter >= k || k > len(steps) || p.Decided == nil {
			continue
		}
		if h, met := missed(p, steps[k-1].Rule); met {
			found.Knocks, found.Rule = []int{k}, ruleOf(&h, p.Verdict)
			return found, true
		}
		for n, o := range t.Packets {
			if k := x.packets[n].Phase; k > 0 && o.Decided != nil && *o.Decided == *p.Decided && !slices.Contains(found.Knocks, k) {
				found.Knocks = append(found.Knocks, k)
			}
		}
		slices.Sort(found.Knocks)
		found.Rule = ruleOf(p.Decided, p.Verdict)
		return found, true
	}
	p := t.Packets[x.lastSSH(t)]
	found.Rule = ruleOf(p.Decided, p.Verdict)
	if h, met := missed(p, g.Accepted().Rule); met {
		found.Rule = ruleOf(&h, p.Verdict)
	}
	if p.Stopped != nil {
		found.Rule = ruleOf(p.Stopped, p.Answer)
		found.Rule.Answer = true
	}
	return found, found.Rule != nil
}

// lastSSH is the place of the last SYN to SSH. A client that is barred has sent one.
func (x *explainer) lastSSH(t Trace) int {
	for i, p := range slices.Backward(t.Packets) {
		if p.Port == int(x.c.SSH[0].Port) {
			return i
		}
	}
	return 0
}

// missed returns the hit of a rule of the gate that a packet met, and that did not match.
func missed(p Played, r *machine.Rule) (Hit, bool) {
	i := slices.IndexFunc(p.Missed, func(h Hit) bool { return h.is(r) })
	if i < 0 {
		return Hit{}, false
	}
	return p.Missed[i], true
}

// ruleOf returns a hit as findings have it.
func ruleOf(h *Hit, v machine.Verdict) *arrivals.Rule {
	if h == nil {
		return nil
	}
	r := &arrivals.Rule{Table: h.Table, Chain: h.Chain, Number: h.Rule, Text: knock.Clean(h.Text, maxRule), Verdict: string(v), Source: h.Source}
	if h.Outcome != machine.Yes.String() {
		r.Reason = h.Reason
	}
	return r
}
