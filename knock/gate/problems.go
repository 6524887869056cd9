package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

// Severity is how much a problem matters.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // the gate does not work, or does not guard
	SeverityWarning Severity = "warning" // it works, but not always
	SeverityInfo    Severity = "info"    // it works; good to know
)

// Problem is something wrong with a gate, or good to know about it.
type Problem struct {
	Code     string   `json:"code"` // such as no-gate; part of the JSON contract
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`
	Fix      string   `json:"fix"`

	hidden string // Summary without the port that it names; empty if it names none
}

func newProblem(code string, s Severity, summary, fix string) Problem {
	return Problem{Code: code, Severity: s, Summary: summary, Fix: fix}
}

// naming returns the problem with a summary that names the port of a knock: format has
// it as %s.
func (p Problem) naming(format string, port int) Problem {
	p.Summary, p.hidden = fmt.Sprintf(format, portText(port)), fmt.Sprintf(format, "*****")
	return p
}

// WithoutPorts is Summary with stars for the port of a knock.
func (p Problem) WithoutPorts() string { return cmp.Or(p.hidden, p.Summary) }

// Facts is what the caller knows besides the rules. Fields that are zero are not
// known.
type Facts struct {
	SSHPort   int              // the client's
	Candidate *solve.Candidate // what the rules were made with
	Perhaps   bool             // Candidate is a guess: other ways to make the ports are as likely
	Empty     *solve.Candidate // what makes them of an empty secret
	ListTotal int              // the machine's ip_list_tot
	Window    time.Duration    // the client's; zero is not known
}

const (
	// A window up to tooShortWindow is an error, one below shortWindow a warning.
	// The article's client waits a second on each port, and a lost SYN is sent again
	// after a second.
	tooShortWindow = time.Second
	shortWindow    = 3 * time.Second
	// usualListTotal is xt_recent's ip_list_tot where nobody sets it.
	usualListTotal = 100
	// enoughListTotal is what a scan from many addresses does not fill quickly.
	enoughListTotal = 1000
)

// Problems returns what is wrong with the gates, the worst first. It judges only
// what the text shows: a script, or a single chain, is part of a firewall.
func (f Findings) Problems(k Facts) []Problem {
	all := []Problem{}
	found := f.checkText()
	if len(f.Gates) == 0 {
		return append(append(all, found...), f.other.problem())
	}
	if k.Empty != nil {
		found = append(found, emptySecret(*k.Empty))
	}
	found = append(found, f.checkTwoGates()...)
	for _, g := range f.Gates {
		found = append(found, g.checkPhases(k)...)
		switch {
		case f.Printed != nil:
		case f.Kind != FromScript:
			found = append(found, g.checkSurroundings(len(f.Other) > 0)...)
		case !slices.ContainsFunc(f.flaws, func(flaw netfilter.Flaw) bool { return flaw.Kind == netfilter.NotFollowed }):
			found = append(found, g.checkAccepted()...) // a script is a part of a firewall
		}
		r := k.sweepRange(f.Printed)
		if p, ok := g.Sweep(r).problem(g, r); ok {
			found = append(found, p)
		}
		found = append(found, g.checkPackets()...)
		found = append(found, g.checkNeighbours()...)
	}
	found = append(found, f.checkFamilies()...)
	found = append(found, f.checkRefresh(k)...)
	for _, p := range found { // both families have most problems in common
		if !slices.ContainsFunc(all, func(o Problem) bool { return o.Code == p.Code }) {
			all = append(all, p)
		}
	}
	rank := []Severity{SeverityError, SeverityWarning, SeverityInfo}
	slices.SortStableFunc(all, func(a, b Problem) int {
		return cmp.Compare(slices.Index(rank, a.Severity), slices.Index(rank, b.Severity))
	})
	return all
}

// checkPhases judges the phases and the accept rule.
func (g Gate) checkPhases(k Facts) (all []Problem) {
	add := func(code string, s Severity, summary, fix string) {
		all = append(all, newProblem(code, s, summary, fix))
	}
	why, fix := g.blocked()
	switch {
	case !g.opens && g.WithoutGate() != "": // what opens takes fewer knocks
	case why != "":
		add("phases-out-of-order", SeverityError, why, fix)
	case g.apart != "" && g.SSHPort != 0:
		add("phases-out-of-order", SeverityError, "the phases do not lead from one to the next up to the accept rule: "+g.apart,
			"let each phase check the list of the phase before it, and the accept rule that of the fifth")
	case !g.opens:
		add("no-door", SeverityError, "no rule accepts a client that has made the handshake",
			fmt.Sprintf("accept new connections to the SSH port from addresses on the last list (%s)", g.Lists[len(g.Lists)-1]))
	case len(g.knocks) != 0 && len(g.knocks) != knock.Knocks:
		add("phases-out-of-order", SeverityError, fmt.Sprintf("the gate opens after %d knocks, and a client sends %d", len(g.knocks), knock.Knocks),
			"make five phases, each of which checks the list of the one before, and let the accept rule check that of the fifth")
	case slices.ContainsFunc(g.knocks, func(k knockAt) bool { return k.udp }):
		add("knocks-udp", SeverityError, "the gate is knocked at with UDP, and a client sends TCP SYNs", "make its rules match TCP SYNs, or use the client that belongs to it")
	}
	if w := g.Window(); w > 0 && w < shortWindow {
		severity := SeverityWarning
		if w <= tooShortWindow {
			severity = SeverityError
		}
		add("window-short", severity, fmt.Sprintf("a window is %v: a knock that is lost or waits comes too late", w), "set --seconds 5, or the sets' timeout to 5s")
	}
	if g.opens && slices.Contains(g.Windows, 0) && !slices.Contains(g.Ports, 0) {
		add("window-endless", SeverityWarning, "a window has no end: an address that knocked once stays in its phase for as long as the list holds it", "add --seconds 5, or a timeout of 5s to the sets")
	}
	if n := len(slices.Compact(slices.Clone(g.Ports))); g.opens && n < minKnocks && !slices.Contains(g.Ports, 0) {
		add("repeated-ports", SeverityWarning, fmt.Sprintf("ports follow themselves in this hour's sequence: SSH opens after %s", phrase.Plural(n, "SYN")), "take a wider range, and refresh the rules")
	} else if p, ok := g.Sequence(); ok && repeats(p) {
		add("repeated-ports", SeverityInfo, "a port occurs twice in this hour's sequence, which is legal and makes it a little easier to guess", "nothing; a wider range makes it rarer")
	}
	if k.SSHPort != 0 && g.SSHPort != 0 && !slices.Contains(g.AcceptPorts, k.SSHPort) {
		add("ssh-port", SeverityError, fmt.Sprintf("the accept rule is for port %d, and the client connects to port %d", g.SSHPort, k.SSHPort),
			fmt.Sprintf("give --ssh-port %d, or set ssh_port in the hosts file", g.SSHPort))
	}
	return all
}

// sweepRange returns the range that a sweep goes over, zero if it is not known.
func (k Facts) sweepRange(p *script.Printed) knock.Range {
	switch {
	case p != nil:
		return p.Range
	case k.Empty != nil:
		return k.Empty.Range
	case k.Candidate != nil && !k.Perhaps:
		return k.Candidate.Range
	}
	return knock.Range{}
}

// emptySecret is the problem of a gate whose ports m makes of the empty secret.
func emptySecret(m solve.Candidate) Problem {
	secret := "the empty secret makes"
	if strings.HasPrefix(string(m.Variant), "blank") {
		secret = "a secret of spaces makes"
	}
	return newProblem("empty-secret", SeverityError, fmt.Sprintf("%s these ports, in range %v at hour %v: anybody can compute them", secret, m.Range, m.Hour),
		"write a secret into the first line of the secret's file on the server, and refresh the rules")
}

// checkPackets judges which packets count as knocks.
func (g Gate) checkPackets() (all []Problem) {
	if g.Strict {
		all = append(all, newProblem("strict-gate", SeverityInfo, "a wrong or a repeated knock makes a client start over: it is to send one hour's knocks in order, each once",
			"set strict = true in the hosts entry; a sweep guard in place of it forgives a client that repeats a knock"))
	}
	if g.client != nil && g.opens && g.client.src != newClient(g.rules, g.Family).src {
		all = append(all, newProblem("some-sources", SeverityWarning, fmt.Sprintf("the gate opens to clients from some addresses only, such as %v", g.client.src), "nothing, if that is meant; else look for rules with -s, or saddr in nft"))
	}
	if g.client == nil || g.knocks[0].udp || g.client.entry != nil && !g.partial() {
		return all
	}
	c := g.anybody()
	c.entry = g.client.entry
	p := c.packet(g.knocks[0])
	p.Flags = machine.ACK
	if r := c.machine().Deliver(p, gap); changes(r, g.steps[0].List) {
		all = append(all, newProblem("knocks-not-syn", SeverityInfo, "", "ask for a SYN: add --syn to the rules of the phases, in nft tcp flags & (fin|syn|rst|ack) == syn").
			naming("a bare ACK to port %s counts as a knock too: to conntrack it is new", g.knocks[0].port))
	}
	return all
}

// portText returns a port as text, if it is known.
func portText(p int) string {
	if p <= 0 {
		return "(computed)"
	}
	return fmt.Sprint(p)
}

func repeats(p [knock.Knocks]uint16) bool {
	s := slices.Sorted(slices.Values(p[:]))
	return len(slices.Compact(s)) < len(p)
}

// checkTwoGates judges gates of iptables and nft that the same packets meet.
func (f Findings) checkTwoGates() (all []Problem) {
	for _, a := range f.Gates {
		for _, b := range f.Other {
			if a.Family != b.Family || a.SSHPort != 0 && b.SSHPort != 0 && !slices.ContainsFunc(a.AcceptPorts, func(p int) bool { return slices.Contains(b.AcceptPorts, p) }) {
				continue
			}
			p := newProblem("two-gates", SeverityError, fmt.Sprintf("two gates with different ports are loaded, one of iptables (chain %s) and one of nft (chain %s): a handshake passes one of them, and nobody gets in", a.Chain, b.Chain),
				"keep one: run the remove of the other one's script, or remove its rules")
			if slices.ContainsFunc(a.Sequences(), func(s [knock.Knocks]uint16) bool { return slices.Contains(b.Sequences(), s) }) {
				p.Severity = SeverityWarning
				p.Summary = fmt.Sprintf("two gates with the same ports are loaded, one of iptables (chain %s) and one of nft (chain %s): once one of them is not refreshed, nobody gets in", a.Chain, b.Chain)
			}
			all = append(all, p)
		}
	}
	// Errors first: a family in which the ports differ counts.
	slices.SortStableFunc(all, func(a, b Problem) int { return cmp.Compare(a.Severity, b.Severity) })
	return all
}

// checkFamilies judges a family that has no gate while the other has one, and
// families whose gates differ.
func (f Findings) checkFamilies() (all []Problem) {
	if len(f.Gates) == 2 {
		if a, b := f.Gates[0], f.Gates[1]; a.opens && b.opens && len(a.Ports) == len(b.Ports) && !slices.Equal(a.Ports, b.Ports) {
			all = append(all, newProblem("families-differ", SeverityError, "IPv4 and IPv6 have different ports: one of them was not refreshed", "refresh both in the same run"))
		}
		// Only scripts count: iptables-save always prints a mask.
		if i := slices.IndexFunc(f.cut, func(l string) bool {
			return slices.Contains(f.Gates[0].Lists, l) && slices.Contains(f.Gates[1].Lists, l)
		}); i >= 0 {
			all = append(all, newProblem("shared-lists", SeverityWarning, fmt.Sprintf("IPv6 uses the list %s, which a rule with a mask of IPv4 makes: its addresses are cut to /32 there, and all of a /32 open together", f.cut[i]),
				"give IPv6 lists of its own, as the script of rapport rules does, or leave --mask out"))
		}
		return all
	}
	g := f.Gates[0]
	other, code, name := knock.Family6, "v6-without-gate", "IPv6"
	if g.Family == knock.Family6 {
		other, code, name = knock.Family4, "v4-without-gate", "IPv4"
	}
	v6 := other == knock.Family6
	shown := f.Printed != nil || f.rules.Shown(v6)
	if v6 && f.Kind == FromIPTables && !f.local && !shown {
		return append(all, newProblem("v6-not-given", SeverityInfo, "this text has no rules for IPv6: if there are none on the server, IPv6 is open to all",
			"give what ip6tables-save prints too, behind the rest"))
	}
	ssh := cmp.Or(g.SSHPort, sshPort)
	if f.Kind == FromScript || !shown {
		return all
	}
	c := newClient(f.rules, other)
	if !c.connect(c.machine(), ssh).Opens() {
		return all // closed to everybody
	}
	return append(all, newProblem(code, SeverityError, fmt.Sprintf("%s has no gate and accepts everybody at port %d: no knock is needed there if sshd listens", name, ssh),
		fmt.Sprintf("set the gate up for %s too, or drop new connections to port %d there", name, ssh)))
}

// checkRefresh judges how the rules are refreshed, and the sizes of their sets.
func (f Findings) checkRefresh(k Facts) (all []Problem) {
	if k.Candidate != nil {
		all = append(all, candidateProblems(*k.Candidate, k.Perhaps)...)
	}
	if len(f.cleared) > 0 {
		all = append(all, newProblem("flush-refresh", SeverityWarning, fmt.Sprintf("the refresh empties the %s: a handshake under way at that moment is lost", strings.Join(f.cleared, ", the ")),
			"replace the rules in one step with iptables-restore --noflush, and let the lists run out by themselves"))
	}
	if f.Printed != nil {
		return append(all, newProblem("script-only", SeverityInfo, "this is the script, which computes the ports itself: what is loaded does not show in it",
			"give what "+f.Printed.Dump()+" on the server"))
	}
	if f.Kind != FromNFT && cmp.Or(k.ListTotal, usualListTotal) < enoughListTotal {
		total := fmt.Sprintf("a list holds %d addresses", k.ListTotal)
		if k.ListTotal == 0 {
			total = fmt.Sprintf("a list holds %d addresses unless xt_recent was loaded with more", usualListTotal)
		}
		all = append(all, newProblem("list-size", SeverityInfo, total+": as many others that hit the first port push a client out",
			fmt.Sprintf("options xt_recent ip_list_tot=%d in /etc/modprobe.d/, then reload the module", script.AdvisedListTotal)))
	}
	for _, g := range f.Gates {
		all = append(all, g.checkSets()...)
		if n := g.setSize(); n > 0 && n < enoughListTotal {
			all = append(all, newProblem("list-size", SeverityInfo, fmt.Sprintf("a set has room for %d addresses: when it is full, a client's knock is not recorded", n),
				"give the sets a size of 65535"))
		}
	}
	return all
}

// candidateProblems judges what the rules were made with. A guess is no error.
func candidateProblems(m solve.Candidate, perhaps bool) (all []Problem) {
	if m.Offset < 0 {
		all = append(all, newProblem("stale-hour", SeverityError, fmt.Sprintf("the rules are those of %v, %s", m.Hour, m.When()),
			"see that the refresh runs every hour (cron, timer), and that the server's clock is right"))
	} else if m.Offset > 0 {
		all = append(all, newProblem("hour-ahead", SeverityError, fmt.Sprintf("the rules are those of %v, %s", m.Hour, m.When()),
			"set the server's clock right, and see that the hour is taken in UTC (TZ=UTC date); then check this machine's clock"))
	}
	if fix := m.Variant.Fix(); fix != "" {
		all = append(all, newProblem("secret-variant", SeverityError, "the server takes the secret "+m.Variant.Words(), fix))
	}
	for i := range all {
		if perhaps {
			all[i].Severity, all[i].Summary = SeverityInfo, "perhaps "+all[i].Summary
		}
	}
	return all
}
