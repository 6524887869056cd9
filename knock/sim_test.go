package knock_test

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
)

// network is what packets go through, each way by itself.
type network struct {
	rtt       time.Duration
	loss      float64
	jitter    time.Duration // up to so much later
	late      float64       // the part of the packets that jitter meets
	duplicate float64
}

const (
	sshdTime  = 10 * time.Millisecond // from a connection to its banner
	synRepeat = time.Second           // a kernel repeats a SYN, and a SYN-ACK
	greetWait = 400 * time.Millisecond
	most      = 3 // connections
)

// game plays one handshake in virtual time: a plan, against the phases of the
// gate, over a network, with what the kernels on both sides do by themselves.
type game struct {
	network
	plan  knock.Plan
	dice  *rand.Rand
	now   time.Duration
	todo  todo
	gate  *gate.Phases
	looks []*flow

	attempt, epoch int
	done           bool
	banner         time.Duration // zero for never
	packets        int
	accepted       int // connections that the client completed
}

// flow is one connection to SSH.
type flow struct {
	asked, established, spoke bool // at the server
	connected, closed, heard  bool // at the client
}

type event struct {
	at time.Duration
	do func()
}

type todo []event

func (q todo) Len() int           { return len(q) }
func (q todo) Less(i, j int) bool { return q[i].at < q[j].at }
func (q todo) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *todo) Push(x any)        { *q = append(*q, x.(event)) }
func (q *todo) Pop() any {
	e := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return e
}

func (g *game) after(d time.Duration, do func()) { heap.Push(&g.todo, event{g.now + d, do}) }

// carry takes a packet to the other side, if it comes there.
func (g *game) carry(arrive func()) {
	lost, twice := g.dice.Float64() < g.loss, g.dice.Float64() < g.duplicate
	n := 1
	if twice {
		n = 2
	}
	for range n {
		d := g.rtt / 2
		if g.dice.Float64() < g.late {
			d += time.Duration(g.dice.Float64() * float64(g.jitter))
		}
		if !lost {
			g.after(d, arrive)
		}
	}
}

var (
	simAddr  = netip.MustParseAddr("192.0.2.1")
	simEpoch = at
)

func play(n network, plan knock.Plan, seq knock.Sequence, dice *rand.Rand) *game {
	g := &game{network: n, plan: plan, dice: dice, gate: gate.NewPhases(seq, knock.DefaultWindow)}
	g.look(900 * time.Millisecond)
	g.start()
	for len(g.todo) > 0 && !g.done && g.now < 10*time.Second {
		e := heap.Pop(&g.todo).(event)
		g.now = e.at
		e.do()
	}
	return g
}

// start begins the next attempt.
func (g *game) start() {
	if g.attempt == len(g.plan.Attempts) {
		return
	}
	a := g.plan.Attempts[g.attempt]
	g.attempt++
	epoch := g.epoch
	guard := func(do func()) func() {
		return func() {
			if g.epoch == epoch {
				do()
			}
		}
	}
	for _, k := range a.Knocks {
		g.after(time.Duration(k.At), guard(func() {
			g.packets++
			g.carry(func() { g.gate.Knock(simAddr, k.Port, simEpoch.Add(g.now)) })
		}))
	}
	var last time.Duration
	for _, l := range a.Looks {
		if !l.IfRefused { // this gate drops
			last = time.Duration(l.At)
			g.after(last, guard(func() { g.look(0) }))
		}
	}
	g.after(last+time.Duration(a.Wait), guard(g.start))
}

// look sends a SYN to SSH, and the kernel repeats it.
func (g *game) look(hold time.Duration) {
	f := &flow{}
	g.looks = append(g.looks, f)
	var syn func(n int)
	syn = func(n int) {
		if f.closed || f.connected {
			return
		}
		g.packets++
		g.carry(func() { g.syn(f) })
		if n < 5 {
			g.after(synRepeat, func() { syn(n + 1) })
		}
	}
	syn(0)
	if hold > 0 {
		g.after(hold, func() { f.closed = f.closed || !f.connected })
	}
}

// syn is a SYN at the server.
func (g *game) syn(f *flow) {
	if f.established {
		return
	}
	if f.asked {
		g.carry(func() { g.synACK(f) })
		return
	}
	if !g.gate.Open(simAddr, simEpoch.Add(g.now)) {
		return
	}
	f.asked = true
	var answer func(wait time.Duration)
	answer = func(wait time.Duration) {
		if f.established || !f.asked {
			return
		}
		g.carry(func() { g.synACK(f) })
		g.after(wait, func() { answer(2 * wait) })
	}
	answer(synRepeat)
}

// synACK is a SYN-ACK at the client.
func (g *game) synACK(f *flow) {
	if f.closed {
		g.carry(func() { f.asked = f.established })
		return
	}
	if !f.connected {
		f.connected = true
		g.accepted++
		g.epoch++
		epoch := g.epoch
		for _, other := range g.looks {
			if other != f && !other.connected {
				other.closed = true
			}
		}
		if g.accepted < most {
			g.after(g.rtt+time.Duration(g.accepted)*greetWait, func() {
				if g.epoch == epoch {
					g.start()
				}
			})
		}
	}
	g.carry(func() { g.ack(f) })
}

// ack is the ACK of a SYN-ACK at the server.
func (g *game) ack(f *flow) {
	if f.established {
		return
	}
	f.established = true
	var say func(rto time.Duration)
	say = func(rto time.Duration) {
		if f.heard {
			return
		}
		g.carry(func() {
			if !f.heard {
				f.heard, g.done, g.banner = true, true, g.now
			}
		})
		g.after(rto, func() { say(2 * rto) })
	}
	g.after(sshdTime, func() { say(g.rtt + max(2*g.rtt, 200*time.Millisecond)) })
}

type row struct {
	in2, in5, median, p95, worst float64
	packets                      float64
	conns                        float64
}

func playRow(n network, plan knock.Plan, seq knock.Sequence, runs int) row {
	dice := rand.New(rand.NewPCG(1, 2))
	var r row
	var times []float64
	for range runs {
		g := play(n, plan, seq, dice)
		b := g.banner
		if b == 0 {
			b = time.Hour
		}
		if b <= 2*time.Second {
			r.in2++
		}
		if b <= 5*time.Second {
			r.in5++
		}
		times = append(times, b.Seconds()*1000)
		r.packets += float64(g.packets)
		r.conns = max(r.conns, float64(g.accepted))
	}
	slices.Sort(times)
	r.in2 *= 100 / float64(runs)
	r.in5 *= 100 / float64(runs)
	r.median, r.p95, r.worst = times[runs/2], times[runs*95/100], times[runs-1]
	r.packets /= float64(runs)
	return r
}
