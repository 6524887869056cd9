package knock

import (
	"fmt"
	"time"
)

// DefaultWindow is the article's --seconds 5.
const DefaultWindow = 5 * time.Second

// DefaultGaps returns the gaps between knocks in each attempt of a handshake.
// Knocks go to different ports, so a network card and a server may handle them
// on different cores; a millisecond keeps them in order there and costs four
// of them. The wider gaps are for networks that reorder packets.
func DefaultGaps() []time.Duration {
	return []time.Duration{time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond}
}

const (
	// lookWait is how long an attempt waits for SSH before the next one starts.
	lookWait = time.Second
	// lastWait is the same for the last attempt: a slow path's answer still
	// comes, and so does the answer to the kernel's repeated SYN.
	lastWait = 2 * time.Second
	// lookAgain is when a refused look is repeated: a refusal is definite and
	// quick, so looking again costs one packet, and the gate may have been
	// handling the last knock.
	lookAgain = 25 * time.Millisecond
	// minGap is the shortest gap.
	minGap = time.Millisecond
)

// Plan is what a handshake is going to send, and when.
type Plan struct {
	Attempts []PlannedAttempt
}

// PlannedAttempt is one pass through the sequence.
type PlannedAttempt struct {
	Gap    time.Duration
	Knocks []PlannedKnock
	// Looks are the times of the looks at SSH: the first one is always made,
	// each other only if the one before it was refused.
	Looks []time.Duration
	// Wait is how long after its first look the attempt waits for SSH.
	Wait time.Duration
}

// length is how long the attempt takes until its first look at SSH.
func (a PlannedAttempt) length() time.Duration { return a.Looks[0] }

// length is how long the whole plan takes where SSH stays shut.
func (p Plan) length() (d time.Duration) {
	for _, a := range p.Attempts {
		d += a.length() + a.Wait
	}
	return d
}

// PlannedKnock is one SYN; At counts from the start of the attempt.
type PlannedKnock struct {
	At   time.Duration
	Hour Hour
	Port uint16
}

// NewPlan plans one attempt for each gap. Where there are several sequences,
// their knocks go out interleaved: to the gate of one hour the others are wrong
// ports, which reset nothing. Gaps are kept within a millisecond and a quarter
// of the window, so that every attempt stays well inside the windows.
func NewPlan(sequences []Sequence, gaps []time.Duration, window time.Duration) Plan {
	var p Plan
	for i, gap := range gaps {
		gap = max(min(gap, window/4), minGap)
		a := PlannedAttempt{Gap: gap, Wait: lookWait}
		if i == len(gaps)-1 {
			a.Wait = lastWait
		}
		for k := range Knocks {
			for _, s := range sequences {
				a.Knocks = append(a.Knocks, PlannedKnock{At: time.Duration(k) * gap, Hour: s.hour, Port: s.ports[k]})
			}
		}
		look := Knocks * gap
		a.Looks = []time.Duration{look, look + lookAgain}
		p.Attempts = append(p.Attempts, a)
	}
	return p
}

// maxAttempts bounds how often one handshake is repeated.
const maxAttempts = 20

// Gaps returns the gaps of so many attempts: the default ones, the widest of
// them repeated as needed, or gap for each where it is not zero.
func Gaps(attempts int, gap time.Duration) ([]time.Duration, error) {
	switch {
	case attempts < 1 || attempts > maxAttempts:
		return nil, fmt.Errorf("%d attempts: it takes 1 to %d", attempts, maxAttempts)
	case gap != 0 && gap < minGap || gap > DefaultWindow/4:
		return nil, fmt.Errorf("gap %v: it takes 1ms to %v, well inside the window", gap, DefaultWindow/4)
	}
	gaps := DefaultGaps()
	for len(gaps) < attempts {
		gaps = append(gaps, gaps[len(gaps)-1])
	}
	gaps = gaps[:attempts]
	if gap > 0 {
		for i := range gaps {
			gaps[i] = gap
		}
	}
	return gaps, nil
}
