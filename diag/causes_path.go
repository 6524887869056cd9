package diag

import (
	"slices"
	"time"

	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/hosts"
)

// outcome is what a run came to. One that keeps later steps from happening is
// before those.
type outcome int

const (
	nothingTried    outcome = iota
	nameFails               // the name has no address
	routeFails              // there is no route to the host
	opensUnknocked          // SSH is open, a window after the last knock too
	refusesBefore           // sshd was reached without a knock, and refuses this address
	silentUnknocked         // SSH's port accepts without a knock, and says nothing
	othersUnknocked         // another service answers without a knock
	opensAtOnce             // the handshake opens SSH
	opensLate               // a repeated one does
	opensSlowly             // one with wide gaps does, and many others did not
	addressesDiffer         // packets leave this machine from several addresses
	knocksAccepted          // knock ports accept connections
	sshBehind               // the gate opened, and SSH behind it does not work
	knocksRejected          // something rejects the knocks and nothing else
	candidateOpens          // another hour, range, secret variant or family opens it
	staysShut               // nothing opens it
)

// mostServices is how many of the five ports may be those of services.
const mostServices = 2

// accepting is how many knock ports accepted a connection, which a stand-in on
// loopback does.
func (e *Evidence) accepting() int {
	if e.loopback() {
		return 0
	}
	open, _ := answered(e.Handshake, knock.Open)
	return len(open)
}

// outcome returns what the run came to.
func (e *Evidence) outcome() outcome {
	h := e.Handshake
	switch {
	case e.NameError != nil:
		return nameFails
	case e.NoRoute != nil:
		if o, ok := e.opened(); ok && o.family != e.family() {
			return candidateOpens
		}
		return routeFails
	case h == nil && e.Before.State == knock.SSHOpen && e.BeforeAgain.State == knock.SSHUnknown:
		return opensUnknocked // no more was done than that
	case h != nil && h.Opened && e.BeforeAgain.State == knock.SSHSilent:
		return opensAtOnce // a proxy accepts, and passes on what the gate lets through
	case e.BeforeAgain.State == knock.SSHSilent && e.accepting() > mostServices:
		return knocksAccepted
	case e.BeforeAgain.State.Connected():
		return map[knock.SSHState]outcome{knock.SSHOpen: opensUnknocked, knock.SSHRefusing: refusesBefore,
			knock.SSHSilent: silentUnknocked, knock.SSHNotSSH: othersUnknocked}[e.BeforeAgain.State]
	case h == nil || len(knocksOf(h)) == 0 && h.SSH.State == knock.SSHUnknown && !h.Opened:
		return nothingTried
	case h.Opened && h.OpenedBy == 0:
		return opensAtOnce
	case h.Opened:
		return opensLate
	case e.Slow != nil && e.Slow.Opened:
		return opensSlowly
	case len(sources(h)) > 1:
		return addressesDiffer
	}
	if e.accepting() > mostServices {
		return knocksAccepted
	}
	if e.behindGate(h.SSH) != "" {
		return sshBehind
	}
	if e.blocked() {
		return knocksRejected
	}
	if _, ok := e.opened(); ok {
		return candidateOpens
	}
	if e.Scan != nil && e.Scan.Stopped.Reason == scan.NoRoute && !e.answeredAtAll() {
		return routeFails
	}
	return staysShut
}

// at is for [cause.When]: the run came to one of these.
func at(all ...outcome) func(*Evidence) bool {
	return func(e *Evidence) bool { return slices.Contains(all, e.outcome()) }
}

// pathCauses are those on the way to the server.
func pathCauses() []cause {
	ports := func(e *Evidence) Detail { return Detail{Ports: e.Egress.Ports, Answer: e.Egress.Answer} }
	return []cause{
		{ID: "dns-failure", Code: DNSFailure, When: at(nameFails), Likelihood: surely},
		{ID: "no-route", Code: HostUnreachable, When: at(routeFails), Likelihood: surely},
		{ID: "intercepted", Code: KnocksIntercepted, When: at(knocksAccepted), Likelihood: surely, Detail: func(e *Evidence) Detail {
			open, _ := answered(e.Handshake, knock.Open)
			return Detail{Ports: open}
		}},
		{ID: "blocked", Code: KnocksBlocked, When: at(knocksRejected), Likelihood: surely, Detail: ports},
		{ID: "some-accept", Code: KnocksIntercepted, When: func(e *Evidence) bool {
			return e.outcome() == staysShut && e.accepting() > 0
		}, Likelihood: (*Evidence).neverOpened},
		{ID: "rate-limited", Code: RateLimited, When: at(opensSlowly), Likelihood: surely, Detail: func(e *Evidence) Detail {
			return Detail{Gap: new(e.Slow.Attempts[0].Gap)}
		}, Change: func(e *Evidence) hosts.Change { return hosts.Change{Gap: time.Duration(e.Slow.Attempts[0].Gap)} }},
		{ID: "banned", Code: Banned, When: func(e *Evidence) bool { return e.outcome() == staysShut && !e.otherSecret() }, Likelihood: bannedLikelihood},
		{ID: "addresses", Code: AddressChanges, When: at(addressesDiffer), Likelihood: surely, Detail: func(e *Evidence) Detail { return Detail{Addresses: sources(e.Handshake)} }},
		{ID: "addresses-unseen", Code: AddressChanges, When: func(e *Evidence) bool { return e.outcome() == staysShut && !e.otherSecret() && !e.loopback() }, Likelihood: func(e *Evidence) float64 {
			if len(e.openedOnce()) > 0 {
				return usual // by luck, and not again
			}
			return e.neverOpened()
		}},
		{ID: "pool-luck", Code: AddressChanges, When: (*Evidence).openedLate, Likelihood: byLuck(possible)},
		{ID: "dropped", Code: KnocksBlocked, When: func(e *Evidence) bool { return e.outcome() == staysShut && e.Egress == nil && !e.otherSecret() }, Likelihood: (*Evidence).neverOpened},
		{ID: "alike", Code: KnocksBlocked, When: func(e *Evidence) bool { return e.outcome() == staysShut && e.Egress != nil && !e.otherSecret() }, Likelihood: (*Evidence).neverOpened, Detail: ports},
	}
}

// neverOpened is how probable what was seen is under a cause that keeps the gate
// shut from the beginning: a hit that did not repeat, or a server that falls silent
// in between, is hardly ever seen.
func (e *Evidence) neverOpened() float64 {
	if len(e.openedOnce()) > 0 || e.fellSilent() {
		return rare
	}
	return always
}

// fellSilent reports whether the server answers otherwise than at first, without a
// knock.
func (e *Evidence) fellSilent() bool {
	if len(e.Silenced) > 0 || e.shutOut() || e.After.State != knock.SSHUnknown && e.After.State != e.shutState() {
		return true
	}
	if e.Scan == nil || e.loopback() {
		return false
	}
	why := e.Scan.Stopped.Reason
	return why == scan.Changed || why == scan.Rejected && e.shutState() != knock.SSHUnreachable
}

// bannedLikelihood: a server that still answers as at first has banned nobody.
func bannedLikelihood(e *Evidence) float64 {
	answers := e.After.State == e.shutState() && (e.After.State == knock.SSHRefused || e.After.State == knock.SSHUnreachable)
	switch {
	case e.fellSilent(), e.shutOut():
		return always
	case answers && len(e.openedOnce()) == 0, e.loopback():
		return unseen
	case len(e.openedOnce()) > 0:
		return rare
	}
	return always
}
