package knock

import (
	"cmp"
	"fmt"
	"time"
)

// DefaultWindow is the article's --seconds 5.
const DefaultWindow = 5 * time.Second

// These numbers were chosen by simulating thousands of handshakes and confirmed on
// real gates behind lossy links; the README names both commands. The reasons:
//
//   - A gate's phases persist: an attempt continues where the previous one stopped,
//     and repeated knocks and wrong ports change nothing. So attempts follow quickly.
//   - Knocks to different ports may be handled on different cores. A gap of a
//     millisecond keeps them in order, which is all that a good network needs.
//   - A second attempt is needed because of loss far more often than because of
//     reordering: 10 ms. Later either is likely: 30 ms is as much as Wi-Fi reorders.
//   - Where others send first knocks by the ten thousand, a gate of iptables keeps a
//     client on its list of 100 for a millisecond or two. So three attempts send
//     all knocks at once.
//   - With two copies of each knock an attempt survives 20 % loss in four of five
//     cases instead of one of three. A third copy helps little.
//   - The probe needs a packet each way and is lost most often: so there are two. The
//     kernel repeats it after a second, which helps only in the last attempt, and in
//     the first, since a round trip may take more than a second.
var (
	firstGap   = time.Millisecond
	secondGap  = 10 * time.Millisecond
	furtherGap = 30 * time.Millisecond
	floodGap   = 0 * time.Millisecond // all at once

	// waits are how long attempts wait for SSH where the round trip is not known. The
	// first covers 200 ms. The others may be shorter, since older probes stay open.
	waits = [...]time.Duration{250 * time.Millisecond, 150 * time.Millisecond, 150 * time.Millisecond,
		200 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond, 800 * time.Millisecond}
)

const (
	// copies is how often each knock is sent from the second attempt on.
	copies = 2
	// lastWait is how long the last attempt waits: long enough for a slow path, and
	// for the answer to the kernel's repeated SYN.
	lastWait = 2 * time.Second
	// probeAgain is when a probe is repeated in the same attempt.
	probeAgain = 30 * time.Millisecond
	// maxFirstWait bounds the first wait where the round trip is known to be long.
	maxFirstWait = 1500 * time.Millisecond
	// minGap is the shortest gap that can be asked for.
	minGap = time.Millisecond
)

// DefaultGaps returns the gaps between knocks in each attempt of a handshake.
func DefaultGaps() []time.Duration { return Target{}.Gaps(len(waits) + 1) }

// Plan is what a handshake sends, and when, as long as SSH stays shut. The
// handshake ends as soon as SSH accepts.
type Plan struct {
	// RTT is the round trip that the plan assumes, zero if none is known.
	RTT      Measure          `json:"rtt_ms"`
	Attempts []PlannedAttempt `json:"attempts"`
}

// PlannedAttempt is one pass through the sequence.
type PlannedAttempt struct {
	At     Millis `json:"at_ms"` // from the start of the handshake, unless an answer comes earlier
	Gap    Millis `json:"gap_ms"`
	Copies int    `json:"copies"` // how often each knock is sent
	// Resets are SYNs to a wrong port, before the knocks, that make a strict gate
	// start over.
	Resets []PlannedReset `json:"resets,omitempty"`
	Knocks []PlannedKnock `json:"knocks"`
	Probes []PlannedProbe `json:"looks"`
	// Wait is how long after its newest probe the attempt waits for SSH.
	Wait Millis `json:"wait_ms"`
	// Pause is how long nothing is sent after that.
	Pause Millis `json:"pause_ms,omitempty"`
	Why   string `json:"why"`
}

// length is how long the attempt takes until its first probe.
func (a PlannedAttempt) length() time.Duration { return time.Duration(a.Probes[0].At) }

// whole is how long the attempt takes where nothing is answered.
func (a PlannedAttempt) whole() (d time.Duration) {
	for _, l := range a.Probes {
		if !l.IfRefused {
			d = time.Duration(l.At)
		}
	}
	return d + time.Duration(a.Wait+a.Pause)
}

// Length is how long the whole plan takes where nothing is answered.
func (p Plan) Length() (d time.Duration) {
	for _, a := range p.Attempts {
		d += a.whole()
	}
	return d
}

// Packets is how many SYNs are sent where nothing is answered: the probe before
// the handshake counts, the kernel's repeats of probes do not.
func (p Plan) Packets() int {
	n := 1
	for _, a := range p.Attempts {
		n += len(a.Resets) + len(a.Knocks)
		for _, l := range a.Probes {
			if !l.IfRefused {
				n++
			}
		}
	}
	return n
}

// PlannedReset is one SYN to a wrong port; At counts from the attempt's start.
type PlannedReset struct {
	At   Millis `json:"at_ms"`
	Port uint16 `json:"port"`
}

// PlannedKnock is one SYN; At counts from the attempt's start.
type PlannedKnock struct {
	At   Millis `json:"at_ms"`
	Hour Hour   `json:"hour"`
	Port uint16 `json:"port"`
	Copy bool   `json:"copy,omitempty"` // the same knock has been sent just before
}

