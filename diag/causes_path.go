package diag

import (
	"slices"
	"time"

	"rapport/diag/answers"
	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/hosts"
)

// Outcome is what a run came to. One that keeps later steps from happening is
// before those.
type Outcome int

// The outcomes.
const (
	NothingTried    Outcome = iota
	NameFails               // the name has no address
	RouteFails              // there is no route to the host
	OpensUnknocked          // SSH is open, a window after the last knock too
	RefusesBefore           // sshd was reached without a knock, and refuses this address
	SilentUnknocked         // SSH's port accepts without a knock, and says nothing
	OthersUnknocked         // another service answers without a knock
	OpensAtOnce             // the handshake opens SSH
	OpensLate               // a repeated one does
	OpensSlowly             // one with wide gaps does, and many others did not
	AddressesDiffer         // packets leave this machine from several addresses
	KnocksAccepted          // knock ports accept connections
	SSHBehind               // the gate opened, and SSH behind it does not work
	KnocksRejected          // something rejects the knocks and nothing else
	CandidateOpens          // another hour, range, secret variant or family opens it
	OpensMoved              // this client's own sequence opens the SSH port of the server's rules
	StaysShut               // nothing opens it
)

// unknocked are the outcomes by what SSH's port answers without a knock.
var unknocked = map[knock.SSHState]Outcome{knock.SSHOpen: OpensUnknocked, knock.SSHRefusing: RefusesBefore,
	knock.SSHSilent: SilentUnknocked, knock.SSHNotSSH: OthersUnknocked}

// AnsweredWithin is the round trip up to which the handshake of a diagnosis sees an answer.
const AnsweredWithin = 1300 * time.Millisecond

// mostServices is how many of the five ports may be those of services.
const mostServices = 2

// accepting is how many knock ports accepted a connection, which a stand-in on
// does too.
func (e *Evidence) accepting() int {
	if e.StandIn {
		return 0
	}
	open, _ := answers.With(e.Handshake, knock.Open)
	return len(open)
}

// Outcome returns what the run came to.
func (e *Evidence) Outcome() Outcome {
	h := e.Handshake
	switch {
	case e.NameError != nil:
		return NameFails
	case e.NoRoute != nil:
		if o, ok := e.opened(); ok && o.family != e.Family() {
			return CandidateOpens
		}
		return RouteFails
	case h == nil && e.Before.State.Connected() && e.BeforeAgain.State == knock.SSHUnknown:
		return unknocked[e.Before.State] // no more was done than that
	case h != nil && h.Opened && (e.withoutKnock() == knock.SSHSilent || e.withoutKnock() == knock.SSHNotSSH):
		return OpensAtOnce // something else accepts, and gives way to what the gate lets through
	case e.OtherOpens():
		return CandidateOpens // whatever is wrong over this family
	case e.BeforeAgain.State == knock.SSHSilent && e.accepting() > mostServices:
		return KnocksAccepted
	case e.withoutKnock().Connected():
		return unknocked[e.withoutKnock()]
	case h == nil || len(answers.Knocks(h)) == 0 && h.SSH.State == knock.SSHUnknown && !h.Opened:
		return NothingTried
	case h.Opened && (h.OpenedBy == 0 || e.StandIn): // nothing is lost there: a program was late
		return OpensAtOnce
	case h.Opened:
		return OpensLate
	case e.Slow != nil && e.Slow.Opened:
		return OpensSlowly
	case len(answers.Sources(h)) > 1:
		return AddressesDiffer
	case e.accepting() > mostServices:
		return KnocksAccepted
	case e.behindGate(h.SSH) != "" || e.SlowReached():
		return SSHBehind
	case e.Blocked():
		if o, _ := e.opened(); o.tried == 0 && !e.unrepeated() { // else a candidate opened it all the same
			return KnocksRejected
		}
	}
	return e.otherwise()
}

