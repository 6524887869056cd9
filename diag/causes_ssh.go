package diag

import "rapport/knock"

// sshCauses are those of a gate that opens, and of SSH behind it.
func sshCauses() []cause {
	said := func(e *Evidence) Detail { return Detail{Text: e.afterwards().Banner} }
	behind := func(id ID) func(*Evidence) bool {
		return func(e *Evidence) bool { return e.Outcome() == SSHBehind && e.behindGate(e.Reached()) == id }
	}
	return []cause{
		{ID: "open", Code: Opens, When: at(OpensAtOnce), Likelihood: surely},
		{ID: "already-open", Code: AlreadyOpen, When: at(OpensUnknocked), Likelihood: func(e *Evidence) float64 {
			if e.Waited {
				return always
			}
			return usual
		}},
		{ID: "window-left", Code: Opens, When: at(OpensUnknocked), Likelihood: surely},
		{ID: "silent-unknocked", Code: SSHSilent, When: at(SilentUnknocked), Likelihood: surely},
		{ID: "tarpit", Code: KnocksIntercepted, When: at(SilentUnknocked), Likelihood: surely},
		{ID: "not-ssh-unknocked", Code: SSHSilent, When: at(OthersUnknocked), Likelihood: surely, Detail: said},
		{ID: "lossy-path", Code: LossyPath, When: at(OpensLate), Likelihood: byLuck(always), Detail: func(e *Evidence) Detail {
			return Detail{Loss: lost(e.Handshake.OpenedBy)}
		}},
		{ID: "repeated", Code: LossyPath, When: func(e *Evidence) bool {
			o, ok := e.opened()
			return ok && e.Outcome() == CandidateOpens && o.Offset == 0 && len(differences(e, o)) == 0
		}, Likelihood: byLuck(always), Detail: func(e *Evidence) Detail { return Detail{Loss: lost(len(e.Handshake.Attempts))} }},
		{ID: "lost-twice", Code: LossyPath, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && (len(e.openedOnce()) > 0 || e.unrepeated() && !e.FellSilent())
		}, Likelihood: surely},
		{ID: "ssh-down", Code: SSHDown, When: behind("ssh-down"), Likelihood: func(e *Evidence) float64 {
			if e.refusedAfter() {
				return possible // the window may be longer than known
			}
			return always
		}},
		{ID: "ssh-refusing", Code: SSHRefusing, When: behind("ssh-refusing"), Likelihood: surely, Detail: said},
		{ID: "refusing-before", Code: SSHRefusing, When: at(RefusesBefore), Likelihood: surely, Detail: said},
		{ID: "ssh-silent", Code: SSHSilent, When: behind("ssh-silent"), Likelihood: surely},
		{ID: "not-ssh", Code: SSHSilent, When: behind("not-ssh"), Likelihood: surely, Detail: said},
	}
}

// lost is the estimated share of lost handshakes, where so many had no effect
// before one opened the gate.
func lost(failed int) float64 { return float64(failed) / float64(failed+1) }

// afterwards is what SSH answered last: after the handshake, or without one.
func (e *Evidence) afterwards() knock.SSH {
	switch {
	case e.SlowReached():
		return e.Slow.SSH
	case e.Handshake != nil:
		return e.Handshake.SSH
	case e.BeforeAgain.State != knock.SSHUnknown:
		return e.BeforeAgain
	}
	return e.Before
}

// Reached is what SSH answers behind the gate that opened.
func (e *Evidence) Reached() knock.SSH {
	if o, ok := e.opened(); ok && !e.SlowReached() && e.Handshake != nil && e.behindGate(e.Handshake.SSH) == "" {
		return o.ssh
	}
	return e.afterwards()
}

// SlowReached reports whether SSH accepted after a handshake with wide gaps.
func (e *Evidence) SlowReached() bool {
	return e.Slow != nil && (e.Slow.Opened || e.Slow.SSH.State.Connected())
}

// refusedAfter reports whether SSH was silent at first, and is refused with no knock
// too, after the window of the handshake.
func (e *Evidence) refusedAfter() bool {
	return e.After.State == knock.SSHRefused && e.ShutState() == knock.SSHFiltered
}

// behindGate names the cause for an SSH server that does not work behind a gate
// that opened; empty where the gate did not open, or SSH works.
func (e *Evidence) behindGate(s knock.SSH) ID {
	switch before := e.ShutState(); s.State {
	case knock.SSHRefusing:
		return "ssh-refusing"
	case knock.SSHSilent:
		return "ssh-silent"
	case knock.SSHNotSSH:
		return "not-ssh"
	case knock.SSHRefused:
		if refused, _ := Answered(e.Handshake, knock.Refused); len(refused) > 0 && !e.Loopback() {
			return "" // as those are: something limits or rejects
		}
		if before == knock.SSHFiltered || before == knock.SSHUnreachable || e.AcceptedKnocks(e.Handshake) == knock.Knocks {
			return "ssh-down"
		}
	}
	return ""
}
