package knock_test

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/demo"
)

// network is a network in virtual time; its numbers hold for each direction.
type network struct {
	rtt       time.Duration
	loss      float64
	jitter    time.Duration // at most that much later
	late      float64       // the part of the packets that jitter delays
	duplicate float64
	nth       int // the packet that is lost, from 1; zero for none
}

// Times of the kernels, of sshd and of the client.
const (
	synRepeat = time.Second           // a SYN is repeated each second, a SYN-ACK after 1, 3, 7
	sshdTime  = 10 * time.Millisecond // from a connection to its banner
	synWatch  = 900 * time.Millisecond
	greetWait = 400 * time.Millisecond
	most      = 3 // connections
)

// game plays one handshake in virtual time: a plan, over a network, against the
// phases of the gate, sshd and the kernels on both sides.
type game struct {
	network
	plan knock.Plan
	gate syns
	dice *rand.Rand
	todo todo
	now  time.Duration
	sent int // packets in both directions

	strict bool // the plan is for a strict gate

	attempt int
	epoch   int // actions planned in an earlier one are dropped
	probes  []*flow

	banner      time.Duration // zero if it never came
	syns        int
	connections int // that the client completed
}

// flow is one connection to SSH.
type flow struct {
	asked, established           bool // at the server
	connected, closed, gotBanner bool // at the client
}

var player = netip.MustParseAddr("192.0.2.1")

// syns is a gate in virtual time.
type syns interface {
	knock(port uint16, now time.Time)
	ssh(now time.Time) (accepted bool)
}

// lenient is the article's gate.
type lenient struct{ *demo.Phases }

func (g lenient) knock(port uint16, now time.Time) { g.Knock(player, port, now) }
func (g lenient) ssh(now time.Time) bool           { return g.Open(player, now) }

func play(n network, plan knock.Plan, gate syns, strict bool, dice *rand.Rand) *game {
	g := &game{network: n, plan: plan, dice: dice, gate: gate, strict: strict}
	g.probe(synWatch)
	g.start()
	for len(g.todo) > 0 && g.banner == 0 && g.now < max(knock.DefaultTimeout, plan.Length()+2*time.Second) {
		next := heap.Pop(&g.todo).(step)
		g.now = next.at
		next.do()
	}
	return g
}

func (g *game) after(d time.Duration, do func()) { heap.Push(&g.todo, step{g.now + d, do}) }

// carry takes a packet to the other side, unless it is lost.
func (g *game) carry(arrives func()) {
	if g.sent++; g.sent == g.nth || g.dice.Float64() < g.loss {
		return
	}
	for range 1 + int(g.dice.Float64()+g.duplicate) {
		d := g.rtt / 2
		if g.dice.Float64() < g.late {
			d += time.Duration(g.dice.Float64() * float64(g.jitter))
		}
		g.after(d, arrives)
	}
}

