package gate

import (
	"cmp"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
	"rapport/knock/solve"
)

// endless is a pause that no window lasts: a window that does counts as endless.
const endless = 48 * time.Hour

// measure asks how long the gate's windows are and what its accept rule does.
func (g *Gate) measure() {
	for i := range g.knocks {
		w := g.window(i)
		if w == 0 && i+1 < len(g.knocks) && g.knocks[i] == g.knocks[i+1] {
			w = g.within(i)
		}
		g.Windows = append(g.Windows, w)
	}
	g.Accept, g.Guarded = g.acceptKind(), g.guarded()
}

// maxReplays is how many addresses repeat a handshake before the gate counts as one
// without a replay guard.
const maxReplays = 64

// guarded reports whether the handshake, repeated from one address after the other,
// opens for some of them only.
func (g *Gate) guarded() bool {
	before := g.closed(0)
	m := g.client.machine()
	c := *g.client
	for range maxReplays {
		c.src = c.src.Next()
		for _, k := range g.knocks {
			c.send(m, k)
		}
		if !opensNow(before, c.connect(m, g.port())) {
			return true
		}
	}
	return false
}

// port returns a port that the gate opens.
func (g *Gate) port() int { return cmp.Or(g.SSHPort, sshPort) }

// opensAfter reports whether the handshake opens with a pause behind a knock. Where
// it opens nothing, the next knock is to count.
func (g *Gate) opensAfter(i int, pause time.Duration) bool {
	pauses := make([]time.Duration, len(g.knocks))
	pauses[i] = pause
	if !g.opens {
		m := g.client.after(g.knocks[:i+1], pauses...)
		m.Wait(pause)
		return changes(g.client.send(m, g.knocks[i+1]), g.steps[i+1].List)
	}
	m := g.client.after(g.knocks, pauses...)
	if i == len(g.knocks)-1 {
		m.Wait(pause)
	}
	return opensNow(g.closed(m.Now()), g.client.connect(m, g.port()))
}

// closed returns an attempt without a knock.
func (g *Gate) closed(at time.Duration) attempt {
	m := g.client.machine()
	m.Wait(at)
	return g.client.connect(m, g.port())
}

