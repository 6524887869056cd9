package diag

import "rapport/knock"

// sshCauses are those of a gate that opens, and of SSH behind it.
func sshCauses() []cause {
	said := func(e *Evidence) Detail { return Detail{Text: e.afterwards().Banner} }
	behind := func(id ID) func(*Evidence) bool {
		return func(e *Evidence) bool { return e.outcome() == sshBehind && e.behindGate(e.Handshake.SSH) == id }
	}
	return []cause{
		{ID: "open", Code: Opens, When: at(opensAtOnce), Likelihood: surely},
		{ID: "already-open", Code: AlreadyOpen, When: at(opensUnknocked), Likelihood: func(e *Evidence) float64 {
			if e.Waited {
				return always
			}
			return usual
		}},
		{ID: "window-left", Code: Opens, When: at(opensUnknocked), Likelihood: surely},
		{ID: "silent-unknocked", Code: SSHSilent, When: at(silentUnknocked), Likelihood: surely},
		{ID: "tarpit", Code: KnocksIntercepted, When: at(silentUnknocked), Likelihood: surely},
		{ID: "not-ssh-unknocked", Code: SSHSilent, When: at(othersUnknocked), Likelihood: surely, Detail: said},
		{ID: "lossy-path", Code: LossyPath, When: at(opensLate), Likelihood: byLuck(always), Detail: func(e *Evidence) Detail {
			return Detail{Loss: lost(e.Handshake.OpenedBy)}
		}},
		{ID: "repeated", Code: LossyPath, When: func(e *Evidence) bool {
			o, ok := e.opened()
			return ok && e.outcome() == candidateOpens && o.Offset == 0 && len(differences(e, o)) == 0
		}, Likelihood: byLuck(always), Detail: func(e *Evidence) Detail { return Detail{Loss: lost(len(e.Handshake.Attempts))} }},
		{ID: "lost-twice", Code: LossyPath, When: func(e *Evidence) bool { return e.outcome() == staysShut && len(e.openedOnce()) > 0 }, Likelihood: surely},
		{ID: "ssh-down", Code: SSHDown, When: behind("ssh-down"), Likelihood: surely},
		{ID: "ssh-refusing", Code: SSHRefusing, When: behind("ssh-refusing"), Likelihood: surely, Detail: said},
		{ID: "refusing-before", Code: SSHRefusing, When: at(refusesBefore), Likelihood: surely, Detail: said},
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
	case e.Handshake != nil:
		return e.Handshake.SSH
	case e.BeforeAgain.State != knock.SSHUnknown:
		return e.BeforeAgain
	}
	return e.Before
}

// behindGate names the cause for an SSH server that does not work behind a gate
// that opened; empty where the gate did not open, or SSH works.
func (e *Evidence) behindGate(s knock.SSH) ID {
	switch before := e.shutState(); s.State {
	case knock.SSHRefusing:
		return "ssh-refusing"
	case knock.SSHSilent:
		return "ssh-silent"
	case knock.SSHNotSSH:
		return "not-ssh"
	case knock.SSHRefused:
		if refused, _ := answered(e.Handshake, knock.Refused); len(refused) > 0 && !e.loopback() {
			return "" // as those are: something limits or rejects
		}
		if before == knock.SSHFiltered || before == knock.SSHUnreachable || e.acceptedKnocks(e.Handshake) == knock.Knocks {
			return "ssh-down"
		}
	}
	return ""
}
