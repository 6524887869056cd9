package knock

import (
	"errors"
	"slices"
	"time"
)

// record records one outcome in the report and sends its event.
func (h *handshake) record(o outcome) {
	if o.greeting == nil && (o.answer == Open || o.answer == Refused) && time.Duration(o.rtt()) < synWatch { // else it may answer a repeated SYN
		h.rtt = max(h.rtt, time.Duration(o.rtt()))
	}
	if !o.probe {
		k := &h.report.Attempts[o.attempt].Knocks[o.index]
		k.Answer, k.RTT, k.Rejected = o.answer, o.rtt(), o.from.Unmap()
		h.rejects = h.rejects || o.answer != Silent && o.left()
		h.event(KnockAnswered, o.attempt, o.index)
		return
	}
	// Without a route now, but with one before: the link may come up again.
	h.noRoute = h.noRoute || o.noRoute && (o.left() || !h.engine.left)
	before := o.socket == h.before
	if o.state == stateConnected {
		if !before && o.repeated { // the knocks sent by now have opened
			o.attempt = len(h.report.Attempts) - 1
		}
		if !before && !h.accept(o.socket) {
			return
		}
		h.engine.readBanner(o.socket, h.deadline.Add(-judgeTime))
	}
	switch {
	case before && o.done():
		h.report.Before.State = o.ssh.State
		h.event(BeforeSeen, 0, 0)
	case !before && o.socket == h.best():
		h.settleBefore()
		h.report.SSH = o.ssh
		if o.done() {
			h.event(ProbeAnswered, o.attempt, 0)
		} else {
			h.event(Connected, o.attempt, 0)
		}
	}
}

// accept decides whether the handshake continues with a connection that was just
// made, and then closes all other probes, to spare sshd connections. It closes the new
// one where another banner is being awaited, or where there were enough.
func (h *handshake) accept(s *socket) bool {
	if h.accepted++; h.accepted == 1 { // a banner that comes late is no sign of loss
		h.report.OpenedBy = s.attempt
	}
	if h.greeting != nil || h.accepted > maxConnections || h.engine.ended && h.accepted > 1 {
		s.closeConn()
		s.state, s.conn, s.ssh = stateAnswered, nil, SSH{State: SSHFiltered}
		return false
	}
	h.greeting = s
	for _, other := range h.probes {
		if other.state == stateSent {
			other.expire()
		}
	}
	return true
}

// settleBefore decides that SSH was filtered before the handshake when a later
// probe is answered first.
func (h *handshake) settleBefore() {
	if h.before == nil || h.before.state != stateSent || h.report.Before.State != SSHUnknown {
		return
	}
	h.before.ssh.State, h.report.Before.State = SSHFiltered, SSHFiltered
	h.event(BeforeSeen, 0, 0)
}

// allDone reports whether nothing more is awaited of the probes.
func allDone(probes []*socket) bool {
	return !slices.ContainsFunc(probes, func(s *socket) bool { return !s.done() })
}

// knocked reports whether no further knock is needed.
func (h *handshake) knocked() bool { return h.noRoute || h.greeting != nil || h.greeted() }

// probed reports whether no further probe is needed either: SSH has answered the
// one before the handshake.
func (h *handshake) probed() bool { return h.knocked() || h.openBefore() }

// over reports whether the result is known.
func (h *handshake) over() bool {
	return h.noRoute || h.greeted() || h.openBefore() || h.greeting == nil && h.sshdDown()
}

func (h *handshake) openBefore() bool {
	return h.before.done() && (h.before.ssh.State == SSHOpen || h.before.ssh.State == SSHRefusing)
}

// greeted reports whether a connection has sent its banner, or has ended.
func (h *handshake) greeted() bool {
	return slices.ContainsFunc(h.probes, func(s *socket) bool { return s.state == stateGreeted })
}

// sshdDown reports whether the gate opened and nothing listens behind it: SSH was
// silent before and is refused now. A server that answers knocks rejects what it
// does not want; there the probe before the handshake was lost.
func (h *handshake) sshdDown() bool {
	s := h.best()
	return s != nil && !h.rejects && h.before.ssh.State == SSHFiltered && s.done() && s.ssh.State == SSHRefused
}

// best returns the probe that says the most, of several the newest; nil if none
// was sent.
func (h *handshake) best() (best *socket) {
	for _, s := range h.probes {
		if best == nil || s.weight() >= best.weight() {
			best = s
		}
	}
	return best
}

// weight ranks probes by how much they say: a banner, then a connection, then a
// refusal, then silence.
func (s *socket) weight() int {
	switch {
	case s.state == stateGreeted && s.ssh.State == SSHOpen:
		return 5
	case s.state == stateGreeted && s.ssh.State != SSHSilent:
		return 4
	case s.state == stateConnected:
		return 3
	case s.state == stateGreeted:
		return 2
	case s.done() && s.ssh.State != SSHFiltered:
		return 1
	}
	return 0
}

// finish ends all waits and completes the report. With keep it leaves the
// connection that proved SSH open in the report, and closes the others.
func (h *handshake) finish(keep bool) error {
	h.engine.end()
	won, probes := h.best(), h.probes
	if h.before != nil {
		if h.openBefore() {
			won = h.before
		}
		if h.before.state == stateConnected {
			h.report.Before.State = SSHSilent
		}
		probes = append(probes, h.before)
	}
	if won != nil {
		h.noRoute = h.noRoute || won.state == stateNoRoute // the link stayed down
		if h.report.SSH = won.seen(); h.accepted == 0 {
			h.report.OpenedBy = won.attempt
		}
	} else if h.noRoute {
		h.report.SSH.State = SSHUnreachable
	}
	h.report.Opened, h.report.Accepted = h.report.SSH.State == SSHOpen, h.accepted
	var failed error
	for _, s := range probes {
		if s == won && keep && h.report.Opened {
			h.report.Conn = s.conn
			continue
		}
		failed = errors.Join(failed, s.err)
		s.closeConn()
	}
	h.report.Elapsed = Millis(time.Since(h.engine.start))
	if failed != nil && !h.report.Opened {
		return probeError(h.target.Addr.Port(), failed)
	}
	return nil
}
