package diag

import (
	"slices"

	"rapport/diag/scan"
	"rapport/knock"
)

// outcome is what a run came to. One that keeps later steps from happening is
// before those.
type outcome int

const (
	nothingTried   outcome = iota
	nameFails              // the name has no address
	routeFails             // there is no route to the host
	opensUnknocked         // SSH is open, a window after the last knock too
	refusesBefore          // sshd was reached without a knock, and refuses this address
	opensAtOnce            // the handshake opens SSH
	opensLate              // a repeated one does
	knocksAccepted         // knock ports accept connections
	sshBehind              // the gate opened, and SSH behind it does not work
	knocksRejected         // something rejects the knocks and nothing else
	candidateOpens         // another hour, range, secret variant or family opens it
	staysShut              // nothing opens it
)

// outcome returns what the run came to.
func (e *Evidence) outcome() outcome {
	h := e.Handshake
	switch {
	case e.NameError != nil:
		return nameFails
	case e.NoRoute != nil:
		return routeFails
	case e.BeforeAgain.State == knock.SSHOpen:
		return opensUnknocked
	case h == nil && (e.BeforeAgain.State == knock.SSHRefusing || e.Before.State == knock.SSHRefusing):
		return refusesBefore
	case h == nil:
		return nothingTried
	case h.Opened && h.OpenedBy == 0:
		return opensAtOnce
	case h.Opened:
		return opensLate
	}
	if ports, _ := answered(h, knock.Open); len(ports) > 0 && !e.loopback() {
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
		{ID: "dropped", Code: KnocksBlocked, When: func(e *Evidence) bool { return e.outcome() == staysShut && e.Egress == nil && !e.otherSecret() }, Likelihood: (*Evidence).neverOpened},
		{ID: "alike", Code: KnocksBlocked, When: func(e *Evidence) bool { return e.outcome() == staysShut && e.Egress != nil && !e.otherSecret() }, Likelihood: (*Evidence).neverOpened, Detail: ports},
	}
}

// neverOpened is how probable what was seen is under a cause that keeps the gate
// shut: a hit that did not repeat is hardly ever seen.
func (e *Evidence) neverOpened() float64 {
	if len(e.openedOnce()) > 0 {
		return rare
	}
	return always
}
