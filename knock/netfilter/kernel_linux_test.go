package netfilter_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rapport/knock/knocktest"
	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

var (
	kernelVerdicts = flag.Int("kernel.verdicts", 1000, "compare at least so many verdicts with the kernel's")
	kernelSeed     = flag.Uint64("kernel.seed", 16340706878335482287, "makes the rulesets and packets; 0 is a new one for each run")
	kernelRuleset  = flag.Int("kernel.ruleset", -1, "run only the ruleset with this number")
)

const (
	// margin is how far a packet keeps from the moment at which its verdict changes:
	// the kernel counts some times in jiffies, and a busy machine is late.
	margin = 60 * time.Millisecond
	// packetsPerRuleset is how many packets a ruleset gets.
	packetsPerRuleset = 40
	// sideBySide is how many namespaces there are at a time; they mostly wait.
	sideBySide = 40
)

// firewall is a ruleset as its tools load it, in this order.
type firewall struct {
	loads  []load
	legacy bool // iptables without nft
	v6     bool
}

type load struct{ tool, text string }

// firewall returns a random ruleset: of iptables, of nft, or of both.
func (g *generator) firewall() firewall {
	f := firewall{legacy: g.chance(50), v6: g.v6}
	restore := map[bool]string{false: "iptables", true: "ip6tables"}[g.v6] + map[bool]string{false: "-nft-restore", true: "-legacy-restore"}[f.legacy]
	switch g.IntN(5) {
	case 0, 1:
		f.loads = []load{{restore, g.iptables()}}
	case 2, 3:
		f.loads = []load{{"nft", g.nft("one")}}
		if g.chance(40) {
			f.loads = append(f.loads, load{"nft", g.nft("two")})
		}
	case 4:
		f.loads = []load{{restore, g.iptables()}, {"nft", g.nft("one")}}
		// No text shows when the other backend's tables were made: they count as last.
		if f.legacy || g.chance(50) {
			slices.Reverse(f.loads)
		}
	}
	return f
}

// load loads the ruleset into a network.
func (f firewall) load(n *network) error {
	for _, l := range f.loads {
		var args []string
		if l.tool == "nft" {
			args = []string{"-f", "-"}
		}
		if _, err := n.run(l.text, l.tool, args...); err != nil {
			return err
		}
	}
	return nil
}

// saved returns what the tools print of the ruleset, with counters.
func (f firewall) saved(n *network) (string, error) {
	save := map[bool]string{false: "iptables", true: "ip6tables"}[f.v6] + map[bool]string{false: "-nft-save", true: "-legacy-save"}[f.legacy]
	var all string
	for _, l := range f.loads {
		if l.tool == "nft" {
			continue
		}
		text, err := n.run("", save, "-c")
		if err != nil {
			return "", err
		}
		all += text
	}
	text, err := n.run("", "nft", "list", "ruleset")
	return all + text, err
}

// tally is what a run has compared.
type tally struct{ rulesets, packets, verdicts, accepted, counters, skipped, late atomic.Int64 }

func (c *tally) String() string {
	return fmt.Sprintf("%d rulesets, %d packets, %d verdicts (%d accepted), %d counters compared; %d packets near an edge were not sent, %d rulesets ended late",
		c.rulesets.Load(), c.packets.Load(), c.verdicts.Load(), c.accepted.Load(), c.counters.Load(), c.skipped.Load(), c.late.Load())
}

// Random rulesets decide about random packets as the kernel does, and count the
// same packets.
func TestKernel(t *testing.T) {
	knocktest.Long(t)
	knocktest.Need(t, "iptables-nft-restore", "iptables-legacy-restore", "ip6tables-nft-restore", "ip6tables-legacy-restore", "nft", "ip")
	seed := *kernelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-kernel.seed %d", seed)
	var sum tally
	defer func() { t.Log(sum.String()) }()
	if *kernelRuleset >= 0 {
		if err := compare(seed, *kernelRuleset, &sum); err != nil {
			t.Error(err)
		}
		return
	}
	var next, failed atomic.Int64
	var all sync.WaitGroup
	for range sideBySide {
		all.Go(func() {
			for sum.verdicts.Load() < int64(*kernelVerdicts) && failed.Load() < 5 {
				i := int(next.Add(1) - 1)
				if err := compare(seed, i, &sum); err != nil {
					failed.Add(1)
					t.Errorf("-kernel.seed %d -kernel.ruleset %d\n%v", seed, i, err)
				}
			}
		})
	}
	all.Wait()
}

// compare runs one ruleset.
func compare(seed uint64, number int, sum *tally) error {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, uint64(number)))}
	g.v6 = g.chance(25)
	f := g.firewall()
	return inNetwork(func(n *network) error {
		err := f.load(n)
		if err != nil && strings.Contains(err.Error(), "conflicting protocols") {
			return nil // such as a rule for both TCP and UDP, which nft refuses
		}
		if err != nil {
			return err
		}
		text, err := f.saved(n)
		if err != nil {
			return err
		}
		rules, err := netfilter.Parse([]byte(text))
		if err != nil {
			return err
		}
		if _, err := n.run(accounting, "nft", "-f", "-"); err != nil {
			return err
		}
		r := &run{g: g, n: n, m: rules.NewMachine(), sum: sum}
		if *kernelRuleset >= 0 {
			r.each = func() error {
				now, err := f.saved(n)
				if err != nil {
					return err
				}
				if err := r.counters(rules, now); err != nil {
					return fmt.Errorf("%w\n%s\n%s", err, r.log(), now)
				}
				return nil
			}
		}
		if err := r.play(); err != nil {
			return err
		}
		after, err := f.saved(n)
		if err != nil {
			return err
		}
		sum.rulesets.Add(1)
		if err := errors.Join(r.verdicts(), r.counters(rules, after)); err != nil {
			return fmt.Errorf("%w\n%s\n%s", err, r.log(), text)
		}
		return nil
	})
}

