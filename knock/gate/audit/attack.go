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

// replay repeats the owner's handshake from another address, as an eavesdropper can
// until the hour ends.
func replay(s *stage) Check {
	p := s.play()
	send(p, s.owner, s.knocks)
	p.Connect(s.owner)
	p.Wait(s.longest() + time.Minute)
	send(p, s.source(0), s.knocks)
	if p.Opens(s.source(0)) != machine.Yes {
		return Check{Status: OK, Summary: "the owner's handshake does not open SSH to another address that repeats it", Cost: Cost{Packets: len(s.knocks)}}
	}
	c := Check{Status: Fail, Summary: "an eavesdropper who repeats the owner's handshake gets in until the hour ends",
		Fix: "use rapport rules HOST --replay-guard, which lets one address open the gate in an hour", Cost: Cost{len(s.knocks), 0, 1}}
	if s.guarded() {
		// Rules that keep out who guesses have left this open by choice: the guard
		// costs a client that changes its address. Others have nothing at all.
		c.Status = Warn
	}
	return c
}

// floodSizes are how many first knocks are tried where no list or set has a size.
var floodSizes = []int{50, 1000, 10000}

// maxFlood bounds the packets of a flood: a set that holds more counts as endless.
const maxFlood = 70000

// flood lets other addresses send first knocks before each knock of the owner, for
// which they must know the first port.
func flood(s *stage) Check {
	sizes := slices.Clone(floodSizes)
	size, nft := s.gate.SetSize()
	switch {
	case !nft:
		total := s.ListTotal
		if total == 0 {
			total = usualListTotal
		}
		sizes = append(sizes, total-1, total)
	case size > 0 && size < maxFlood:
		sizes = append(sizes, size+16)
	}
	slices.Sort(sizes)
	rate, most := s.rates(usualFlood)[0], s.tries(maxFlood, 1)
	if sizes = slices.DeleteFunc(sizes, func(n int) bool { return n > most }); len(sizes) == 0 {
		sizes = []int{most}
	}
	most = sizes[len(sizes)-1]
	if s.survives(most) {
		return Check{Status: OK, Summary: fmt.Sprintf("first knocks of %d other addresses do not push the owner out", most), Cost: Cost{Packets: most, Seconds: float64(most) / float64(rate)}}
	}
	for _, n := range sizes {
		if n < most && s.survives(n) {
			continue
		}
		took := time.Duration(n) * time.Second / time.Duration(rate)
		c := Check{Status: Warn, Summary: fmt.Sprintf("first knocks of %d addresses between the owner's first two push it off the list: at %d SYN/s where these are %s apart", n, rate, apart(took)),
			Fix: "options xt_recent ip_list_tot=10000 in /etc/modprobe.d/, then reload the module", Cost: Cost{n, took.Seconds(), 1}}
		if nft {
			c.Summary = fmt.Sprintf("first knocks of %d addresses fill the set, and the owner's is not recorded: at %d SYN/s for as long as they go on", n, rate)
			c.Fix = "give the sets a size of 65535, and a rule for the knock that does not fit: rapport rules HOST --format nft does"
		}
		return c
	}
	return Check{}
}

// apart returns a time between two knocks in words.
func apart(d time.Duration) string {
	if d < time.Second {
		return phrase.Millis(d)
	}
	return phrase.Seconds(d)
}

const (
	// usualListTotal is xt_recent's ip_list_tot where nobody sets it.
	usualListTotal = 100
	// usualFlood is the pace of a flood, in SYNs a second.
	usualFlood = 20000
)

// survives reports whether the owner's handshake opens when n other addresses send the
// first knock before the owner's first (nft), or between the owner's first two.
func (s *stage) survives(n int) bool {
	p := s.play()
	each := s.window(0) / 4 / time.Duration(n)
	others := func() {
		for i := range n {
			p.Knock(s.source(i), s.knocks[0], p.Now()+each)
		}
	}
	if _, nft := s.gate.SetSize(); nft {
		others() // a full set refuses who comes; a list drops who was first
		send(p, s.owner, s.knocks)
	} else {
		send(p, s.owner, s.knocks[:1])
		others()
		send(p, s.owner, s.knocks[1:])
	}
	return p.Connect(s.owner).Opened == machine.Yes
}

const (
	// maxSpoofed bounds the wrong SYNs that are tried, and maxLock the time that a
	// lock is waited for.
	maxSpoofed = 2000
	maxLock    = 48 * time.Hour
)

// spoofed sends wrong SYNs that seem to come from the owner, and then the owner's handshake.
func spoofed(s *stage) Check {
	most := s.tries(maxSpoofed, len(s.wrong()))
	for _, port := range s.wrong() {
		locked := func(n int) bool { return s.afterWrong(port, n, 0) != machine.Yes }
		if !locked(most) {
			continue
		}
		n := bisect(0, most, locked)
		lasts := func(ms int) bool {
			return s.afterWrong(port, n, time.Duration(ms)*time.Millisecond) == machine.Yes
		}
		if !lasts(int(maxLock.Milliseconds())) {
			return Check{Status: Fail, Summary: fmt.Sprintf("%s from the owner's address lock it out for good", phrase.Plural(n, "wrong SYN")), Fix: "let the list of ignored addresses forget: --seconds 60, or a timeout", Cost: Cost{n, maxLock.Seconds(), 1}}
		}
		wait := time.Duration(bisect(0, int(maxLock.Milliseconds()), lasts)) * time.Millisecond
		return Check{Status: Warn, Summary: fmt.Sprintf("%s that seem to come from the owner lock that address out for %s", phrase.Plural(n, "wrong SYN"), phrase.Seconds(wait)),
			Fix: "the price of a guard; another address of the owner is not locked out", Cost: Cost{n, wait.Seconds(), 1}}
	}
	return Check{Status: OK, Summary: fmt.Sprintf("%d wrong SYNs that seem to come from the owner lock nobody out", most), Cost: Cost{Packets: most}}
}

// afterWrong sends n wrong SYNs from the owner's address, waits, and reports whether
// the owner's handshake opens.
func (s *stage) afterWrong(port, n int, wait time.Duration) machine.Truth {
	p := s.play()
	for range n {
		p.Knock(s.owner, port, p.Now()+pace)
	}
	p.Wait(wait)
	send(p, s.owner, s.knocks)
	return p.Opens(s.owner)
}

// bisect returns the smallest number above low for which yes holds, given that it does
// for high.
func bisect(low, high int, yes func(int) bool) int {
	for high-low > 1 {
		if mid := (low + high) / 2; yes(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// counted is how many ports of a range are tried to learn how many of them count as
// wrong.
const counted = 500

// guessing returns how many random ports of a range an address can hit in a minute
// before the sweep guard ignores it, and the chance that five of them are the
// sequence: any five in order may be.
func (s *stage) guessing(r knock.Range) (perMinute int, chance float64) {
	random := rand.New(rand.NewPCG(3, 4))
	wrong := 1
	tried := s.tries(counted, s.gate.SweepGuard+len(s.knocks)+1)
	for range tried {
		if s.afterWrong(r.Bottom()+random.IntN(r.Size()), s.gate.SweepGuard+1, 0) != machine.Yes {
			wrong++
		}
	}
	// The ports of the sequence itself are not wrong, however few are forgiven.
	perMinute, chance = s.gate.SweepGuard*tried/min(wrong, tried)+len(s.knocks), 1
	for i := range s.knocks {
		chance *= max(0, float64(perMinute-i)) / float64(i+1) / float64(r.Size())
	}
	return perMinute, min(1, chance)
}