// otherwise is the outcome where the handshake opened nothing.
func (e *Evidence) otherwise() Outcome {
	if o, ok := e.opened(); ok {
		switch own := o.Offset == 0 && len(differences(e, o)) == 0; {
		case own && e.behindGate(o.ssh) != "":
			return SSHBehind
		case e.openedOwn() && e.Scan.Endless:
			return OpensUnknocked
		case e.openedOwn() && o.confirmed && time.Duration(o.ssh.RTT) > AnsweredWithin:
			return OpensAtOnce // the handshake did not wait so long
		}
		return CandidateOpens
	}
	switch {
	case e.Claimed != nil && e.Claimed.Opened && e.OtherPort() != 0 && !e.WrongGate() && !e.OtherSecret():
		return OpensMoved
	case e.Scan != nil && e.Scan.Stopped.Reason == scan.NoRoute && !e.AnsweredAtAll():
		return RouteFails
	}
	return StaysShut
}

// at is for [cause.When]: the run came to one of these.
func at(all ...Outcome) func(*Evidence) bool {
	return func(e *Evidence) bool { return slices.Contains(all, e.Outcome()) }
}

// pathCauses are those on the way to the server.
func pathCauses() []cause {
	ports := func(e *Evidence) Detail { return Detail{Ports: e.Egress.Ports, Answer: e.Egress.Answer} }
	return []cause{
		{ID: "dns-failure", Code: DNSFailure, When: at(NameFails), Likelihood: surely},
		{ID: "no-route", Code: HostUnreachable, When: at(RouteFails), Likelihood: func(e *Evidence) float64 {
			if e.OnlySSH {
				return rare
			}
			return always
		}},
		{ID: "ssh-rejected", Code: KnocksBlocked, When: func(e *Evidence) bool { return e.Outcome() == RouteFails && e.OnlySSH }, Likelihood: surely},
		{ID: "intercepted", Code: KnocksIntercepted, When: at(KnocksAccepted), Likelihood: surely, Detail: func(e *Evidence) Detail {
			open, _ := answers.With(e.Handshake, knock.Open)
			return Detail{Ports: open}
		}},
		{ID: "proxied", Code: Unexplained, When: func(e *Evidence) bool { return e.Outcome() == KnocksAccepted && e.AcceptsOthers }, Likelihood: surely},
		{ID: "blocked", Code: KnocksBlocked, When: at(KnocksRejected), Likelihood: surely, Detail: ports},
		{ID: "some-accept", Code: KnocksIntercepted, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && e.accepting() > 0
		}, Likelihood: (*Evidence).neverOpened},
		{ID: "rate-limited", Code: RateLimited, When: at(OpensSlowly), Likelihood: func(e *Evidence) float64 {
			switch {
			case e.Again:
				return always
			case e.OpenBefore:
				return rare // somebody else opens it now and then
			case e.openedToOthers():
				return possible
			}
			return usual // somebody else may have opened it in these seconds
		}, Detail: func(e *Evidence) Detail {
			return Detail{Gap: new(e.Slow.Attempts[0].Gap)}
		}, Change: func(e *Evidence) hosts.Change { return hosts.Change{Gap: time.Duration(e.Slow.Attempts[0].Gap)} }},
		{ID: "limit-unseen", Code: RateLimited, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && !e.rulesProve() && !e.StandIn
		}, Likelihood: func(e *Evidence) float64 {
			if e.unrepeated() && !e.FellSilent() {
				return usual // what opened it and its confirmation used up a limit on SSH
			}
			return e.neverOpened()
		}},
		{ID: "ssh-limited", Code: RateLimited, When: func(e *Evidence) bool { return e.mayBan() && e.Limited != knock.SSHUnknown }, Likelihood: unless(func(e *Evidence) bool {
			return e.mayBeDown() && e.Handshake.SSH.State == knock.SSHRefused // the limit was reached just then
		}, possible)},
		{ID: "banned", Code: Banned, When: func(e *Evidence) bool { return e.mayBan() && !e.ShutOut() }, Likelihood: bannedLikelihood},
		{ID: "path-gone", Code: HostUnreachable, When: func(e *Evidence) bool { return e.Outcome() == StaysShut && !e.rulesProve() && e.allSilent() }, Likelihood: surely},
		{ID: "addresses", Code: AddressChanges, When: at(AddressesDiffer), Likelihood: surely, Detail: func(e *Evidence) Detail { return Detail{Addresses: answers.Sources(e.Handshake)} }},
		{ID: "addresses-unseen", Code: AddressChanges, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && !e.rulesProve() && !e.StandIn && !e.OwnAddr // nothing lies between
		}, Likelihood: func(e *Evidence) float64 {
			if e.unrepeated() && e.Limited == knock.SSHUnknown {
				return usual // by luck, and not again
			}
			return e.neverOpened()
		}},
		{ID: "pool-luck", Code: AddressChanges, When: (*Evidence).openedLate, Likelihood: byLuck(possible)},
		{ID: "dropped", Code: KnocksBlocked, When: func(e *Evidence) bool { return e.Outcome() == StaysShut && e.Egress == nil && !e.rulesProve() }, Likelihood: (*Evidence).onTheWay},
		{ID: "alike", Code: KnocksBlocked, When: func(e *Evidence) bool { return e.Outcome() == StaysShut && e.Egress != nil && !e.rulesProve() }, Likelihood: (*Evidence).onTheWay, Detail: ports},
	}
}