// run is one ruleset under way.
type run struct {
	g     *generator
	n     *network
	m     *machine.Machine
	sum   *tally
	start time.Time
	sent  []delivery
	each  func() error // called after each packet
	stop  bool         // the machine was late once: from here on times are not exact
}

// delivery is a packet that was sent.
type delivery struct {
	packet
	at     time.Duration
	result machine.Result
}

// play sends packets for some seconds, and plays them on the machine.
func (r *run) play() error {
	r.start = time.Now()
	r.m.Tracing = true
	for tries := 0; len(r.sent) < packetsPerRuleset && tries < 2*packetsPerRuleset && !r.stop; tries++ {
		time.Sleep(time.Duration(pick(r.g, 8, 8, 8, 20, 50, 100, 150, 300, 600, 900, 1500)) * time.Millisecond)
		if err := r.one(r.g.packet()); err != nil {
			return err
		}
	}
	return nil
}

// one sends one packet, unless a moment earlier or later it would fare otherwise.
func (r *run) one(p packet) error {
	at := time.Since(r.start)
	now := p.play(r.m.Clone(), at)
	for _, shift := range []time.Duration{-margin, margin} {
		early := r.m.Clone()
		early.CollectEvery += 17 * shift
		if !alike(now, p.play(early, at+shift)) {
			r.sum.skipped.Add(1)
			return nil
		}
	}
	id := len(r.sent) + 1
	deliver := r.n.receive
	if p.sent {
		deliver = r.n.send
	}
	at = time.Since(r.start)
	if err := deliver(p, id); err != nil {
		return err
	}
	if took := time.Since(r.start) - at; took > margin/4 {
		r.sum.late.Add(1)
		r.stop = true
	}
	result := p.play(r.m, at)
	r.sent = append(r.sent, delivery{p, at, result})
	if result.Verdict == machine.Accept {
		p.Packet = result.Packet // behind a redirect
		r.g.through = append(r.g.through, p)
	}
	r.sum.packets.Add(1)
	if r.each != nil {
		return r.each()
	}
	return nil
}

// play plays the packet on a machine.
func (p packet) play(m *machine.Machine, at time.Duration) machine.Result {
	if p.sent {
		return m.Send(p.Packet, at)
	}
	return m.Deliver(p.Packet, at)
}

// alike reports whether two results have the same verdict for the same reasons.
func alike(a, b machine.Result) bool {
	return a.Verdict == b.Verdict && slices.Equal(a.Changes, b.Changes) && slices.EqualFunc(a.Trace, b.Trace, func(x, y machine.Hit) bool {
		return x.Rule == y.Rule && x.Outcome == y.Outcome
	})
}

// verdicts compares which packets got through.
func (r *run) verdicts() error {
	through, err := r.n.through()
	if err != nil {
		return err
	}
	for i, d := range r.sent {
		r.sum.verdicts.Add(1)
		if through[i+1] {
			r.sum.accepted.Add(1)
		}
		if want := d.result.Verdict == machine.Accept; want != through[i+1] || d.result.Verdict == machine.Undecided {
			return fmt.Errorf("packet %d: the machine says %s, the kernel let it through: %v", i+1, d.result.Verdict, through[i+1])
		}
	}
	return nil
}

// counters compares the counters of all rules.
func (r *run) counters(rules *machine.Ruleset, after string) (err error) {
	counted, parseErr := netfilter.Parse([]byte(after))
	if parseErr != nil {
		return parseErr
	}
	for i, table := range rules.Tables {
		for j, chain := range table.Chains {
			for k, rule := range chain.Rules {
				now := counted.Tables[i].Chains[j].Rules[k].Count
				if !now.Known {
					continue
				}
				r.sum.counters.Add(1)
				if got := r.m.Matched(rule); got != now.Packets {
					err = errors.Join(err, fmt.Errorf("the machine matched %d times, the kernel %d: %s %s %s", got, now.Packets, table.Name, chain.Name, rule.Text))
				}
			}
		}
	}
	return err
}

// log returns the packets and the rules that they matched.
func (r *run) log() string {
	var b strings.Builder
	for i, d := range r.sent {
		fmt.Fprintf(&b, "%d. %.3f %v: %s\n", i+1, d.at.Seconds(), d.packet, d.result.Verdict)
		for _, h := range d.result.Trace {
			if h.Rule != nil && h.Outcome == machine.Yes {
				fmt.Fprintf(&b, "\t%s: %s\n", h.Chain.Name, h.Rule.Text)
			}
		}
	}
	return b.String()
}
