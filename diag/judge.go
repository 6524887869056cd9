package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
)

// explanation is a cause, and what a verdict says that is built on it.
type explanation struct {
	Cause
	summary string
	fix     string
	detail  Detail
	change  hosts.Change
}

// judge ranks the causes that the evidence allows. The first one is the
// verdict, and there is always one.
func (e evidence) judge() (Verdict, []Cause) {
	found := e.explanations()
	slices.SortStableFunc(found, func(a, b explanation) int { return cmp.Compare(b.Likelihood, a.Likelihood) })
	causes := []Cause{}
	for _, f := range found {
		f.Evidence = append([]string{}, f.Evidence...)
		causes = append(causes, f.Cause)
	}
	f := found[0]
	return Verdict{Code: f.Code, Summary: f.summary, Fix: f.fix, Detail: f.detail, Change: f.change}, causes
}

// explanations returns the causes that the evidence allows, in the order of what
// would have come first on the way in.
func (e evidence) explanations() []explanation {
	switch {
	case e.nameErr != nil:
		return certain(DNSFailure, e.nameErr.Error(), "correct the name, or the family asked for; see that this machine's name servers answer", "nothing was sent to the host")
	case e.noRouteErr != nil:
		return certain(HostUnreachable, e.noRouteErr.Error(), "check the address, and this machine's network", e.unreachableEvidence()...)
	case e.beforeAgain.State == knock.SSHOpen:
		return certain(AlreadyOpen, "SSH answers with no knock: nothing guards it",
			"set the gate up on the server: rapport rules HOST prints a script",
			"it answered twice, with more than a window between; only another login from this address meanwhile could look the same")
	}
	h := e.handshake
	switch {
	case h != nil:
	case e.beforeAgain.State == knock.SSHRefusing:
		return e.refusing(e.beforeAgain, "it did so with no knock: nothing guards SSH")
	case e.before.State == knock.SSHRefusing:
		return e.refusing(e.before, "it did so with no knock: nothing guards SSH")
	default:
		return certain(Unexplained, "the diagnosis ended before anything was tried", "give it more time", "no handshake was made")
	}
	switch {
	case h.Opened && h.OpenedBy > 0:
		return e.lossy(h.OpenedBy + 1)
	case h.Opened:
		return e.opens()
	}
	if ports, _ := answered(h, knock.Open); len(ports) > 0 && !e.target.Addr.Addr().IsLoopback() {
		f := certain(KnocksIntercepted, "knock ports accept connections: a proxy or a tarpit answers in the server's place",
			"knock from another network, or ask this one's administrator to leave the range alone", fmt.Sprintf("%s accepted: a gate stays silent", knock.Plural(len(ports), "port")))
		f[0].detail.Ports = ports
		return f
	}
	if f := e.behindTheGate(h); f != nil {
		return f
	}
	if e.blocked() {
		fix := "knock from another network, or have the range let through"
		if e.egress.fromHere {
			fix = "let the range out here: see iptables -S OUTPUT, or nft list ruleset"
		}
		f := certain(KnocksBlocked, e.blockedSummary(), fix, e.blockedEvidence()...)
		f[0].detail.Ports, f[0].detail.Answer = e.egress.ports, e.egress.answer
		return f
	}
	if o, ok := e.opened(); ok {
		return e.differs(o)
	}
	if e.scan != nil && e.scan.Stopped != "" && len(e.scan.Cells) > 0 && e.scan.NoRoute && !e.answeredAtAll() {
		return certain(HostUnreachable, "host unreachable: "+e.scan.Stopped, "check the address, and this machine's network", e.unreachableEvidence()...)
	}
	return e.unexplained()
}

// certain is the one cause that leaves no doubt.
func certain(code Code, summary, fix string, evidence ...string) []explanation {
	return []explanation{{Cause: Cause{code, 0.98, evidence}, summary: summary, fix: fix}}
}

// answered returns the ports of a handshake that gave an answer, and how many
// gave another.
func answered(h *knock.Report, a knock.Answer) (ports []uint16, others int) {
	for _, attempt := range h.Attempts {
		for _, k := range attempt.Knocks {
			switch {
			case k.Answer != a:
				others++
			case !slices.Contains(ports, k.Port):
				ports = append(ports, k.Port)
			}
		}
	}
	return ports, others
}

// opens is what a healthy server gets, unless its clock will shut it out soon.
func (e evidence) opens() []explanation {
	f := certain(Opens, "the handshake opens SSH as it should", "", fmt.Sprintf("SSH was %s before the handshake, and open after it", stateText(e.shutState())))
	if hours := hoursSent(e.handshake); len(hours) > 1 && (e.clock == nil || !e.clock.Known) {
		f[0].Evidence = append(f[0].Evidence, fmt.Sprintf("near the turn the knocks of %v and %v are sent: which of them opened it is not known; run it again after :02", hours[0], hours[1]))
	}
	if skew, ok := e.wrongSkew(); ok {
		f[0].summary += ", but " + e.clock.Summary(e.now)
		f[0].fix = fmt.Sprintf("set the clock that is wrong, or take skew %s over", hosts.FormatDuration(skew))
		f[0].change.Skew = &skew
	}
	return f
}

// wrongSkew returns the skew that the clocks have, if it is so far from the
// known one that the hours differ for longer than a handshake covers.
func (e evidence) wrongSkew() (time.Duration, bool) {
	const covered = 30 * time.Second
	if e.clock == nil || !e.clock.Known {
		return 0, false
	}
	i := e.clock.Interval()
	if i.Low-covered <= e.target.Skew && e.target.Skew <= i.High+covered {
		return 0, false
	}
	return e.clock.RoundSkew()
}

