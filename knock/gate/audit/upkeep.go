package audit

import (
	"fmt"
	"slices"
	"time"

	"rapport/knock/gate"
	"rapport/knock/netfilter/machine"
)

// hourChange begins a handshake before the hour change and ends it behind it: with the
// rules of the new hour, and with the old ones where no refresh has run.
func hourChange(s *stage) Check {
	next, ok := s.otherSequence(1)
	var refreshed *gate.Gate
	if ok {
		refreshed, ok = s.gate.Refreshed(next, false)
	}
	if ok {
		p := s.play()
		p.Reload(refreshed)
		send(p, s.owner, next)
		ok = p.Opens(s.owner) == machine.Yes
	}
	if !ok {
		return unknown("how a refresh changes these rules does not show in them", "give what iptables-save or nft list ruleset prints on the server")
	}
	p, under := s.across(refreshed)
	send(p, s.owner, next)
	cost := Cost{Packets: len(next), Chance: 1}
	kept, mixes := machine.No, ""
	if both, ok := s.gate.Refreshed(next, true); ok && s.gate.Hourly() {
		_, kept = s.across(both)
		mixes = s.mixes(both, next)
	}
	switch again := p.Opens(s.owner); {
	case under == machine.Yes:
		return Check{Status: OK, Summary: "a handshake under way at the hour change opens SSH", Cost: cost}
	case again == machine.Yes && kept == machine.Yes:
		return Check{Status: OK, Summary: "a handshake under way at the hour change opens SSH during the grace time (--grace) of the script of rapport rules" + mixes, Cost: cost}
	case again != machine.Yes:
		return Check{Status: Fail, Summary: "a handshake under way at the hour change is lost, and the next one too", Fix: "let a first knock begin the handshake anew", Cost: cost}
	}
	return Check{Status: Warn, Summary: "a handshake under way at the hour change is lost, unless the refresh keeps the old ports for a while; the next one opens",
		Fix: "let the refresh accept the last hour's sequence too for a minute, as rapport rules HOST --grace 60 does", Cost: cost}
}

// mixes says how many sequences open a gate that has those of two hours, if knocks of one
// count for the other.
func (s *stage) mixes(both *gate.Gate, next []int) string {
	p := both.Play(s.ctx, s.ListTotal)
	p.Bound(s.work)
	mixed := slices.Clone(s.knocks)
	for i := 0; i < len(mixed); i += 2 {
		mixed[i] = next[i]
	}
	if send(p, s.owner, mixed); p.Opens(s.owner) != machine.Yes {
		return ""
	}
	return fmt.Sprintf(", in which knocks of both hours mix: %d sequences open it", 1<<len(mixed))
}

// across plays the handshake with a refresh in the middle, and reports whether
// SSH is open then.
func (s *stage) across(refreshed *gate.Gate) (*gate.Play, machine.Truth) {
	p := s.play()
	half := (len(s.knocks) + 1) / 2
	send(p, s.owner, s.knocks[:half])
	p.Reload(refreshed)
	send(p, s.owner, s.knocks[half:])
	return p, p.Opens(s.owner)
}

// missedHours is for how long the refresh has not run.
const missedHours = 3

// refreshMissed plays the sequence of three hours later through the rules as they are.
func refreshMissed(s *stage) Check {
	later, ok := s.otherSequence(missedHours)
	if !ok {
		return unknown("the ports of another hour do not show in these rules", "give what iptables-save or nft list ruleset prints on the server")
	}
	if s.opened(later) == machine.Yes {
		return Check{Status: Fail, Summary: "these rules accept the sequence of another hour too", Fix: "let each phase name one port"}
	}
	return Check{Status: Warn, Summary: fmt.Sprintf("when the refresh does not run for %d hours, the old sequence opens SSH and the new one does not", missedHours),
		Fix: "run the refresh every minute, and watch that it does; rapport scan HOST finds the hour from outside", Cost: Cost{Seconds: (missedHours * time.Hour).Seconds()}}
}

// session makes a connection and keeps it for longer than any window.
func session(s *stage) Check {
	p := s.play()
	send(p, s.owner, s.knocks)
	c := p.Connect(s.owner)
	p.Wait(s.longest() + time.Hour)
	return survived(p.Continue(c), "a session goes on when its window is over", "a session freezes when its window is over")
}

// earlierSession continues a session that was made before the rules were loaded.
func earlierSession(s *stage) Check {
	p := s.play()
	c := survived(p.Continue(p.Earlier(s.owner, true)), "a session from before setup goes on", "a session from before setup freezes")
	if c.Status == OK && p.Continue(p.Earlier(s.source(0), false)) == machine.No {
		c.Status = Warn
		c.Summary = "a session from before setup goes on if conntrack knows it; if nothing tracked connections by then, it freezes"
		c.Fix = "load rules for established connections, so that conntrack runs, a while before the gate"
	}
	return c
}

// survived judges what became of a session.
func survived(t machine.Truth, yes, no string) Check {
	switch t {
	case machine.Yes:
		return Check{Status: OK, Summary: yes}
	case machine.Unknown:
		return unknown("whether a session goes on depends on rules that are not shown", "give the whole output of iptables-save and ip6tables-save, or of nft list ruleset")
	}
	return Check{Status: Fail, Summary: no, Fix: "accept established and related connections as the first rule of INPUT", Cost: Cost{Chance: 1}}
}
