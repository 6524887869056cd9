package knock

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// attempt sends one attempt's knocks and probes.
func (h *handshake) attempt(ctx context.Context, i int, a PlannedAttempt) error {
	started := time.Now()
	h.report.Attempts = append(h.report.Attempts, Attempt{Gap: a.Gap, Knocks: make([]SentKnock, 0, len(a.Knocks))})
	h.event(AttemptStarted, i, 0)
	if err := h.sendResets(ctx, i, a.Resets, started); err != nil || h.knocked() {
		return err
	}
	if n := len(a.Resets); n > 0 { // late resets delay the knocks, so that they keep their lead
		started = started.Add(max(0, time.Since(started.Add(time.Duration(a.Resets[n-1].At)))))
	}
	var late time.Duration
	for k, planned := range a.Knocks {
		// As planned, or later where the one before it was late, so that the gap
		// is kept on the wire.
		at := started.Add(time.Duration(planned.At))
		if k > 0 && planned.At > a.Knocks[k-1].At {
			if paced := time.Now().Add(time.Duration(planned.At - a.Knocks[k-1].At)); at.Before(paced) {
				at = paced
			}
		}
		if err := h.await(ctx, at, h.knocked); err != nil || h.knocked() || time.Now().After(h.deadline) {
			return err
		}
		if err := h.knock(i, planned, k >= len(a.Knocks)*(Knocks-1)/Knocks); err != nil {
			return err
		}
		late = max(0, time.Since(started.Add(time.Duration(planned.At))))
	}
	return h.sendProbes(ctx, i, a, started.Add(late))
}

// sendResets sends an attempt's SYNs to a wrong port. Their answers do not matter:
// each socket is closed at once, so that the kernel does not repeat the SYN.
func (h *handshake) sendResets(ctx context.Context, attempt int, resets []PlannedReset, started time.Time) error {
	for _, r := range resets {
		if err := h.await(ctx, started.Add(time.Duration(r.At)), h.knocked); err != nil || h.knocked() {
			return err
		}
		s, err := h.engine.send(socket{port: r.Port, attempt: attempt}, true)
		if err != nil {
			return sendError("a SYN to a wrong port", err)
		}
		s.close()
		h.report.Attempts[attempt].Resets++
	}
	return nil
}

// knock sends one knock; fifth says that it is the last of its sequence.
func (h *handshake) knock(attempt int, k PlannedKnock, fifth bool) error {
	a := &h.report.Attempts[attempt]
	n := len(a.Knocks)
	s, err := h.engine.send(socket{port: k.Port, attempt: attempt, index: n}, false)
	if err != nil {
		return sendError(fmt.Sprintf("knock %d", n+1), err)
	}
	r := SentKnock{Port: k.Port, Sent: Millis(s.sent.Sub(h.engine.start)), Copy: k.Copy, From: s.from}
	if k.Hour != h.report.Hour {
		r.Hour = &k.Hour
	}
	a.Knocks = append(a.Knocks, r)
	if fifth {
		h.report.At = s.sent
	}
	h.engine.watch(s, s.sent.Add(synWatch))
	h.event(KnockSent, attempt, n)
	return nil
}

// sendProbes sends an attempt's probes and waits for their answers.
func (h *handshake) sendProbes(ctx context.Context, attempt int, a PlannedAttempt, started time.Time) error {
	if attempt == 0 {
		if err := h.await(ctx, started.Add(a.length()), h.probed); err != nil || h.probed() {
			return err
		}
		// The banner of the probe before the handshake makes this one unnecessary.
		// But a tarpit may have accepted in place of an SSH that is still shut.
		if h.before.state == stateConnected {
			if err := h.await(ctx, time.Now().Add(beforeWait), h.before.done); err != nil || h.probed() {
				return err
			}
		}
	}
	first := len(h.probes)
	h.wait = time.Duration(a.Wait)
	// A SYN that did not leave is treated as lost: a link that is down may come
	// up again.
	settled := func() bool {
		mine := h.probes[first:]
		return h.probed() || allDone(mine) && !slices.ContainsFunc(mine, func(s *socket) bool { return !s.left() })
	}
	wait := func() error {
		return h.await(ctx, h.probes[len(h.probes)-1].sent.Add(h.wait), settled)
	}
	for _, planned := range a.Probes {
		if planned.IfRefused {
			if err := wait(); err != nil || h.probed() || !settled() {
				return err
			}
		}
		if err := h.await(ctx, started.Add(time.Duration(planned.At)), h.probed); err != nil || h.probed() {
			return err
		}
		s, err := h.probe(attempt, h.probeDeadline(attempt))
		if err != nil {
			return err
		}
		h.probes = append(h.probes, s)
		h.event(ProbeStarted, attempt, 0)
	}
	return wait()
}

// probe sends a SYN to the SSH port, whose answer is awaited until deadline.
func (h *handshake) probe(attempt int, deadline time.Time) (*socket, error) {
	port := h.target.Addr.Port()
	s, err := h.engine.send(socket{port: port, probe: true, attempt: attempt}, false)
	if err != nil {
		return nil, probeError(port, err)
	}
	h.report.From = s.from
	h.engine.watch(s, deadline)
	return s, nil
}

// probeDeadline is until when a probe that is sent now stays open. In the last
// attempt the kernel's repeat of its SYN is one more chance, and in the first it
// shows that the answer takes longer. To a strict gate it is a wrong packet.
func (h *handshake) probeDeadline(attempt int) time.Time {
	switch {
	case attempt == h.last:
		return h.deadline
	case h.target.Strict:
		return time.Now().Add(max(synWatch, h.wait))
	case attempt > 0:
		return time.Now().Add(synWatch)
	}
	return h.deadline
}
