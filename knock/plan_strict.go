package knock

import (
	"slices"
	"time"
)

// A gate that starts over on a wrong or repeated packet needs another plan:
//
//   - A copy of a knock, a knock of another hour, a probe among the knocks and a SYN
//     that the kernel repeats are all wrong packets. So an attempt sends one hour's
//     five knocks, each once; near the hour change the attempts alternate.
//   - The client does not know in which phase the last attempt left it. On some
//     gates the first knock always starts over. On others a wrong packet, such as
//     the first knock after a lost one, only removes the client from its newest
//     phase. As many wrong SYNs as there are phases clear any such state. They go to
//     a port of the range, because some gates watch no other, and precede the first
//     knock by as much as Wi-Fi reorders.
//   - After that every attempt is as good as the first one, so the next may begin
//     as soon as an answer is overdue; an answer that comes later still counts.
//   - Time clears the rest, on gates whose phases expire: before the last round
//     nothing is sent for longer than the window.
const (
	// clearLead is how long the wrong SYNs precede the first knock.
	clearLead = 30 * time.Millisecond
	// pauseExtra is what the pause adds to the window: netfilter's recent match
	// counts from second to second.
	pauseExtra = time.Second
	// maxPause bounds the pause, since a user is waiting.
	maxPause = 11 * time.Second
)

// planStrict plans the knocks of attempt i of n against a gate that starts over, and
// returns when they end.
func (a *PlannedAttempt) planStrict(sequences []Sequence, i, n int, gap time.Duration, f Facts) time.Duration {
	first := max(gap, clearLead) // after the last probe, of before the handshake or of the last attempt
	if f.clears(i) {
		for n := range time.Duration(Knocks) {
			a.Resets = append(a.Resets, PlannedReset{At: Millis(n * gap), Port: f.Wrong})
		}
		first += (Knocks - 1) * gap
	}
	s := sequences[i%len(sequences)]
	for k, port := range s.ports {
		a.Knocks = append(a.Knocks, PlannedKnock{At: Millis(first + time.Duration(k)*gap), Hour: s.hour, Port: port})
	}
	if last := lastRound(n, len(sequences)); i+1 == last && last < n {
		a.Pause = Millis(min(f.Window+pauseExtra, maxPause))
	}
	a.Why = whyStrict(i, n, len(sequences))
	return first + Knocks*gap
}

// lastRound is the attempt of n that begins after the pause; one attempt for each
// hour is left then. It is n, no pause, where an hour would not have had two
// attempts before it.
func lastRound(n, hours int) int {
	if last := n - hours; last >= 2*hours {
		return last
	}
	return n
}

// clears reports whether attempt i sends wrong SYNs: a wrong port is known, and
// the sweep guard, if there is one, forgives that many.
func (f Facts) clears(i int) bool {
	return f.Wrong != 0 && (f.SweepGuard == 0 || (i+1)*Knocks <= f.SweepGuard)
}

// whyStrict says what an attempt is for.
func whyStrict(i, n, hours int) string {
	const once = "a strict gate: wrong SYNs end what an earlier handshake left, then one hour's knocks, each once"
	switch {
	case n == 1:
		return once + "; the only one: waits for a slow answer"
	case i == 0:
		return once
	case i == lastRound(n, hours):
		return "after a pause that is long enough for the gate's phases to expire"
	case i == n-1:
		return "the last one: waits for slow answers and the kernels' own repeats"
	case hours > 1 && i == 1:
		return "the other hour: its knocks must not mix with the first one's"
	case i < hours*2:
		return "loss: starts over, since this gate forgets a failed attempt"
	case i < hours*3:
		return "loss and reordering: starts over, with gaps wider than Wi-Fi's jitter"
	}
	return "starts over again, after a longer wait: an outage may be over"
}

// wrongPort returns a port of the range that none of the sequences has, zero
// where there is none.
func (t Target) wrongPort(sequences []Sequence) uint16 {
	for port := t.Range.Bottom(); port <= t.Range.Top(); port++ {
		used := func(s Sequence) bool { return slices.Contains(s.ports[:], uint16(port)) }
		if port != int(t.Addr.Port()) && !slices.ContainsFunc(sequences, used) {
			return uint16(port)
		}
	}
	return 0
}