// neverOpened is how probable what was seen is under a cause that keeps the gate
// shut from the beginning: a hit that did not repeat, or a server that falls silent
// in between, is hardly ever seen.
func (e *Evidence) neverOpened() float64 {
	if e.unrepeated() || e.FellSilent() || e.RulesProof() == Confirmed {
		return rare
	}
	return always
}

// onTheWay is neverOpened for a cause on the way: none lies between a machine and itself.
func (e *Evidence) onTheWay() float64 {
	if e.OwnAddr {
		return e.neverOpened() * rare
	}
	return e.neverOpened()
}

// openedToOthers reports whether SSH opened in the scan, and to none of the candidates: then
// somebody else may have opened it again.
func (e *Evidence) openedToOthers() bool {
	return e.Scan != nil && e.Scan.Opened == nil && e.Scan.Connections > 0
}

// FellSilent reports whether the server answers otherwise than at first, without a
// knock.
func (e *Evidence) FellSilent() bool {
	if len(e.Silenced) > 0 || e.ShutOut() || e.Limited != knock.SSHUnknown || e.After.State != knock.SSHUnknown && e.After.State != e.ShutState() && !e.After.State.Connected() {
		return true
	}
	if e.Scan == nil || e.StandIn {
		return false
	}
	why := e.Scan.Stopped.Reason
	return why == scan.Changed || why == scan.Rejected && e.ShutState() != knock.SSHUnreachable
}

// mayBan reports whether what was seen leaves room for a ban of this address.
func (e *Evidence) mayBan() bool {
	return e.Outcome() == StaysShut && !e.rulesProve() && !e.NetworkShut || e.Outcome() == SSHBehind && e.refusedAfter()
}

// allSilent reports whether nothing of the server answers any more that did at first: a path
// that is lost looks like that too.
func (e *Evidence) allSilent() bool {
	if !e.FellSilent() || e.ShutOut() || e.Limited != knock.SSHUnknown || e.After.State.Connected() || len(e.Silenced) < len(e.Answering()) {
		return false
	}
	if e.After.State == knock.SSHUnreachable {
		return e.Cut
	}
	return e.After.State == knock.SSHFiltered && (e.Scan == nil || e.Scan.Stopped.IsZero())
}

// Answering are the sources of the server's clock that answered. Its ICMP says nothing of its
// ports.
func (e *Evidence) Answering() (all []string) {
	for _, r := range e.Clocks().Sources {
		if r.Of == clock.Server && r.Err == nil && r.Name != clock.SourceICMP {
			all = append(all, r.Name)
		}
	}
	return all
}

// bannedLikelihood: a server that still answers as at first has banned nobody.
func bannedLikelihood(e *Evidence) float64 {
	answers := e.After.State == e.ShutState() && (e.After.State == knock.SSHRefused || e.After.State == knock.SSHUnreachable)
	switch {
	case e.Limited != knock.SSHUnknown: // who bans for packets mostly bans from all ports
		return possible
	case e.Cut:
		return possible // who bans hardly says that there is no route
	case e.FellSilent(), len(e.listsText()) > 0: // such a ban may be older than the diagnosis
		return always
	case answers && !e.unrepeated(), e.StandIn:
		return unseen
	case e.unrepeated():
		return rare
	}
	return always
}