// start begins the next attempt.
func (g *game) start() {
	if g.attempt == len(g.plan.Attempts) {
		return
	}
	a, epoch := g.plan.Attempts[g.attempt], g.epoch
	stay := synWatch
	switch {
	case g.attempt == len(g.plan.Attempts)-1, g.attempt == 0 && !g.strict:
		stay = time.Hour
	case g.strict:
		stay = max(synWatch, time.Duration(a.Wait))
	}
	g.attempt++
	at := func(d time.Duration, do func()) {
		g.after(d, func() {
			if g.epoch == epoch {
				do()
			}
		})
	}
	for _, r := range a.Resets {
		at(time.Duration(r.At), func() {
			g.syns++
			g.carry(func() { g.gate.knock(r.Port, noon.Add(g.now)) })
		})
	}
	for _, k := range a.Knocks {
		at(time.Duration(k.At), func() {
			g.syns++
			g.carry(func() { g.gate.knock(k.Port, noon.Add(g.now)) })
		})
	}
	var last time.Duration
	for _, l := range a.Probes {
		if !l.IfRefused { // this gate drops
			last = time.Duration(l.At)
			at(last, func() { g.probe(stay) })
		}
	}
	at(last+time.Duration(a.Wait+a.Pause), g.start)
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// probe sends a SYN to SSH. The kernel repeats it after a second, if it is still
// open.
func (g *game) probe(stay time.Duration) {
	f := &flow{}
	g.probes = append(g.probes, f)
	var syn func()
	syn = func() {
		if !f.closed && !f.connected {
			g.syns++
			g.carry(func() { g.syn(f) })
			g.after(synRepeat, syn)
		}
	}
	syn()
	g.after(stay, func() { f.closed = f.closed || !f.connected })
}

// syn is a SYN that comes to the server.
func (g *game) syn(f *flow) {
	switch {
	case f.established:
	case f.asked:
		g.carry(func() { g.synACK(f) })
	case g.gate.ssh(noon.Add(g.now)):
		f.asked = true
		g.repeat(synRepeat, func() bool { return f.established || !f.asked }, func() { g.synACK(f) })
	}
}

// repeat sends a packet until done, waiting twice as long each time.
func (g *game) repeat(wait time.Duration, done func() bool, arrives func()) {
	if done() {
		return
	}
	g.carry(arrives)
	g.after(wait, func() { g.repeat(2*wait, done, arrives) })
}

// synACK is a SYN-ACK that comes to the client.
func (g *game) synACK(f *flow) {
	if f.closed { // a RST goes back
		g.carry(func() { f.asked = f.established })
		return
	}
	if !f.connected {
		f.connected = true
		g.connections++
		g.epoch++
		for _, other := range g.probes {
			other.closed = other.closed || !other.connected
		}
		if epoch := g.epoch; g.connections < most {
			g.after(g.rtt+time.Duration(g.connections)*greetWait, func() {
				if g.epoch == epoch {
					g.start()
				}
			})
		}
	}
	g.carry(func() { g.ack(f) })
}

// ack is an ACK that comes to the server: sshd sends its banner.
func (g *game) ack(f *flow) {
	if f.established {
		return
	}
	f.established = true
	const minRTO = 200 * time.Millisecond
	g.after(sshdTime, func() {
		g.repeat(g.rtt+max(2*g.rtt, minRTO), func() bool { return f.gotBanner }, func() {
			if f.gotBanner = true; g.banner == 0 {
				g.banner = g.now
			}
		})
	})
}

// step is something to be done at a time.
type step struct {
	at time.Duration
	do func()
}

// todo is a heap of steps.
type todo []step

func (q todo) Len() int           { return len(q) }
func (q todo) Less(i, j int) bool { return q[i].at < q[j].at }
func (q todo) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *todo) Push(x any)        { *q = append(*q, x.(step)) }
func (q *todo) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func dice() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// score is the result of many games.
type score struct {
	in2, in5    float64 // the part that opened within that many seconds
	median      time.Duration
	syns        float64
	connections int // the most of any game
}

// games plays a plan runs times over a network.
func games(runs int, n network, plan knock.Plan, seq knock.Sequence) score {
	return gamesAt(runs, n, plan, false, func() syns { return lenient{demo.NewPhases(seq, knock.DefaultWindow)} })
}

// gamesAt plays a plan runs times, each time against a new gate.
func gamesAt(runs int, n network, plan knock.Plan, strict bool, newGate func() syns) (s score) {
	dice := dice()
	var all []time.Duration
	for range runs {
		g := play(n, plan, newGate(), strict, dice)
		if g.banner == 0 {
			g.banner = time.Hour
		}
		all = append(all, g.banner)
		s.syns += float64(g.syns) / float64(runs)
		s.connections = max(s.connections, g.connections)
	}
	slices.Sort(all)
	within := func(d time.Duration) float64 {
		n, _ := slices.BinarySearch(all, d+1)
		return float64(n) / float64(runs)
	}
	s.in2, s.in5, s.median = within(2*time.Second), within(5*time.Second), all[runs/2]
	return s
}
