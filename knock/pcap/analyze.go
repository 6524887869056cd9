package pcap

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/gate"
	"rapport/knock/gate/trace"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

// Options say what the observer of the captures knows.
type Options struct {
	knock.Target      // the server, with its secret; its address does not count
	Side         Side // of a single capture; empty lets it be found out
	// Rules are those of the server, nil if they are not given. They say what stopped a
	// client that did all rightly.
	Rules *gate.Findings
}

// Report is what captures show. Its JSON is a contract: others read it.
type Report struct {
	Schema   int               `json:"schema"` // 1
	Captures []CaptureReport   `json:"captures"`
	Clock    *ClockDifference  `json:"clock"` // null without both sides
	Clients  []arrivals.Client `json:"clients"`
	// Others are sources that sent SYNs and no handshake.
	Others  int          `json:"others"`
	Notes   []string     `json:"notes"`
	Elapsed knock.Millis `json:"elapsed_ms"` // left to the caller
}

// CaptureReport describes a capture.
type CaptureReport struct {
	File    string `json:"file"`
	Side    Side   `json:"side"`
	Link    string `json:"link"`
	Packets int    `json:"packets"`
	SYNs    int    `json:"syns"`
}

// Found reports whether there is a handshake.
func (r Report) Found() bool {
	return slices.ContainsFunc(r.Clients, func(c arrivals.Client) bool { return c.Candidate != nil })
}

// Right reports whether all clients got in, or at least made no mistake.
func (r Report) Right() bool {
	return r.Found() && !slices.ContainsFunc(r.Clients, func(c arrivals.Client) bool { return c.Candidate != nil && len(c.Findings) > 0 && !c.In })
}

// Wrong says in one line why Right is false.
func (r Report) Wrong() string {
	for _, c := range r.Clients {
		if (c.Candidate != nil || !r.Found()) && len(c.Findings) > 0 && !c.In {
			return c.Addr.String() + ": " + c.Summary()
		}
	}
	return "no handshake is in there; rapport pcap --tcpdump HOST says how to record one"
}

// Analyze finds the handshakes in one capture, or in those of both sides. It fails only
// when ctx ends.
func Analyze(ctx context.Context, captures []*Capture, o Options) (Report, error) {
	r := Report{Schema: 1, Clients: []arrivals.Client{}, Notes: []string{}}
	client, server := sides(captures, o)
	for _, c := range captures {
		r.describe(c, either(c == client, Client, Server))
	}
	all, clock := packets(client, server)
	r.Clock = clock
	if client != nil && server != nil && clock == nil {
		r.Notes = append(r.Notes, "no SYN is in both captures: they were made at different times or places, or nothing arrived")
	}
	q := arrivals.Query{Secret: o.Secret, Range: o.Range, Reach: arrivals.DefaultReach}
	g := arrivals.Gate{Range: o.Range, SSHPort: o.Addr.Port(), Window: o.Window, SweepGuard: o.SweepGuard, Strict: o.Strict, AnyRange: true, LoneSSH: true}
	clients, stats, err := track(ctx, all, q, g)
	if err != nil {
		return r, err
	}
	if also, err := widen(ctx, clients, q); err != nil {
		return r, err
	} else if len(also) > 0 {
		q.Also = also
		if clients, stats, err = track(ctx, all, q, g); err != nil {
			return r, err
		}
	}
	clients = lone(clients, client != nil)
	if at, cut := cutAt(client, server, clock); cut {
		withhold(clients, at, o.Window)
	}
	if server != nil {
		findSilent(clients, server)
	} else {
		findSilent(clients, client)
	}
	if o.Rules != nil {
		r.explain(clients, *o.Rules)
	}
	r.Clients = append(r.Clients, clients...)
	r.Others = int(stats.Sources) - len(clients)
	return r, nil
}

// maxExplained bounds the clients whose packets are played through the rules.
const maxExplained = 100

