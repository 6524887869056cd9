package gate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/gate/memory"
	"rapport/knock/netfilter/machine"
)

// Kinds of texts that hold no rules, but say that a gate of another scheme stands.
const (
	FromKnockd Kind = "knockd" // the configuration of knockd
	FromClient Kind = "client" // a script that knocks
)

// noGate is what rules that hold no gate of this scheme hold in its place, in words,
// and what to do.
type noGate struct{ summary, fix string }

// problem returns the problem of rules without a gate.
func (n noGate) problem() Problem {
	if n.summary == "" {
		n = noGate{"these rules hold no gate", "set the gate up on the server; rapport rules HOST prints a script for it"}
	}
	return newProblem("no-gate", SeverityError, n.summary, n.fix)
}

const ownClient = "use the client that belongs to it: rapport knocks at gates made of netfilter rules alone, with five SYNs"

// Patterns of texts that hold no rules.
const (
	knockdSection  = `^\s*\[[A-Za-z0-9_ -]+\]\s*$`
	knockdSequence = `^\s*(one_time_sequences|sequence)\s*=`
	clientCommand  = `^\s*([A-Za-z0-9_=/. -]*/)?(nc|ncat|netcat|nmap|hping3?|knock|telnet)\s+[^#\n]*\d`
)

// foreignText recognises texts that hold no rules.
func foreignText(lines []string) (Kind, noGate) {
	// A pattern costs more than to read the rules: it sees only lines that have one of its words.
	matches := func(pattern string, words ...string) bool {
		p := regexp.MustCompile(pattern)
		return slices.ContainsFunc(lines, func(line string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) }) && p.MatchString(line)
		})
	}
	switch {
	case matches(knockdSequence, "sequence") && matches(knockdSection, "["):
		return FromKnockd, noGate{"this is the configuration of knockd, a daemon that listens for knocks: the gate stands, and it is not made of rules", ownClient}
	case matches(clientCommand, "nc", "netcat", "nmap", "hping", "knock", "telnet"):
		return FromClient, noGate{"this is a script of a client: it sends knocks, and holds no rules of a server", "give the server's rules: the output of iptables-save or nft list ruleset there"}
	}
	return "", noGate{}
}

// foreignRules recognises gates of other kinds in rules in which no sequence of
// knocks was found.
func foreignRules(rules *machine.Ruleset) noGate {
	pknock := func(text string) bool { return strings.Contains(text, "pknock") }
	for r := range rules.Rules {
		if !slices.ContainsFunc(r.Unmodelled(), pknock) {
			continue
		}
		return noGate{"these rules hold a gate of xt_pknock, which counts knocks in its own way", ownClient}
	}
	for _, family := range []knock.Family{knock.Family4, knock.Family6} {
		c, work := newClient(rules, family), maxWork/4
		c.work = &work
		if c.connect(c.machine(), sshPort).Opens() {
			continue
		}
		for _, check := range memory.Asked(rules) {
			if c.exhausted() {
				break
			}
			list, m := check.List, c.machine()
			m.Put(list, c.src)
			if !c.connect(m, sshPort).Opens() {
				continue
			}
			name := machine.ShortName(list)
			from := memory.Filling(rules, list)
			if len(from) == 0 {
				return noGate{fmt.Sprintf("SSH is let in for addresses in the set %s, which no rule here fills: a daemon does, or an administrator", name), ownClient}
			}
			return noGate{fmt.Sprintf("SSH is let in for addresses on the list %s, which %s: this is a gate of another kind", name, filledBy(from)), ownClient}
		}
	}
	return noGate{}
}

// filledBy says what puts an address on a list.
func filledBy(rules []*machine.Rule) string {
	r := rules[0]
	unknown := r.Unmodelled()
	isString := func(s string) bool {
		return strings.Contains(s, "string") || strings.Contains(s, "u32") || strings.Contains(s, "bpf")
	}
	switch {
	case slices.ContainsFunc(unknown, func(s string) bool { return strings.Contains(s, "ICMP") || strings.Contains(s, "length") }):
		return fmt.Sprintf("a ping of a certain kind fills (line %d)", r.Line)
	case slices.ContainsFunc(unknown, isString):
		return fmt.Sprintf("a packet with a certain content fills (line %d)", r.Line)
	case len(unknown) > 0:
		return fmt.Sprintf("a rule with %s fills (line %d)", unknown[0], r.Line)
	}
	return fmt.Sprintf("fewer than %d knocks fill (line %d)", minKnocks, r.Line)
}
