package diag

import (
	"fmt"
	"strings"

	"rapport/knock/phrase"
)

// Text is what is said of a cause, in lower case and without a period.
type Text struct {
	Summary string
	Fix     string   // what to do; empty where there is nothing to do
	Why     []string // the evidence for it
}

// Summary says the verdict in one lower-case line.
func (r Report) Summary() string {
	all := r.ofVerdict(func(t Text) string { return t.Summary })
	if r.Verdict.Then != "" {
		all = append(all, "then "+r.Evidence.text(r.Verdict.Then).Summary)
	}
	return strings.Join(all, "; and ")
}

// Fix says what to do, in words; it is empty where there is nothing to do.
func (r Report) Fix() string {
	return strings.Join(r.ofVerdict(func(t Text) string { return t.Fix }), "; ")
}

// ofVerdict returns a part of the texts of all that differs.
func (r Report) ofVerdict(part func(Text) string) (all []string) {
	for _, id := range append([]ID{r.Verdict.ID}, r.Verdict.Also...) {
		if s := part(r.Evidence.text(id)); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// Why says what speaks for a cause, in sentences without a capital or a period.
func (r Report) Why(c Cause) []string { return r.Evidence.text(c.ID).Why }

// text is what is said of a cause; nothing for one that is not in the table.
func (e *Evidence) text(id ID) (t Text) {
	if f, known := causeTexts[id]; known {
		t = f(e)
	}
	return t
}

// causeTexts has a text for each row of the table of causes.
var causeTexts = map[ID]func(*Evidence) Text{
	"dns-failure": func(e *Evidence) Text {
		return Text{e.NameError.Error(), "correct the name, or the family asked for; see that this machine's name servers answer", []string{"nothing was sent to the host"}}
	},
	"no-route":    noRouteText,
	"intercepted": interceptedText,
	"blocked":     blockedText,
	"dropped": func(*Evidence) Text {
		return Text{"something on the way drops the knocks", "knock from another network, or have the range let through",
			[]string{"knocks that are dropped on the way look the same as a gate that stays shut"}}
	},
	"alike": func(e *Evidence) Text {
		return Text{"something rejects the knocks, as it does other ports", "knock from another network, or have the range let through",
			[]string{fmt.Sprintf("%s %s, but so are ports outside the range: the server itself seems to answer like this", phrase.Plural(len(e.Egress.Ports), "knock"), e.Egress.Answer)}}
	},

	"open": opensText,
	"already-open": func(*Evidence) Text {
		return Text{"SSH answers with no knock: nothing guards it", "set the gate up on the server: rapport rules HOST prints a script",
			[]string{"it answered twice, with more than a window between; only another login from this address meanwhile could look the same"}}
	},
	"lossy-path": func(e *Evidence) Text { return lossyText(e.Handshake.OpenedBy + 1) },
	"repeated":   func(e *Evidence) Text { return lossyText(len(e.Handshake.Attempts) + 1) },
	"lost-twice": func(*Evidence) Text {
		return Text{"something opened the gate once, and not again", "run it again: somebody else may have knocked, and packets get lost",
			[]string{"something opened the gate once and not again: packets get lost, or someone else knocked"}}
	},
	"ssh-down":   behindText("the gate opened, but nothing listens behind it", "on the server: start sshd; or correct the SSH port here"),
	"ssh-silent": behindText("SSH's port accepts the connection, but no banner comes: the session is cut off or stuck", "on the server: see what delays sshd, and that established connections are accepted"),
	"not-ssh": func(e *Evidence) Text {
		return behindText(fmt.Sprintf("SSH's port accepts, but no SSH banner comes: something else answers %q", e.reached().Banner), "correct the SSH port")(e)
	},
	"ssh-refusing": func(e *Evidence) Text { return refusingText(e.reached(), e.beforeAndAfter()) },
	"refusing-before": func(e *Evidence) Text {
		return refusingText(e.afterwards(), "it did so with no knock: nothing guards SSH")
	},

	"client-clock-proven": clientProvenText,
	"client-clock":        clientClockText,
	"skew-here":           skewHereText,
	"hour-unknown":        hourUnknownText,
	"server-clock":        serverClockText,
	"rules-stale":         rulesStaleText,
	"rules-zone":          rulesZoneText,
	"rules-zone-east":     rulesZoneEastText,
	"hours-ahead": func(*Evidence) Text {
		return Text{"the server may be at a later hour", "run it with --future 26", []string{"future hours were not tried"}}
	},

	"range":   rangeText,
	"variant": variantText,
	"family":  familyText,

	"other-secret":  otherSecretText,
	"sequence-used": sequenceUsedText,
	"rules-problem": func(e *Evidence) Text {
		p, _ := e.rulesProblem()
		return Text{p.Summary, p.Fix, append(e.missingEvidence(), "the server's rules expect the very sequence that was sent", p.Summary)}
	},
	"not-arriving": func(e *Evidence) Text {
		return Text{"the server's rules expect what was sent, so the knocks do not arrive, or not from this address",
			"on the server rapport watch, or tcpdump, shows whether the knocks arrive, and from which address",
			append(e.missingEvidence(), "the server's rules expect the very sequence that was sent")}
	},
	"nothing-tried": func(*Evidence) Text {
		return Text{"the diagnosis ended before anything was tried", "give it more time", []string{"no handshake was made"}}
	},
	"unexplained": unexplainedText,
}
