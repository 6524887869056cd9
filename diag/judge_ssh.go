package diag

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// opens is the verdict for a gate that works. It warns where the clocks differ
// enough for the handshake to fail later in the hour.
func (e evidence) opens() []explanation {
	f := certain(Opens, "the handshake opens SSH as it should", "", Detail{}, fmt.Sprintf("SSH was %s before the handshake, and open after it", stateText(e.shutState())))
	if hours := hoursSent(e.handshake); len(hours) > 1 && !e.clock.Known {
		f[0].Evidence = append(f[0].Evidence, fmt.Sprintf("near the hour change the knocks of %v and %v are both sent: it is not known which opened it; run it again after :02", hours[0], hours[1]))
	}
	if skew, ok := e.wrongSkew(); ok {
		f[0].Summary += ", but " + e.clock.Summary(e.now)
		f[0].Fix = fmt.Sprintf("set the clock that is wrong, or apply skew %s here", phrase.Duration(skew))
		f[0].Change.Skew = &skew
	}
	return f
}

// wrongSkew returns the skew that the clocks show, if it differs from the entry's
// by more than a handshake covers around the hour change.
func (e evidence) wrongSkew() (time.Duration, bool) {
	const covered = 30 * time.Second
	if i := e.clock.Interval(); i.Low-covered <= e.target.Skew && e.target.Skew <= i.High+covered {
		return 0, false
	}
	return e.clock.RoundSkew()
}

// shutState is what SSH answered without a knock, after any earlier window ended.
func (e evidence) shutState() knock.SSHState {
	return cmp.Or(e.beforeAgain.State, e.before.State, e.handshake.Before.State)
}

func stateText(s knock.SSHState) string { return cmp.Or(string(s), "not probed") }

// lossy is a handshake that opens only when it is repeated.
func lossy(attempts int) []explanation {
	return certain(LossyPath, fmt.Sprintf("it opens, but only at attempt %d: the path loses or reorders packets", attempts),
		"nothing is wrong with the gate; more attempts help: rapport knock --attempts", Detail{Loss: float64(attempts-1) / float64(attempts)},
		phrase.Plural(attempts-1, "handshake")+" had no effect, then SSH opened")
}

// refusing is an sshd that refuses this address.
func refusing(s knock.SSH, evidence string) []explanation {
	return certain(SSHRefusing, fmt.Sprintf("the gate opened, but sshd refused this address: %q", s.Banner),
		"wait before the next try, ten minutes at most by default; then log in, or see PerSourcePenalties and MaxStartups in sshd_config", Detail{Text: s.Banner}, evidence)
}

// behindTheGate explains an SSH server that does not work behind a gate that
// opened; nil where the gate did not open, or SSH works.
func (e evidence) behindTheGate(h *knock.Report) []explanation {
	s, before := h.SSH, e.shutState()
	opened := fmt.Sprintf("SSH was %s before the handshake, and is %s after it", stateText(before), s.State)
	switch {
	case s.State == knock.SSHRefusing:
		return refusing(s, opened)
	case s.State == knock.SSHRefused && (before == knock.SSHFiltered || before == knock.SSHUnreachable || e.acceptedKnocks(h) == knock.Knocks):
		return certain(SSHDown, "the gate opened, but nothing listens behind it",
			"on the server: start sshd; or correct the SSH port here", Detail{}, opened)
	case s.State == knock.SSHSilent:
		return certain(SSHSilent, "SSH's port accepts the connection, but no banner comes: the session is cut off or stuck",
			"on the server: see what delays sshd, and that established connections are accepted", Detail{}, opened)
	case s.State == knock.SSHNotSSH:
		return certain(SSHSilent, fmt.Sprintf("SSH's port accepts, but no SSH banner comes: something else answers %q", s.Banner),
			"correct the SSH port", Detail{Text: s.Banner}, opened)
	}
	return nil
}

// acceptedKnocks is how many knocks a stand-in on loopback accepted: it sees a
// knock only by accepting it, and refuses all other ports. Elsewhere it is 0.
func (e evidence) acceptedKnocks(h *knock.Report) int {
	if !e.target.Addr.Addr().IsLoopback() {
		return 0
	}
	open, others := answered(h, knock.Open)
	if others == 0 {
		return knock.Knocks
	}
	// A port that occurs twice counts once in open.
	sequence := knock.Derive(h.Hour, e.target.Range, e.target.Secret).Ports()
	slices.Sort(sequence[:])
	return len(open) + knock.Knocks - len(slices.Compact(sequence[:]))
}