// window finds the longest pause behind a knock after which the handshake still
// opens, zero for an endless one.
func (g *Gate) window(i int) time.Duration {
	if !g.opensAfter(i, 0) || g.opensAfter(i, endless) {
		return 0
	}
	low, high := time.Duration(0), time.Second
	for high < endless && g.opensAfter(i, high) {
		low, high = high, 2*high
	}
	for high-low > 4*time.Millisecond {
		if mid := (low + high) / 2; g.opensAfter(i, mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low.Round(10 * gap * 2)
}

// acceptKind connects twice: a second connection is refused by an accept rule that
// the first one uses up, and one after the window comes in only if the first one
// extended it.
func (g *Gate) acceptKind() AcceptKind {
	before := g.closed(0)
	m := g.client.after(g.knocks)
	g.client.connect(m, g.port())
	if !opensNow(before, g.client.connect(m, g.port())) {
		return OneShot
	}
	w := g.Windows[len(g.Windows)-1]
	if w == 0 {
		if slices.ContainsFunc(g.acceptChecks(), func(c machine.Check) bool { return c.Mode == "update" }) {
			return Sliding
		}
		return Fixed
	}
	m = g.client.after(g.knocks)
	m.Wait(w * 3 / 4)
	g.client.connect(m, g.port())
	m.Wait(w * 3 / 4)
	if opensNow(before, g.client.connect(m, g.port())) {
		return Sliding
	}
	return Fixed
}

// acceptChecks returns what the rules that let SSH in ask of lists.
func (g *Gate) acceptChecks() (all []machine.Check) {
	m := g.client.after(g.knocks)
	m.Tracing = true
	a := g.client.connect(m, g.port())
	for _, h := range a.Trace {
		if h.Rule != nil && h.Outcome == machine.Yes {
			all = append(all, h.Rule.Checks()...)
		}
	}
	return all
}

// tryOut plays wrong knocks and sweeps through the gate, and records what they do.
// It gives up if the handshake itself opens nothing.
func (g *Gate) tryOut() {
	if !g.works() {
		return
	}
	g.Strict, g.swept = g.strict(), true
	g.passes, g.SweepGuard = g.sweep()
}

// works reports whether SSH is open behind the handshake where all rules of the
// gate's tool count. A text that shows some chains alone is taken for all.
func (g *Gate) works() bool {
	if !g.opens || g.client == nil || g.client.entry != nil && !g.partial() {
		return false
	}
	c := *g.client
	c.skip = nil
	return c.connect(c.after(g.knocks), g.port()).Verdict == machine.Accept
}

// partial reports whether the text shows chains of a firewall without what calls them.
func (g *Gate) partial() bool {
	return g.rules.Partial(g.Family == knock.Family6)
}

// opensTo reports whether SSH opens to a client that sends these knocks.
func (g *Gate) opensTo(knocks []knockAt) bool {
	m := g.client.after(knocks)
	return opensNow(g.closed(0), g.client.connect(m, g.port()))
}

// strict reports whether a wrong or a repeated knock in between breaks the
// handshake.
func (g *Gate) strict() bool {
	own := g.own()
	wrong := []knockAt{{port: g.wrong()}}
	if len(own) > 0 {
		wrong = append(wrong, knockAt{port: own[0] - 1}, knockAt{port: own[len(own)-1] + margin})
	}
	for k := 1; k < len(g.knocks); k++ {
		for _, w := range append(slices.Clone(wrong), g.knocks[k-1]) {
			if !g.opensTo(slices.Insert(slices.Clone(g.knocks), k, w)) {
				return true
			}
		}
	}
	return false
}

// own returns the known ports of all sequences, ascending.
func (g *Gate) own() (all []int) {
	for _, ports := range append(slices.Clone(g.Also), g.Ports) {
		for _, p := range ports {
			if p > 0 {
				all = append(all, int(p))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// wrong returns a port that the gate does not use, in the middle of the widest gap
// between its own.
func (g *Gate) wrong() int {
	own := g.own()
	port, widest := 1, 1
	for i := range own {
		if i > 0 && own[i]-own[i-1] > widest {
			port, widest = (own[i]+own[i-1])/2, own[i]-own[i-1]
		}
	}
	return port
}

const (
	// maxPass bounds the ports of a pass that are played, and maxPlayed the rules
	// that they meet. A longer pass skips some of the wrong ports.
	maxPass, minPass = 1000, 64
	maxPlayed        = 400_000
	// margin is how far outside the gate's own ports a pass begins and ends.
	margin = 100
)

// sweep plays as many passes as there are phases, each within a window, and all of them
// within the hour that the ports last. It returns
// after how many of them the gate opened, 0 for never, and how many wrong ports a
// minute the gate forgives, 0 for any number.
func (g *Gate) sweep() (passes, wrong int) {
	own := g.own()
	first, last := 1, 2*margin
	if len(own) > 0 {
		first, last = max(1, own[0]-margin), min(solve.MaxSize, own[len(own)-1]+margin)
	}
	one := g.client.machine()
	n := min(maxPass, max(minPass, maxPlayed/(1+g.client.send(one, knockAt{port: g.wrong()}).Met)))
	each := 1 + (last-first)/n
	var pass []knockAt
	if len(own) < len(g.knocks) && slices.ContainsFunc(g.knocks, func(k knockAt) bool { return k.port <= 0 }) {
		pass = slices.Clone(g.knocks) // computed: in the worst order for a sweep
		slices.Reverse(pass)
	}
	for p := first; p <= last; p++ {
		if _, isOwn := slices.BinarySearch(own, p); isOwn || (p-first)%each == 0 {
			pass = append(pass, knockAt{port: p})
		}
	}
	pause := min(cmp.Or(g.Window(), knock.DefaultWindow), time.Hour/knock.Knocks) / time.Duration(last-first+len(g.knocks))
	m := g.client.machine()
	before, end := g.closed(0), g.steps[len(g.steps)-1].List
	for k := range g.knocks {
		for _, p := range pass {
			m.Wait(pause - gap)
			if r := g.client.send(m, p); passes == 0 && changes(r, end) && opensNow(before, g.client.connect(m.Clone(), g.port())) {
				passes = k + 1
			}
		}
	}
	if passes > 0 { // what counted packets did not guard, such as a phase that asks for two hits
		return passes, 0
	}
	return 0, m.Exceeded
}

// changes reports whether a packet changed the list.
func changes(r machine.Result, list string) bool {
	return slices.ContainsFunc(r.Changes, func(c machine.Change) bool { return c.List == list })
}
