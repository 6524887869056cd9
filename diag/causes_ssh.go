package diag

import (
	"time"

	"rapport/diag/answers"
	"rapport/diag/scan"
	"rapport/knock"
)

// sshCauses are those of a gate that opens, and of SSH behind it.
func sshCauses() []cause {
	said := func(e *Evidence) Detail { return Detail{Text: e.afterwards().Banner} }
	behind := func(id ID) func(*Evidence) bool {
		return func(e *Evidence) bool { return e.Outcome() == SSHBehind && e.behindGate(e.Reached()) == id }
	}
	acceptedOnce := func(e *Evidence) bool { return e.AcceptedOnce && !e.Reached().Closed }
	return []cause{
		{ID: "open", Code: Opens, When: at(OpensAtOnce), Likelihood: unless(func(e *Evidence) bool { return e.Varies.Closed }, possible)},
		{ID: "ssh-limits", Code: SSHRefusing, When: func(e *Evidence) bool { return e.Outcome() == OpensAtOnce && e.Varies.Closed }, Likelihood: surely},
		{ID: "already-open", Code: AlreadyOpen, When: at(OpensUnknocked), Likelihood: alreadyOpen},
		{ID: "window-left", Code: Opens, When: func(e *Evidence) bool { return e.Outcome() == OpensUnknocked && !e.opensBefore() }, Likelihood: windowLeft},
		{ID: "window-long", Code: Opens, When: func(e *Evidence) bool { return e.Outcome() == OpensUnknocked && e.opensBefore() }, Likelihood: unless(func(e *Evidence) bool {
			return e.seemsShut() && !e.shutLater() // most windows are not so long
		}, usual)},
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
			return e.Outcome() == StaysShut && e.Limited == knock.SSHUnknown && (len(e.openedOnce()) > 0 || e.unrepeated() && !e.FellSilent())
		}, Likelihood: surely},
		{ID: "ssh-down", Code: SSHDown, When: behind("ssh-down"), Likelihood: unless((*Evidence).refusedAfter, possible)}, // the window may be longer than known
		{ID: "ssh-down-long", Code: SSHDown, When: func(e *Evidence) bool { return e.mayBan() && e.mayBeDown() }, Likelihood: func(e *Evidence) float64 {
			if e.Handshake.SSH.State == knock.SSHRefused {
				return always
			}
			return usual
		}},
		{ID: "ssh-down-unseen", Code: SSHDown, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && e.ShutState() == knock.SSHRefused && !e.rulesProve()
		}, Likelihood: func(e *Evidence) float64 {
			if refused, _ := answers.With(e.Handshake, knock.Refused); len(refused) == 0 {
				return possible // only SSH is refused: a gate that drops all hides an sshd that is stopped
			}
			return e.neverOpened()
		}},
		{ID: "ssh-rejected-behind", Code: GateDiffers, When: behind("ssh-rejected-behind"), Likelihood: func(e *Evidence) float64 {
			if e.refusedAfter() || time.Duration(e.Reached().RTT) > AnsweredWithin {
				return possible // a rule rejects at once
			}
			return always
		}, Detail: differsBy("ssh-rejected")},
		{ID: "ssh-host-gone", Code: SSHDown, When: behind("ssh-rejected-behind"), Likelihood: func(*Evidence) float64 { return usual }},
		{ID: "ssh-rejected-unseen", Code: GateDiffers, When: func(e *Evidence) bool {
			return e.mayBan() && e.Limited == knock.SSHUnreachable && e.Scan != nil && e.Scan.Stopped.Reason == scan.Changed
		}, Likelihood: surely, Detail: differsBy("ssh-rejected")},
		{ID: "ssh-refusing", Code: SSHRefusing, When: behind("ssh-refusing"), Likelihood: surely, Detail: said},
		{ID: "refusing-before", Code: SSHRefusing, When: at(RefusesBefore), Likelihood: surely, Detail: said},
		{ID: "ssh-silent", Code: SSHSilent, When: behind("ssh-silent"), Likelihood: unless(acceptedOnce, usual)},
		{ID: "banner-late", Code: Opens, When: func(e *Evidence) bool { return behind("ssh-silent")(e) && e.Awaiting }, Likelihood: func(*Evidence) float64 { return rare }},
		{ID: "accepted-once", Code: LossyPath, When: func(e *Evidence) bool {
			return behind("ssh-silent")(e) && acceptedOnce(e)
		}, Likelihood: func(*Evidence) float64 { return usual }},
		{ID: "not-ssh", Code: SSHSilent, When: behind("not-ssh"), Likelihood: surely, Detail: said},
	}
}

