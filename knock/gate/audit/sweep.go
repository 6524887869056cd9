package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
	"rapport/knock/phrase"
)

const (
	// passes is how often a sweep goes over its ports: a sequence in any order opens
	// by then, if the passes fit into the windows.
	passes = knock.Knocks
	// fullSweep is how many ports of a pass are all played. Of more, those near the
	// gate's own are and one in thinned, and the time of the others passes.
	fullSweep = 4000
	thinned   = 64
	near      = 20
)

// sweepRates are the paces of sweeps, in SYNs a second.
var sweepRates = []int{50, 200, 1000, 20000}

// rates returns the paces to play: the usual ones, or that of the request.
func (r *Request) rates(usual ...int) []int {
	if r.Rate > 0 {
		return []int{r.Rate}
	}
	return usual
}

// orders are the orders of the ports in a pass.
var orders = []string{"ascending", "descending", "random"}

// swept is what became of a sweep.
type swept struct {
	opened bool
	syns   int
	after  time.Duration
	rate   int
	order  string
}

// sweep sweeps the range, if it is known, and all ports, in each order and at each
// pace.
func sweep(s *stage) Check {
	if s.computed() {
		return s.sweepComputed()
	}
	all, _ := knock.NewRange(1, 65535)
	over := []knock.Range{all}
	r, known := s.span()
	if known {
		over = []knock.Range{r, all}
	}
	var best *swept
	tried := 0
	for _, r := range over {
		for _, rate := range s.rates(sweepRates...) {
			for _, order := range orders {
				tried++
				if o := s.sweepOver(r, rate, order); o.opened && (best == nil || o.syns < best.syns) {
					best = &o
				}
			}
		}
		if best != nil {
			return Check{Status: Fail, Summary: fmt.Sprintf("a sweep of %v opens SSH without the secret: %s, %d SYNs in %s at %d SYN/s", r, best.order, best.syns, phrase.Seconds(best.after), best.rate),
				Fix: sweepFix, Cost: Cost{best.syns, best.after.Seconds(), 1}}
		}
	}
	where := "all ports"
	if known {
		where = r.String() + " and of all ports"
	}
	pace := ""
	if s.Rate > 0 {
		pace = fmt.Sprintf(" at %d SYN/s", s.Rate)
	}
	c := Check{Status: OK, Summary: fmt.Sprintf("%d sweeps of %s, %d passes each%s, open nothing", tried, where, passes, pace)}
	if s.gate.SweepGuard > 0 {
		c.Cost.Packets, c.Cost.Chance = s.guessing(r)
		c.Cost.Seconds = time.Minute.Seconds()
		c.Summary += fmt.Sprintf("; guesses below the guard open it with chance %.1g a minute", c.Cost.Chance)
	}
	return c
}

// sweepComputed judges a gate whose ports are not known, by what inspect found out
// about wrong ports.
func (s *stage) sweepComputed() Check {
	r, _ := s.span()
	o := s.gate.Sweep(r)
	if o.Guarded {
		return Check{Status: OK, Summary: "a sweep opens nothing, in whatever order the ports are"}
	}
	return Check{Status: Fail, Summary: fmt.Sprintf("a sweep of %v opens SSH without the secret: in at most %d passes, %d SYNs at %d SYN/s", r, o.Passes, o.SYNs, o.Rate),
		Fix: sweepFix, Cost: Cost{o.SYNs, o.Time.Seconds(), 1}}
}

// sweepFix is the fix of a gate that a sweep opens.
const sweepFix = "load the script of rapport rules HOST: its sweep guard ignores an address that hits many wrong ports"

// sweepOver sweeps a range. A wide one is thinned out, which leaves a sweeper better
// off: fewer wrong ports count. If such a sweep gets in and wrong ports do count, more of
// them are played, and all in the end.
func (s *stage) sweepOver(r knock.Range, rate int, order string) swept {
	each := 1
	if r.Size() > fullSweep {
		each = thinned
	}
	each *= max(1, 2*len(orders)*len(sweepRates)*passes*r.Size()/each*s.met/checkWork)
	o := s.sweepPorts(r, rate, order, each)
	for each > 1 && o.opened && s.guarded() {
		each /= min(each, 8)
		o = s.sweepPorts(r, rate, order, each)
	}
	return o
}

// sweepPorts plays the passes of a sweep, of the ports far from the gate's own one in each.
func (s *stage) sweepPorts(r knock.Range, rate int, order string, each int) swept {
	random := rand.New(rand.NewPCG(uint64(r.Size()), uint64(rate)))
	played := map[int]bool{} // in any case
	own := slices.Clone(s.knocks)
	for _, also := range s.gate.Also {
		for _, k := range also {
			own = append(own, int(k))
		}
	}
	around := 0
	if s.guarded() {
		around = near
	}
	for _, k := range own {
		for port := k - around; port <= k+around; port++ {
			played[port] = true
		}
	}
	ports := make([]int, r.Size())
	for i := range ports {
		ports[i] = r.Bottom() + i
	}
	if order == "descending" {
		slices.Reverse(ports)
	}
	p, src := s.play(), s.source(0)
	begin := p.Now() + time.Second
	step := time.Second / time.Duration(rate)
	o := swept{rate: rate, order: order}
	for range passes {
		if order == "random" {
			random.Shuffle(len(ports), func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
		}
		for _, port := range ports {
			o.syns++
			if !played[port] && o.syns%each != 0 {
				continue
			}
			at := begin + time.Duration(o.syns)*step
			if at-begin > time.Hour {
				return o // the ports have changed
			}
			if p.Knock(src, port, at) && p.Opens(src) == machine.Yes {
				o.opened, o.after = true, at-begin
				return o
			}
		}
	}
	return o
}
