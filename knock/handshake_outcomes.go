package knock

import (
	"context"
	"errors"
	"time"
)

// await takes outcomes until done, the time at or the deadline.
func (h *handshake) await(ctx context.Context, at time.Time, done func() bool) error {
	if at.After(h.deadline) {
		at = h.deadline
	}
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case o := <-h.watch.outcomes:
			h.take(o)
			continue
		default:
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			return nil
		case o := <-h.watch.outcomes:
			h.take(o)
		}
	}
	return nil
}

// take notes one outcome and tells of it.
func (h *handshake) take(o outcome) {
	p, l := o.packet, o.packet.look
	if took := o.at.Sub(p.sent); took < synWatch && (o.answer == Open || o.answer == Refused) { // to the first SYN, not to a repeat
		h.rtt = max(h.rtt, took)
	}
	if l == nil {
		k := &h.report.Attempts[p.attempt].Knocks[p.knock]
		k.Answer = o.answer
		if o.answer != Silent {
			k.RTT = Measure(o.at.Sub(p.sent))
			h.answered = h.answered || p.left()
		}
		h.event(KnockAnswered, p.attempt, p.knock)
		return
	}
	h.noRoute = h.noRoute || o.noRoute && !(l.unsent && h.sent)
	l.take(o, h.start)
	if !l.before && l.conn != nil && !o.greeted && !h.accept(l) {
		return
	}
	if l.conn != nil && !l.judged && !h.ending {
		h.watch.greeting(p, h.deadline.Add(-verdictTime))
	}
	switch {
	case l.before && l.judged:
		h.report.Before.State = l.ssh.State
		h.event(BeforeSeen, 0, 0)
	case !l.before && l == h.best():
		h.settleBefore()
		h.report.SSH = l.ssh
		if l.judged {
			h.event(ProbeAnswered, p.attempt, 0)
		} else {
			h.event(Connected, p.attempt, 0)
		}
	}
}

// synWatch goes on with a connection that was just accepted: all other looks are
// ended, so that sshd sees no more of them than loss forces. Where another one
// is being greeted, or there were enough, it is the new one that ends.
func (h *handshake) accept(l *look) bool {
	h.accepted++
	if h.held != nil || h.accepted > maxConnections || h.ending && h.accepted > 1 {
		l.conn.Close()
		l.conn, l.judged, l.ssh = nil, true, SSH{State: SSHFiltered}
		return false
	}
	h.held = l
	for _, other := range h.after {
		if other != l && other.conn == nil {
			other.packet.expire()
		}
	}
	return true
}

// settleBefore judges the look before the handshake when a later one has been
// answered: it was sent first and has had the longer time.
func (h *handshake) settleBefore() {
	if h.before == nil || h.before.judged || h.before.conn != nil || h.report.Before.State != SSHUnknown {
		return
	}
	h.before.ssh.State, h.report.Before.State = SSHFiltered, SSHFiltered
	h.event(BeforeSeen, 0, 0)
}

// finish ends whatever is under way and settles the report.
func (h *handshake) finish(keep bool) error {
	h.ending = true
	h.watch.end()
	for o := range h.watch.outcomes {
		h.take(o)
	}
	defer h.watch.close()
	won := h.best()
	looks := h.after
	if h.before != nil {
		if h.openBefore() {
			won = h.before
		}
		h.settleBefore()
		if h.before.conn != nil && !h.before.judged {
			h.report.Before.State = SSHSilent
		}
		looks = append(looks, h.before)
	}
	if won != nil {
		h.noRoute = h.noRoute || won.noRoute // the link stayed down
		h.report.SSH, h.report.OpenedBy = won.ssh, won.packet.attempt
		if !won.judged { // connected with the last outcome: nobody waited for its banner
			h.report.SSH.State = SSHSilent
		}
	} else if h.noRoute {
		h.report.SSH.State = SSHUnreachable
	}
	h.report.Opened = h.report.SSH.State == SSHOpen
	var failed error
	for _, l := range looks {
		switch {
		case l.conn == nil:
			failed = errors.Join(failed, l.err)
		case l == won && keep && h.report.Opened:
			h.report.Conn = l.conn
		default:
			l.conn.Close()
		}
	}
	for i := range h.report.Attempts {
		for j := range h.report.Attempts[i].Knocks {
			if k := &h.report.Attempts[i].Knocks[j]; k.Answer == Pending {
				k.Answer = Silent
			}
		}
	}
	h.report.Elapsed = Millis(time.Since(h.start))
	if failed != nil && !h.report.Opened {
		return sendError("connection to the SSH port", failed)
	}
	return nil
}

func (h *handshake) event(kind EventKind, attempt, knock int) {
	if h.on == nil {
		return
	}
	if kind != Finished {
		h.report.Elapsed = Millis(time.Since(h.start))
	}
	h.on(Event{Kind: kind, Attempt: attempt, Knock: knock, Report: h.report.clone()})
}