// mayBeDown reports whether a gate that opened for longer than is known, with nothing behind it,
// looks like a limit that rejects.
func (e *Evidence) mayBeDown() bool {
	refused, _ := answers.With(e.Handshake, knock.Refused)
	return e.Limited == knock.SSHRefused && e.ShutState() == knock.SSHFiltered && len(refused) == 0
}

// unless is always, and less where there is doubt.
func unless(doubt func(*Evidence) bool, less float64) func(*Evidence) float64 {
	return func(e *Evidence) float64 {
		if doubt(e) {
			return less
		}
		return always
	}
}

// alreadyOpen is how probable it is that nothing guards SSH, where SSH answers without a knock.
func alreadyOpen(e *Evidence) float64 {
	likelihood := usual
	if e.Waited && e.BeforeAgain.State == knock.SSHOpen {
		likelihood = always
	}
	if e.seemsShut() { // packets were lost just then
		likelihood *= rare
	}
	if e.shutLater() {
		likelihood *= rare
	}
	return likelihood
}

// seemsShut reports whether SSH, which is near, answered none of two probes before the knocks of the
// very first attempt, and accepted after them.
func (e *Evidence) seemsShut() bool {
	h := e.Handshake
	return e.opensBefore() && h.Opened && h.OpenedBy == 0 && !h.Before.State.Connected() && time.Duration(h.SSH.RTT) < 200*time.Millisecond && !e.unrepeated()
}

// shutLater reports whether SSH, which accepted without a knock, did so no more later.
func (e *Evidence) shutLater() bool {
	return e.Later.State != knock.SSHUnknown && !e.Later.State.Connected()
}

// windowLeft is how probable a window of an earlier handshake is, where SSH answers without one.
func windowLeft(e *Evidence) float64 {
	if e.LetIn != nil { // the rules say why
		return rare
	}
	return always
}

// opensBefore reports whether a handshake seemed to open SSH before SSH accepted without one:
// then a window may be open that is longer than the entry has.
func (e *Evidence) opensBefore() bool {
	return !e.Before.State.Connected() && e.Handshake != nil && (e.Handshake.Opened || e.unrepeated() || e.openedOwn())
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
	if o, ok := e.opened(); ok && !e.SlowReached() && (e.Handshake == nil || e.behindGate(e.Handshake.SSH) == "") {
		return o.ssh
	}
	return e.afterwards()
}

// SlowReached reports whether SSH accepted after a handshake with wide gaps.
func (e *Evidence) SlowReached() bool {
	return e.Slow != nil && (e.Slow.Opened || e.Slow.SSH.State.Connected())
}

// refusedAfter reports whether SSH is refused or rejected with no knock too, after the window of the
// handshake, and was not at first.
func (e *Evidence) refusedAfter() bool {
	now := e.After.State
	return (now == knock.SSHRefused || now == knock.SSHUnreachable) && now != e.ShutState()
}

// behindGate names the cause for an SSH server that does not work behind a gate
// that opened; empty where the gate did not open, or SSH works.
func (e *Evidence) behindGate(s knock.SSH) ID {
	if e.NoListener && !s.State.Connected() {
		return "ssh-down" // whatever the gate does
	}
	switch before := e.ShutState(); s.State {
	case knock.SSHRefusing:
		return "ssh-refusing"
	case knock.SSHSilent:
		return "ssh-silent"
	case knock.SSHNotSSH:
		return "not-ssh"
	case e.Limited: // that is the limit's answer
		return ""
	case knock.SSHRefused:
		if refused, _ := answers.With(e.Handshake, knock.Refused); len(refused) > 0 && !e.StandIn {
			return "" // as those are: something limits or rejects
		}
		if before == knock.SSHFiltered || before == knock.SSHUnreachable || e.AcceptedKnocks(e.Handshake) == knock.Knocks {
			return "ssh-down"
		}
	case knock.SSHUnreachable:
		if rejected, _ := answers.With(e.Handshake, knock.Unreachable); len(rejected) == 0 && before == knock.SSHFiltered {
			return "ssh-rejected-behind"
		}
	}
	return ""
}
