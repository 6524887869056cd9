package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/gate/trace"
	"rapport/knock/netfilter/machine"
	"rapport/knock/phrase"
)

// handshake plays the handshake at once.
func handshake(s *stage) Check {
	p := s.gate.Unsure(s.ctx, s.ListTotal)
	send(p, s.owner, s.knocks)
	c := Check{Status: Fail, Summary: "the handshake does not open SSH", Fix: "rapport trace shows the rule that decides about each knock"}
	udp := slices.IndexFunc(s.knocks, func(k int) bool { return s.gate.Proto(slices.Index(s.knocks, k)) == machine.UDP })
	switch opened := p.Opens(s.owner); {
	case opened == machine.Yes && udp >= 0:
		c.Summary = fmt.Sprintf("knock %d is to be UDP, and a client sends TCP SYNs", udp+1)
		c.Fix = "make the rules of the phases match TCP SYNs, or use the client that belongs to them"
	case opened == machine.Yes:
		return Check{Status: OK, Summary: fmt.Sprintf("%s at once open SSH", phrase.Plural(len(s.knocks), "knock")), Cost: Cost{len(s.knocks), float64(len(s.knocks)-1) * pace.Seconds(), 1}}
	case opened == machine.Unknown:
		return unknown("whether the handshake opens SSH depends on rules that are not shown or not modelled", "give the whole output of iptables-save and ip6tables-save, or of nft list ruleset; rapport trace names the rules")
	}
	if t, err := trace.Run(s.Findings, trace.Request{Gap: pace, Family: s.gate.Family, From: s.owner}); err == nil {
		c.Trace = &t
	}
	return c
}

// spread plays the handshake with pauses almost as long as the windows.
func spread(s *stage) Check {
	var pauses []time.Duration
	var all time.Duration
	for i := range len(s.knocks) - 1 {
		pauses = append(pauses, s.window(i)*9/10)
		all += pauses[i]
	}
	cost := Cost{len(s.knocks), all.Seconds(), 1}
	if s.opened(s.knocks, pauses...) == machine.Yes {
		return Check{Status: OK, Summary: fmt.Sprintf("knocks spread over %s open SSH", phrase.Seconds(all)), Cost: cost}
	}
	return Check{Status: Warn, Summary: fmt.Sprintf("knocks spread over %s do not open SSH", phrase.Seconds(all)), Fix: "make each phase last a window from the knock before, not from the first", Cost: cost}
}

// doubled plays the handshake with each knock twice, as a lost answer makes a client
// do.
func doubled(s *stage) Check {
	var twice []int
	for _, k := range s.knocks {
		twice = append(twice, k, k)
	}
	if s.opened(twice) == machine.Yes {
		return Check{Status: OK, Summary: "knocks that arrive twice open SSH", Cost: Cost{len(twice), 0, 1}}
	}
	return Check{Status: Warn, Summary: "knocks that arrive twice do not open SSH: a SYN that is sent again breaks the handshake", Fix: "set strict = true in the hosts entry, or use a sweep guard in place of the strict gate", Cost: Cost{len(twice), 0, 1}}
}

// reordered plays the handshake with two neighbours exchanged, and then again as it is
// to be.
func reordered(s *stage) Check {
	late := 0
	for i := range len(s.knocks) - 1 {
		swapped := slices.Clone(s.knocks)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		if s.holds(swapped) {
			continue
		}
		p := s.play()
		send(p, s.owner, swapped)
		if p.Opens(s.owner) == machine.Yes {
			return Check{Status: Fail, Summary: fmt.Sprintf("knocks %d and %d exchanged open SSH too", i+1, i+2), Fix: "let each phase check the list of the one before", Cost: Cost{len(swapped), 0, 1}}
		}
		if send(p, s.owner, s.knocks); p.Opens(s.owner) != machine.Yes {
			late++
		}
	}
	cost := Cost{Packets: 2 * len(s.knocks), Chance: 1}
	if late > 0 {
		return Check{Status: Warn, Summary: "two knocks that overtake each other lose the handshake, and the next one too", Fix: "let a first knock begin the handshake anew", Cost: cost}
	}
	return Check{Status: OK, Summary: "two knocks that overtake each other lose the handshake; the next one opens", Cost: cost}
}

// partial plays the handshake with one knock left out.
func partial(s *stage) Check {
	if n := len(s.knocks); n < knock.Knocks {
		return Check{Status: Fail, Summary: fmt.Sprintf("SSH opens after %d knocks of %d", n, knock.Knocks), Fix: "make five phases, each of which checks the list of the one before", Cost: Cost{n, 0, 1}}
	}
	for i := range s.knocks {
		if i > 0 && s.knocks[i] == s.knocks[i-1] || i+1 < len(s.knocks) && s.knocks[i] == s.knocks[i+1] {
			continue // one knock may pass both phases of its port
		}
		if s.opened(slices.Delete(slices.Clone(s.knocks), i, i+1)) == machine.Yes {
			return Check{Status: Fail, Summary: fmt.Sprintf("SSH opens without knock %d", i+1), Fix: "let each phase check the list of the one before", Cost: Cost{len(s.knocks) - 1, 0, 1}}
		}
	}
	return Check{Status: OK, Summary: fmt.Sprintf("%d of %d knocks do not open SSH", len(s.knocks)-1, len(s.knocks))}
}

// named names knocks by their places in the handshake: the ports are nobody's business
// who looks on.
func (s *stage) named(knocks []int) string {
	var names []string
	for _, port := range knocks {
		if i := slices.Index(s.knocks, port); i >= 0 {
			names = append(names, strconv.Itoa(i+1))
		} else {
			names = append(names, "a wrong one")
		}
	}
	return strings.Join(names, ", ")
}

// wrongTries is how many sequences are drawn.
const wrongTries = 500

// wrongSequences plays sequences of the gate's own and of other ports, drawn with a
// fixed seed.
func wrongSequences(s *stage) Check {
	random := rand.New(rand.NewPCG(1, 2))
	tries := s.tries(wrongTries, len(s.knocks))
	pool := append(slices.Clone(s.knocks), s.wrong()...)
	for range tries {
		var tried []int
		for range s.knocks {
			tried = append(tried, pool[random.IntN(len(pool))])
		}
		if s.holds(tried) || s.accepts(tried) {
			continue
		}
		if s.opened(tried) == machine.Yes {
			return Check{Status: Fail, Summary: "a wrong sequence opens SSH: of the knocks " + s.named(tried), Fix: "let each phase check the list of the one before", Cost: Cost{len(tried), 0, 1}}
		}
	}
	r, _ := s.span()
	chance := 1.0
	for range s.knocks {
		chance /= float64(r.Size())
	}
	return Check{Status: OK, Summary: fmt.Sprintf("%d wrong sequences do not open SSH", tries), Cost: Cost{len(s.knocks), 0, chance}}
}

// holds reports whether ports hold the sequence in order, where one knock may pass all
// phases of equal ports in a row.
func (s *stage) holds(ports []int) bool {
	left := slices.Compact(slices.Clone(s.knocks))
	for _, p := range ports {
		if len(left) > 0 && p == left[0] {
			left = left[1:]
		}
	}
	return len(left) == 0
}

// accepts reports whether the gate accepts a sequence at the same time, such as that of
// the hour before.
func (s *stage) accepts(ports []int) bool {
	return slices.ContainsFunc(s.gate.Also, func(also []uint16) bool {
		return slices.EqualFunc(also, ports, func(a uint16, b int) bool { return int(a) == b })
	})
}
