package diag

import (
	"slices"
	"time"

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
	StaysShut               // nothing opens it
)

// unknocked are the outcomes by what SSH's port answers without a knock.
var unknocked = map[knock.SSHState]Outcome{knock.SSHOpen: OpensUnknocked, knock.SSHRefusing: RefusesBefore,
	knock.SSHSilent: SilentUnknocked, knock.SSHNotSSH: OthersUnknocked}

// mostServices is how many of the five ports may be those of services.
const mostServices = 2

// accepting is how many knock ports accepted a connection, which a stand-in on
// Loopback does.
func (e *Evidence) accepting() int {
	if e.Loopback() {
		return 0
	}
	open, _ := Answered(e.Handshake, knock.Open)
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
	case h != nil && h.Opened && e.BeforeAgain.State == knock.SSHSilent:
		return OpensAtOnce // a proxy accepts, and passes on what the gate lets through
	case e.BeforeAgain.State == knock.SSHSilent && e.accepting() > mostServices:
		return KnocksAccepted
	case e.BeforeAgain.State.Connected():
		return unknocked[e.BeforeAgain.State]
	case h == nil || len(Knocks(h)) == 0 && h.SSH.State == knock.SSHUnknown && !h.Opened:
		return NothingTried
	case h.Opened && (h.OpenedBy == 0 || e.Loopback()): // nothing is lost there: a program was late
		return OpensAtOnce
	case h.Opened:
		return OpensLate
	case e.Slow != nil && e.Slow.Opened:
		return OpensSlowly
	case len(Sources(h)) > 1:
		return AddressesDiffer
	}
	if e.accepting() > mostServices {
		return KnocksAccepted
	}
	if e.behindGate(h.SSH) != "" || e.SlowReached() {
		return SSHBehind
	}
	if e.Blocked() {
		return KnocksRejected
	}
	if o, ok := e.opened(); ok {
		if o.Offset == 0 && len(differences(e, o)) == 0 && e.behindGate(o.ssh) != "" {
			return SSHBehind
		}
		return CandidateOpens
	}
	if e.Scan != nil && e.Scan.Stopped.Reason == scan.NoRoute && !e.AnsweredAtAll() {
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
		{ID: "no-route", Code: HostUnreachable, When: at(RouteFails), Likelihood: surely},
		{ID: "intercepted", Code: KnocksIntercepted, When: at(KnocksAccepted), Likelihood: surely, Detail: func(e *Evidence) Detail {
			open, _ := Answered(e.Handshake, knock.Open)
			return Detail{Ports: open}
		}},
		{ID: "proxied", Code: Unexplained, When: func(e *Evidence) bool { return e.Outcome() == KnocksAccepted && e.AcceptsOthers }, Likelihood: surely},
		{ID: "blocked", Code: KnocksBlocked, When: at(KnocksRejected), Likelihood: surely, Detail: ports},
		{ID: "some-accept", Code: KnocksIntercepted, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && e.accepting() > 0
		}, Likelihood: (*Evidence).neverOpened},
		{ID: "rate-limited", Code: RateLimited, When: at(OpensSlowly), Likelihood: func(e *Evidence) float64 {
			switch {
			case e.openedToOthers() && !e.Again:
				return possible
			case !e.Again:
				return usual // somebody else may have opened it in these seconds
			}
			return always
		}, Detail: func(e *Evidence) Detail {
			return Detail{Gap: new(e.Slow.Attempts[0].Gap)}
		}, Change: func(e *Evidence) hosts.Change { return hosts.Change{Gap: time.Duration(e.Slow.Attempts[0].Gap)} }},
		{ID: "limit-unseen", Code: RateLimited, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && !e.OtherSecret() && !e.Loopback()
		}, Likelihood: (*Evidence).neverOpened},
		{ID: "banned", Code: Banned, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && !e.OtherSecret() || e.Outcome() == SSHBehind && e.refusedAfter()
		}, Likelihood: bannedLikelihood},
		{ID: "addresses", Code: AddressChanges, When: at(AddressesDiffer), Likelihood: surely, Detail: func(e *Evidence) Detail { return Detail{Addresses: Sources(e.Handshake)} }},
		{ID: "addresses-unseen", Code: AddressChanges, When: func(e *Evidence) bool { return e.Outcome() == StaysShut && !e.OtherSecret() && !e.Loopback() }, Likelihood: func(e *Evidence) float64 {
			if e.unrepeated() {
				return usual // by luck, and not again
			}
			return e.neverOpened()
		}},
		{ID: "pool-luck", Code: AddressChanges, When: (*Evidence).openedLate, Likelihood: byLuck(possible)},
		{ID: "dropped", Code: KnocksBlocked, When: func(e *Evidence) bool { return e.Outcome() == StaysShut && e.Egress == nil && !e.OtherSecret() }, Likelihood: (*Evidence).neverOpened},
		{ID: "alike", Code: KnocksBlocked, When: func(e *Evidence) bool { return e.Outcome() == StaysShut && e.Egress != nil && !e.OtherSecret() }, Likelihood: (*Evidence).neverOpened, Detail: ports},
	}
}

// neverOpened is how probable what was seen is under a cause that keeps the gate
// shut from the beginning: a hit that did not repeat, or a server that falls silent
// in between, is hardly ever seen.
func (e *Evidence) neverOpened() float64 {
	if e.unrepeated() || e.FellSilent() {
		return rare
	}
	return always
}

// openedToOthers reports whether SSH opened in the scan, and to none of the candidates: then
// somebody else may have opened it again.
func (e *Evidence) openedToOthers() bool {
	return e.Scan != nil && e.Scan.Opened == nil && e.Scan.Connections > 0
}

// FellSilent reports whether the server answers otherwise than at first, without a
// knock.
func (e *Evidence) FellSilent() bool {
	if len(e.Silenced) > 0 || e.shutOut() || e.After.State != knock.SSHUnknown && e.After.State != e.ShutState() && !e.After.State.Connected() {
		return true
	}
	if e.Scan == nil || e.Loopback() {
		return false
	}
	why := e.Scan.Stopped.Reason
	return why == scan.Changed || why == scan.Rejected && e.ShutState() != knock.SSHUnreachable
}

// bannedLikelihood: a server that still answers as at first has banned nobody.
func bannedLikelihood(e *Evidence) float64 {
	answers := e.After.State == e.ShutState() && (e.After.State == knock.SSHRefused || e.After.State == knock.SSHUnreachable)
	switch {
	case e.FellSilent(), e.shutOut():
		return always
	case answers && !e.unrepeated(), e.Loopback():
		return unseen
	case e.unrepeated():
		return rare
	}
	return always
}
