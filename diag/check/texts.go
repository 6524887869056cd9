package check

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"rapport/diag/answers"
	"rapport/knock"
	"rapport/knock/phrase"
)

// texts say what happened in a check, in one lower-case line. Where there are
// shorter ways to say it, for columns of a screen, the longest comes first.
var texts = map[Code]func(Args) []string{
	LookingUp:  func(a Args) []string { return []string{"looking up " + knock.Clean(a.Host, 80)} },
	NameFailed: func(a Args) []string { return []string{a.Err.Error()} },
	NameResolved: func(a Args) []string {
		long, short := a.Address.String(), a.Address.String()
		if a.Other.IsValid() {
			long += " and " + a.Other.String()
			short += ", v" + string(knock.FamilyOf(a.Other)) + " too"
		}
		switch a.Untried {
		case 0:
		case 1:
			long += ", and 1 more address"
		default:
			long += fmt.Sprintf(", and %d more addresses", a.Untried)
		}
		return []string{long, short}
	},

	RulesSolving: fixed("solving"),
	RulesNoGate:  fixed("there is no gate in them"),
	RulesDiffer:  func(a Args) []string { return []string{strings.Join(a.Rules.Differs, "; ")} },
	RulesFit:     fixed("they expect this client's sequence"),
	RulesOther:   fixed("made with another secret: no hour or range fits"),
	RulesEmpty:   fixed("made with an empty secret"),
	RulesHidden:  fixed("they do not show their ports"),
	RulesMissing: fixed("the server's rules were not given", "not given"),

	Probing:       fixed("probing SSH without a knock"),
	WindowWaiting: fixed("SSH's port accepts: waiting for the window to end"),
	ShutAwaited:   fixed("waiting for the window to end: SSH has to be shut again then", "waiting for the window"),
	ProbeFailed:   func(a Args) []string { return []string{a.Err.Error()} },
	OpenUnknocked: fixed("SSH is open with no knock"),
	SSHAnswers:    func(a Args) []string { return []string{a.SSH.Summary()} },
	SSHShut: func(a Args) []string {
		short := fmt.Sprintf("SSH is %s", a.SSH.State)
		long := short + " without a knock"
		if a.SSH.RTT > 0 {
			long += ", after " + phrase.Millis(time.Duration(a.SSH.RTT))
		}
		return []string{long, short}
	},

	OneClock:     fixed("the server is on this machine: there is only one clock", "only one clock"),
	ClockAsking:  func(a Args) []string { return []string{strings.TrimSpace("asking " + addressText(a.Address))} },
	ClockUnasked: fixed("no NTP server is configured; --ntp HOST asks one", "no NTP server named"),
	ClockSilent:  fixed("not compared: the NTP servers did not answer"),
	ClockOff: func(a Args) []string {
		return []string{"off by " + phrase.Offset(-a.Offset) + ", as NTP says", phrase.Offset(-a.Offset) + " by NTP"}
	},
	ClockRight: func(a Args) []string {
		return []string{fmt.Sprintf("right to %.3f s, as NTP says", (a.Offset.Abs() + a.Within).Seconds()), phrase.Offset(-a.Offset) + " by NTP"}
	},
	ServerUntold: func(a Args) []string {
		if a.Clock != nil {
			if names := a.Clock.Tellers(); len(names) > 1 {
				return []string{"its sources disagree: " + strings.Join(names, ", "), "sources disagree"}
			}
		}
		return []string{"no source tells it", "not known"}
	},
	ServerTold: func(a Args) []string { return []string{a.Clock.Summary(a.At)} },

	Handshaking:   fixed("five knocks"),
	HandshakeMade: handshakeText,
	NoRoute:       fixed("no route to host"),
	OneFamily:     fixed("there is no address of the other family", "no address to compare with", "no other address"),

	NoneRejected: fixed("no knock was rejected", "none rejected"),
	NothingOnWay: fixed("loopback: there is nothing on the way", "loopback"),
	Comparing:    fixed("comparing with ports outside the range"),
	Compared: func(a Args) []string {
		s := fmt.Sprintf("knocks %s, ports outside the range %s", a.Egress.Answer, answers.List(a.Egress.Control))
		if a.Egress.FromOther(a.Address) {
			s += fmt.Sprintf("; %s rejects them", a.Egress.From)
		}
		return []string{s}
	},

	Scanning:      func(a Args) []string { return []string{a.Scan.Progress()} },
	Scanned:       func(a Args) []string { return []string{a.Scan.Summary()} },
	Repeating:     fixed("it opened: making sure that nobody else opened it", "making sure"),
	OpenedOnce:    fixed("it opened once, and not when the handshake was made again: another user behind the same address may have opened it, or packets get lost", "it opened once, and not again"),
	RepeatOpened:  fixed("the same handshake opens it when it is repeated"),
	ScanPointless: fixed("the rules show why: nothing that could be tried opens it"),
	ScanTooSlow:   fixed("with the gap that is set there is no time for other hours, ranges and secrets", "no time with this gap"),
	SlowOpened:    fixed("a handshake with wide gaps opens it"),
	OtherUnguarded: func(a Args) []string {
		f := string(knock.FamilyOf(a.Address))
		return []string{"SSH is open over IPv" + f + " with no knock: nothing guards it there", "open over IPv" + f + ", no knock"}
	},

	NotNeeded:  func(a Args) []string { return []string{"not needed: " + a.Verdict} },
	TimeOver:   fixed("out of time"),
	EndedEarly: fixed("ended early"),
	CannotSend: fixed("this machine cannot send to the host"),
}

// fixed is a text without figures.
func fixed(texts ...string) func(Args) []string { return func(Args) []string { return texts } }

// Summary says how the check went in one lower-case line, of a skipped one why.
func (c Check) Summary() string { return append(c.said(), "")[0] }

// Short has what Summary says in fewer words, the longest first, for columns of a
// screen; empty where there is no shorter way to say it.
func (c Check) Short() []string {
	if all := c.said(); len(all) > 1 {
		return all[1:]
	}
	return nil
}

func (c Check) said() []string {
	text, known := texts[c.Code]
	if !known || c.Code == Scanning && c.Args.Scan == nil {
		return nil
	}
	return text(c.Args)
}

// handshakeText says how the knocks and SSH were answered.
func handshakeText(a Args) []string {
	r := a.Handshake
	answered := fmt.Sprintf("%s, SSH %s", answers.List(answers.All(r)), answers.State(r.SSH.State))
	long := "knocks " + answered
	out := []string{long, long, answered}
	switch n := len(r.Attempts); {
	case r.Opened && r.OpenedBy > 0:
		out[0] += fmt.Sprintf(", by attempt %d", r.OpenedBy+1)
	case !r.Opened && n > 1:
		out[0] += fmt.Sprintf(", after %d attempts", n)
	}
	return out
}

// addressText is an address, empty for none.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