// PlannedProbe is one SYN to the SSH port; At counts from the attempt's start.
type PlannedProbe struct {
	At Millis `json:"at_ms"`
	// IfRefused says that it is sent only if the one before it was refused, perhaps
	// because the gate had not yet handled the last knock.
	IfRefused bool `json:"if_refused,omitempty"`
}

// Facts are what is known of a server, and the path to it, before a handshake.
type Facts struct {
	RTT    time.Duration // the round trip, zero if it was not measured
	Wait   time.Duration // of the last attempt for SSH, zero is two seconds
	Window time.Duration // the server's, zero is DefaultWindow

	Strict     bool   // the gate starts over on a wrong or repeated packet
	Wrong      uint16 // a port that is wrong in every phase, for a strict gate; zero for none
	SweepGuard int    // wrong ports a minute that the gate forgives, zero if not known
}

// NewPlan plans one attempt for each gap, which is limited to a quarter of
// the window. The knocks of several sequences are interleaved: to the gate of one hour
// the others are wrong ports, which reset nothing. A strict gate starts over on them:
// there the attempts alternate between the sequences, and none sends all at once.
func NewPlan(sequences []Sequence, gaps []time.Duration, f Facts) Plan {
	if f.Window <= 0 {
		f.Window = DefaultWindow
	}
	p := Plan{RTT: Measure(f.RTT), Attempts: make([]PlannedAttempt, 0, len(gaps))}
	var at time.Duration
	for i, gap := range gaps {
		if gap = max(min(gap, f.Window/4), 0); f.Strict && gap < minGap {
			gap = furtherGap // a knock out of order is a wrong one
		}
		a := PlannedAttempt{At: Millis(at), Gap: Millis(gap), Copies: 1, Wait: Millis(waitOf(i, len(gaps), f))}
		var probe time.Duration
		if f.Strict {
			probe = a.planStrict(sequences, i, len(gaps), gap, f)
		} else {
			probe = a.plan(sequences, i, len(gaps), gap, f)
		}
		a.Probes = []PlannedProbe{{At: Millis(probe)}, {At: Millis(probe + probeAgain), IfRefused: i == 0}}
		p.Attempts = append(p.Attempts, a)
		at += a.whole()
	}
	return p
}

// plan plans the knocks of attempt i of n, and returns when they end.
func (a *PlannedAttempt) plan(sequences []Sequence, i, n int, gap time.Duration, f Facts) time.Duration {
	if i > 0 {
		a.Copies = copies
	}
	for k := range Knocks {
		for c := range a.Copies {
			sent := time.Duration(k)*gap + time.Duration(c)*gap/time.Duration(a.Copies)
			for _, s := range sequences {
				a.Knocks = append(a.Knocks, PlannedKnock{At: Millis(sent), Hour: s.hour, Port: s.ports[k], Copy: c > 0})
			}
		}
	}
	a.Why = why(i, n, gap, f.RTT)
	return Knocks * gap
}

// waitOf is how long attempt i of n waits for SSH. A known round trip decides
// the first waits; the later ones stay long enough to outlast a short outage.
func waitOf(i, n int, f Facts) time.Duration {
	if i == n-1 {
		return cmp.Or(f.Wait, lastWait)
	}
	rtt := f.RTT
	wait := waits[min(i, len(waits)-1)]
	if rtt <= 0 {
		return wait
	}
	first := min(rtt+rtt/4+probeAgain, maxFirstWait)
	switch {
	case i == 0:
		return first
	case i <= 2:
		return first * 3 / 5
	}
	return max(wait, first*3/5)
}

// why says what an attempt is for.
func why(i, n int, gap, rtt time.Duration) string {
	switch {
	case n == 1:
		return "the only one: each knock once, then waits for a slow answer"
	case i == n-1:
		return "the last one: waits for slow answers and the kernels' own repeats"
	case i == 0 && rtt > 0:
		return "a network without loss: each knock once, then one round trip and a quarter"
	case i == 0:
		return "a network without loss: each knock once, then a round trip of 200 ms and some more"
	case i == 1:
		return "loss: continues from the phase reached, each knock twice, two probes"
	case gap == floodGap:
		return "others flood the gate's list: all knocks at once, before it is full"
	case i == 2:
		return "loss and reordering: gaps wider than Wi-Fi's jitter"
	}
	return "again, after a longer wait: an outage may be over"
}

// maxAttempts is the most attempts that one handshake makes.
const maxAttempts = 20

// Gaps returns one gap for each of 1 to 20 attempts. A gap is 1 ms to a quarter of
// the window; zero means the default gaps, with the widest repeated as needed.
func Gaps(attempts int, gap time.Duration) ([]time.Duration, error) {
	switch {
	case attempts < 1 || attempts > maxAttempts:
		return nil, fmt.Errorf("%d attempts: it takes 1 to %d", attempts, maxAttempts)
	case gap != 0 && gap < minGap || gap > DefaultWindow/4:
		return nil, fmt.Errorf("gap %v: it takes 1ms to %v, well inside the window", gap, DefaultWindow/4)
	}
	return Target{Gap: gap}.Gaps(attempts), nil
}