// explain says of clients that did all rightly and were not let in what the rules did.
func (r *Report) explain(clients []arrivals.Client, rules gate.Findings) {
	if _, ok := rules.Gate(); !ok || rules.Printed != nil {
		r.Notes = append(r.Notes, "the rules hold no gate to play packets through: give what iptables-save or nft list ruleset prints on the server")
		return
	}
	played := 0
	for i := range clients {
		if c := &clients[i]; c.Barred() && played < maxExplained {
			played++
			trace.Explain(rules, c)
		}
	}
}

// maxLone is how many sources without a handshake are told of a server: the others are
// strangers who try SSH.
const maxLone = 3

// lone leaves out sources that tried SSH without a handshake: those whose knocks came from
// another address, and, on a server alone, all of many.
func lone(clients []arrivals.Client, mine bool) []arrivals.Client {
	partner := map[netip.Addr]bool{}
	n := 0
	for _, c := range clients {
		for _, f := range c.Findings {
			for _, a := range f.Addrs {
				partner[a] = true
			}
		}
		if c.Has(arrivals.NoKnocks) {
			n++
		}
	}
	return slices.DeleteFunc(clients, func(c arrivals.Client) bool {
		return c.Has(arrivals.NoKnocks) && (partner[c.Addr] || !mine && n > maxLone)
	})
}

// sides tells which capture is the client's and which the server's; nil is none.
func sides(all []*Capture, o Options) (client, server *Capture) {
	if len(all) > 1 {
		return order(all[0], all[1])
	}
	side := o.Side
	if side == "" {
		side = sideOf(all[0])
	}
	if side == Server {
		return nil, all[0]
	}
	return all[0], nil
}

// describe describes a capture.
func (r *Report) describe(c *Capture, side Side) {
	r.Captures = append(r.Captures, CaptureReport{c.Name, side, c.Link, c.Packets, len(synsOf(c))})
	name := string(side) + "'s capture"
	switch {
	case c.Cut != nil:
		r.Notes = append(r.Notes, "the "+name+" was not read to its end: "+c.Cut.Error())
	case c.Packets == 0:
		r.Notes = append(r.Notes, "the "+name+" is empty")
	}
	if c.Other > 0 {
		r.Notes = append(r.Notes, phrase.Plural(c.Other, "packet")+" of the "+name+" could not be read ("+c.Link+")")
	}
}

// track runs a tracker over packets.
func track(ctx context.Context, all []arrivals.Packet, q arrivals.Query, g arrivals.Gate) (clients []arrivals.Client, stats arrivals.Stats, err error) {
	t := arrivals.NewTracker(q, g)
	var last time.Time
	for i, p := range all {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, t.Stats, context.Cause(ctx)
		}
		// Before it is added: it begins another handshake of a source that was quiet.
		if now := seen(p); now.Sub(last) > time.Second {
			clients = append(clients, t.Expire(now)...)
			last = now
		}
		t.Add(p)
	}
	return append(clients, t.Flush()...), t.Stats, nil
}

// maxSolved bounds the clients for whom every range is tried.
const maxSolved = 4

// widen tries every range for clients whose five ports no candidate of the table makes,
// and returns the ranges that do.
func widen(ctx context.Context, clients []arrivals.Client, q arrivals.Query) (also []knock.Range, err error) {
	tried := 0
	for _, c := range clients {
		ports, ok := five(c)
		if !ok || tried >= maxSolved {
			continue
		}
		tried++
		s, err := solve.Solve(ctx, solve.Query{Ports: ports, Secret: q.Secret, Range: q.Range, Hour: knock.HourOf(c.First), Past: q.Reach, Future: q.Reach})
		if err != nil {
			return nil, err
		}
		if len(s.Candidates) == 1 { // several are chance
			also = append(also, s.Candidates[0].Range)
		}
	}
	return also, nil
}

// five returns the first five ports of a client without a candidate.
func five(c arrivals.Client) (ports [knock.Knocks]uint16, ok bool) {
	n := 0
	for i, k := range c.Knocks {
		if again := slices.ContainsFunc(c.Knocks[:i], func(o arrivals.Knock) bool { return o.Port == k.Port }); !again && n < len(ports) {
			ports[n] = k.Port
			n++
		}
	}
	const most = 2 * knock.Knocks // more are a scan
	return ports, c.Candidate == nil && n == len(ports) && c.Ports() <= most
}