// shutState is what SSH answered without a knock, once no earlier window was open.
func (e evidence) shutState() knock.SSHState {
	switch {
	case e.beforeAgain.State != knock.SSHUnknown:
		return e.beforeAgain.State
	case e.before.State != knock.SSHUnknown:
		return e.before.State
	}
	return e.handshake.Before.State
}

// unreachableEvidence says what the way to the host was tried with.
func (e evidence) unreachableEvidence() []string {
	all := []string{"this machine, or a router on the way, says that there is no way there"}
	return append(all, e.otherAddresses()...)
}

// otherAddresses says which addresses of the name were left out.
func (e evidence) otherAddresses() []string {
	if len(e.others) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("missing: the name has other addresses, which were not tried: %s", strings.Trim(fmt.Sprint(e.others), "[]"))}
}

func stateText(s knock.SSHState) string {
	if s == knock.SSHUnknown {
		return "not looked at"
	}
	return string(s)
}

// lossy is a handshake that opens only when it is repeated.
func (e evidence) lossy(attempts int) []explanation {
	f := certain(LossyPath, fmt.Sprintf("it opens, but only at attempt %d: the path loses or reorders packets", attempts),
		"nothing is wrong with the gate; more attempts help: rapport knock --attempts", fmt.Sprintf("%s stayed without effect, then SSH opened", knock.Plural(attempts-1, "handshake")))
	f[0].detail.Loss = float64(attempts-1) / float64(attempts)
	return f
}

// refusing is an sshd that turns this address away.
func (e evidence) refusing(s knock.SSH, evidence string) []explanation {
	f := certain(SSHRefusing, fmt.Sprintf("the gate opened, but sshd turned this address away: %q", s.Banner),
		"wait before the next try, ten minutes at most by default; then log in, or see PerSourcePenalties and MaxStartups in sshd_config", evidence)
	f[0].detail.Text = s.Banner
	return f
}

// behindTheGate is what stands behind a gate that opened; nil where it did not.
func (e evidence) behindTheGate(h *knock.Report) []explanation {
	s, before := h.SSH, e.shutState()
	opened := fmt.Sprintf("SSH was %s before the handshake, and is %s after it", stateText(before), s.State)
	switch {
	case s.State == knock.SSHRefusing:
		return e.refusing(s, opened)
	case s.State == knock.SSHRefused && (before == knock.SSHFiltered || before == knock.SSHUnreachable || e.acceptedKnocks(h) == knock.Knocks):
		return certain(SSHDown, "the gate opened, but nothing listens behind it",
			"on the server: start sshd; or correct the SSH port here", opened)
	case s.State == knock.SSHSilent:
		return certain(SSHSilent, "SSH's port accepts the connection, but no banner comes: the session is cut off or stuck",
			"on the server: see what holds sshd up, and that established connections are accepted", opened)
	case s.State == knock.SSHNotSSH:
		f := certain(SSHSilent, fmt.Sprintf("SSH's port accepts, but no SSH banner comes: something else answers %q", s.Banner), "correct the SSH port", opened)
		f[0].detail.Text = s.Banner
		return f
	}
	return nil
}

// answeredAtAll reports whether anything ever came back from the host.
func (e evidence) answeredAtAll() bool {
	ports, others := answered(e.handshake, knock.Silent)
	return others > 0 || len(ports) == 0 || e.before.RTT > 0 || e.clock != nil && e.clock.Known
}

// acceptedKnocks is how many knocks a stand-in on loopback took: it cannot see a knock
// without accepting it, and refuses all else.
func (e evidence) acceptedKnocks(h *knock.Report) int {
	if !e.target.Addr.Addr().IsLoopback() {
		return 0
	}
	ports, others := answered(h, knock.Open)
	if others == 0 {
		return knock.Knocks // fewer ports where one occurs twice
	}
	return len(ports)
}

// blocked reports whether the knocks, and only they, are rejected.
func (e evidence) blocked() bool {
	g := e.egress
	return g != nil && (g.mixed || g.rangeOnly() || g.tooSoon() || g.fromOther(e.target.Addr.Addr()))
}

func (e evidence) blockedSummary() string {
	if e.egress.fromHere {
		return fmt.Sprintf("this machine itself rejects the knocks, as %s: a firewall here", e.egress.from)
	}
	if e.egress.fromOther(e.target.Addr.Addr()) {
		return fmt.Sprintf("the knocks are rejected before they reach the server: %s answers them", e.egress.from)
	}
	if e.egress.tooSoon() {
		return "the knocks are rejected before they reach the server: something nearer answers them in its name"
	}
	if e.egress.mixed {
		return "some of the knocks are rejected, and others are not: something on the way or on the server is set against their ports"
	}
	return "the knocks are rejected, and other ports are not: something on the way or on the server is set against them"
}

func (e evidence) blockedEvidence() (all []string) {
	g := e.egress
	all = append(all, fmt.Sprintf("%s %s", knock.Plural(len(g.ports), "knock"), g.answer))
	if g.mixed {
		all = append(all, "others of the same handshake were not")
	}
	if g.from.IsValid() {
		all = append(all, fmt.Sprintf("%s says so", g.from))
	}
	if g.tooSoon() {
		all = append(all, fmt.Sprintf("rejected after %.1f ms by a host that is %.1f ms away", g.rejected.Seconds()*1000, g.host.Seconds()*1000))
	}
	if len(g.control) > 0 {
		all = append(all, fmt.Sprintf("ports outside the range: %s", answerList(g.control)))
	}
	return all
}

func answerList(answers []knock.Answer) string {
	var all []string
	for _, a := range answers {
		if !slices.Contains(all, string(a)) {
			all = append(all, string(a))
		}
	}
	return strings.Join(all, ", ")
}
