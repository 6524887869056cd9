package diag

import (
	"fmt"
	"strings"

	"rapport/knock"
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
	"proxied":     proxiedText,
	"blocked":     blockedText,
	"dropped": func(*Evidence) Text {
		return Text{"something on the way drops the knocks", "knock from another network, or have the range let through",
			[]string{"knocks that are dropped on the way look the same as a gate that stays shut"}}
	},
	"alike": func(e *Evidence) Text {
		return Text{"something rejects the knocks, as it does other ports", "knock from another network, or have the range let through",
			[]string{fmt.Sprintf("%s %s, but so are ports outside the range: the server itself seems to answer like this", phrase.Plural(len(e.Egress.Ports), "knock"), e.Egress.Answer)}}
	},

	"open":         opensText,
	"already-open": alreadyOpenText,
	"window-left": func(*Evidence) Text {
		return Text{"the window of an earlier handshake is still open", "run it again when nobody has knocked for a while", []string{"a window longer than the entry has looks the same"}}
	},
	"silent-unknocked": func(*Evidence) Text {
		return Text{"SSH's port accepts the connection with no knock, but no banner comes: sshd is stuck, and nothing guards it", "on the server: see what delays sshd, and that the gate is set up", []string{"it accepted twice, with a window between, and said nothing"}}
	},
	"tarpit": func(*Evidence) Text {
		return Text{"SSH's port accepts the connection with no knock, but no banner comes: a proxy or a tarpit answers in the server's place", "connect from another network", []string{"a tarpit on the way looks like an sshd that is stuck"}}
	},
	"not-ssh-unknocked": func(e *Evidence) Text {
		return Text{fmt.Sprintf("SSH's port accepts with no knock, but no SSH banner comes: something else answers %q", e.afterwards().Banner), "correct the SSH port", []string{"it answered twice, with a window between"}}
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
		return behindText(fmt.Sprintf("SSH's port accepts, but no SSH banner comes: something else answers %q", e.Reached().Banner), "correct the SSH port")(e)
	},
	"ssh-refusing": func(e *Evidence) Text {
		return refusingText("the gate opened, but sshd refused this address", e.Reached(), e.beforeAndAfter())
	},
	"refusing-before": func(e *Evidence) Text {
		return refusingText("sshd refused this address, with no knock: nothing guards SSH", e.afterwards(), "it did so twice, with a window between")
	},

	"client-clock-proven": clientProvenText,
	"client-clock":        clientClockText,
	"skew-here":           skewHereText,
	"hour-unknown":        hourUnknownText,
	"server-clock":        serverClockText,
	"rules-stale":         rulesStaleText,
	"rules-zone":          rulesZoneText,
	"rules-zone-east":     rulesZoneEastText,
	"client-clock-also":   clientAlsoText,
	"hour-elsewhere":      hourElsewhereText,
	"clock-doubtful": func(e *Evidence) Text {
		return Text{"the server's clock is wrong: " + e.expects(), "on the server: timedatectl set-ntp true; " + e.untilKnown(), []string{"one of the sources of its clock agrees, and another does not", e.howOpened()}}
	},
	"stale-doubtful": func(e *Evidence) Text {
		return Text{"the server's rules are stale: " + e.expects(), "on the server: run the gate's refresh; " + e.untilKnown(), []string{"one of the sources says that the server's clock is right, and another does not", e.howOpened()}}
	},
	"hours-ahead": func(*Evidence) Text {
		return Text{"the server may be at a later hour", "run it with --future 26", []string{"future hours were not tried"}}
	},

	"rate-limited": rateLimitedText,
	"limit-unseen": limitUnseenText,
	"banned":       bannedText,
	"addresses":    addressesText,
	"addresses-unseen": func(*Evidence) Text {
		return Text{"the knocks and SSH may arrive from different addresses", "on the server rapport watch shows from which address each knock comes; knock from another network", []string{"a carrier's NAT with several addresses looks the same from here"}}
	},
	"pool-luck": func(*Evidence) Text {
		return Text{"the knocks may arrive from changing addresses", "on the server rapport watch shows from which address each knock comes", []string{"a NAT with several addresses opens the gate by luck, too"}}
	},
	"gate-unseen": func(*Evidence) Text {
		return Text{"the server's gate may be another one", "give its rules: --rules FILE", []string{"a gate with another number or order of knocks, for UDP or for another SSH port stays shut as well"}}
	},
	"order-slips": func(*Evidence) Text {
		return Text{"the server's gate may have another order of knocks", "give its rules: --rules FILE", []string{"repeated handshakes open a gate with another order, too"}}
	},
	"some-accept": func(e *Evidence) Text {
		open, _ := Answered(e.Handshake, knock.Open)
		return Text{"something accepts some of the knocks in the gate's place", "knock from another network; on the server, put the gate's rules first", []string{phrase.Plural(len(open), "port") + " accepted: a service of the server's own, or one that takes the knock"}}
	},
	"other-ssh-port": func(e *Evidence) Text {
		return Text{fmt.Sprintf("the server's gate opens SSH port %d, here it is %d", e.otherPort(), e.Target.Addr.Port()), fmt.Sprintf("apply SSH port %d here", e.otherPort()), []string{"the server's rules say so"}}
	},
	"range":   rangeText,
	"variant": variantText,
	"family":  familyText,

	"other-secret":  otherSecretText,
	"sequence-used": sequenceUsedText,
	"rules-problem": rulesProblemText,
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
