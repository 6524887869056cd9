package diag

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/gate/trace"
	"rapport/knock/phrase"
)

func stateText(s knock.SSHState) string {
	if s == knock.SSHUnknown {
		return "not probed"
	}
	return string(s)
}

// answerList names the answers, each once.
func answerList(answers []knock.Answer) string {
	var all []string
	for _, a := range answers {
		if !slices.Contains(all, string(a)) {
			all = append(all, string(a))
		}
	}
	return strings.Join(all, ", ")
}

func noRouteText(e *Evidence) Text {
	summary := "host unreachable: no route to host"
	if e.NoRoute != nil {
		summary = e.NoRoute.Error()
	}
	if h := e.Elsewhere; h != nil && h.Opened {
		summary += "; the handshake opens SSH at its other address, " + h.Address
	}
	why := []string{"this machine, or a router on the way, says that there is no route to the host"}
	return Text{summary, "check the address, and this machine's network", append(why, e.untriedText()...)}
}

// untriedText says which addresses of the name were not tried.
func (e *Evidence) untriedText() []string {
	if len(e.Untried) == 0 || e.Elsewhere != nil || e.Outcome() == RouteFails && len(e.Untried) <= MostOthers {
		return nil
	}
	return []string{"missing: the name has other addresses, which were not tried: " + strings.Trim(fmt.Sprint(e.Untried), "[]")}
}

func interceptedText(e *Evidence) Text {
	open, _ := Answered(e.Handshake, knock.Open)
	return Text{"knock ports accept connections: a proxy or a tarpit answers in the server's place",
		"knock from another network, or ask this one's administrator to leave the range alone",
		[]string{phrase.Plural(len(open), "port") + " accepted: a gate stays silent"}}
}

func blockedText(e *Evidence) Text {
	g := e.Egress
	t := Text{Fix: "knock from another network, or have the range let through"}
	switch {
	case g.FromHere:
		t.Summary = fmt.Sprintf("this machine itself rejects the knocks, as %s: a firewall here", g.From)
		t.Fix = "let the range out here: see iptables -S OUTPUT, or nft list ruleset"
	case g.fromOther(e.Target.Addr.Addr()):
		t.Summary = fmt.Sprintf("the knocks are rejected before they reach the server: %s answers them", g.From)
	case g.TooSoon():
		t.Summary = "the knocks are rejected before they reach the server: something nearer answers in its name"
	case !g.Whole:
		rejected := "1 knock is"
		if n := len(g.Ports); n > 1 {
			rejected = phrase.Plural(n, "knock") + " are"
		}
		t.Summary = rejected + " rejected, and the others are not: something on the way or on the server rejects those ports"
	default:
		t.Summary = "the knocks are rejected, and other ports are not: a rule on the way or on the server rejects their ports"
	}
	t.Why = []string{fmt.Sprintf("%s %s", phrase.Plural(len(g.Ports), "knock"), g.Answer)}
	if g.From.IsValid() {
		t.Why = append(t.Why, g.From.String()+" says so")
	}
	if g.TooSoon() {
		t.Why = append(t.Why, fmt.Sprintf("rejected after %s by a host that is %s away", phrase.Millis(g.Rejected), phrase.Millis(g.Host)))
	}
	if len(g.Control) > 0 {
		t.Why = append(t.Why, "ports outside the range: "+answerList(g.Control))
	}
	return t
}

func opensText(e *Evidence) Text {
	t := Text{Summary: "the handshake opens SSH as it should", Why: []string{fmt.Sprintf("SSH was %s before the handshake, and open after it", stateText(e.ShutState()))}}
	c := e.Clocks()
	if hours := hoursSent(e.Handshake); len(hours) > 1 && !c.Known {
		t.Why = append(t.Why, fmt.Sprintf("near the hour change the knocks of %v and %v are both sent: it is not known which opened it; run it again after :02", hours[0], hours[1]))
	}
	if e.RulesContradict() {
		t.Why = append(t.Why, "by the rules that were given it would not open: they are not those that the server has now")
	}
	if _, wrong := e.wrongSkew(); wrong {
		t.Summary += ", but " + c.Summary(e.Now)
		t.Why = append(t.Why, "it opened with the skew set here: a clock that is off by less than an hour matters near the hour change alone")
	}
	return t
}

// lossyText is for a handshake that opens only when it is repeated.
func lossyText(attempt int) Text {
	return Text{fmt.Sprintf("it opens, but only at attempt %d: the path loses or reorders packets", attempt),
		"nothing is wrong with the gate; more attempts help: rapport knock --attempts",
		[]string{phrase.Plural(attempt-1, "handshake") + " had no effect, then SSH opened"}}
}

// refusingText is for an sshd that refuses this address.
func refusingText(what string, s knock.SSH, why string) Text {
	return Text{fmt.Sprintf("%s: %q", what, s.Banner),
		"wait before the next try, ten minutes at most by default; then log in, or see PerSourcePenalties and MaxStartups in sshd_config", []string{why}}
}

func (e *Evidence) beforeAndAfter() string {
	return fmt.Sprintf("SSH was %s before the handshake, and is %s after it", stateText(e.ShutState()), e.Reached().State)
}

// behindText is for an SSH server that does not work behind a gate that opened.
func behindText(summary, fix string) func(*Evidence) Text {
	return func(e *Evidence) Text { return Text{summary, fix, []string{e.beforeAndAfter()}} }
}

// unknocked says how often SSH's port was asked that answers without a knock.
func (e *Evidence) unknocked() string {
	if e.BeforeAgain.State == knock.SSHUnknown {
		return "it did so once: a window of an earlier handshake may be open"
	}
	return "it did so twice, with a window between"
}

// howOpened says what opened the gate, or proves what would.
func (e *Evidence) howOpened() string {
	o, _ := e.opened()
	switch {
	case e.Other != nil && e.Other.Opened:
		return "the same handshake opens SSH over IPv" + string(o.family)
	case o.tried == 0:
		return "the server's rules were made with " + o.Made()
	}
	how := fmt.Sprintf("of %d candidates, hour %v, range %v and the secret %s opened the gate", o.tried, o.Hour, o.Range, o.Variant.Words())
	if o.confirmed {
		how += ", and did so again on its own"
	}
	return how
}

func rangeText(e *Evidence) Text {
	o, _ := e.opened()
	return Text{fmt.Sprintf("the server's range is %v, here it is %v", o.Range, e.Target.Range), fmt.Sprintf("apply range %v here", o.Range), []string{e.howOpened()}}
}

func variantText(e *Evidence) Text {
	o, _ := e.opened()
	return Text{"the server has the secret " + o.Variant.Words(), "on the server: write the secret again, in one line, exactly as it is here", []string{e.howOpened()}}
}

func familyText(e *Evidence) Text {
	o, _ := e.opened()
	return Text{fmt.Sprintf("it opens over IPv%s, and not over IPv%s", o.family, e.Family()),
		fmt.Sprintf("apply IPv%s here; or give IPv%s the gate too: rapport rules HOST writes both", o.family, e.Family()), []string{e.howOpened()}}
}

func alreadyOpenText(e *Evidence) Text {
	t := Text{"SSH answers with no knock: nothing guards it", "set the gate up on the server: rapport help server tells each step, from rapport rules HOST on; if it was set up there before, see what rapport-gate status says there",
		[]string{"it answered twice, with more than a window between; only another login from this address meanwhile could look the same"}}
	switch {
	case e.BeforeAgain.State == knock.SSHUnknown:
		t.Why = []string{"it answered once; there was no time to wait until the window of an earlier handshake would have ended"}
	case !e.Waited:
		t.Why = []string{"it answered twice, with less than the window between: a handshake of a while ago could look the same"}
	}
	return t
}

func rateLimitedText(e *Evidence) Text {
	gap, again := phrase.Pause(time.Duration(e.Slow.Attempts[0].Gap)), "; there was no time to repeat it, and somebody else may have opened it"
	if e.Again {
		again = ", and did so again by its own fifth knock"
	}
	return Text{fmt.Sprintf("it opens only with gaps of %s between the knocks: something limits SYNs on the way or at the server", gap),
		fmt.Sprintf("apply gap %s here", gap),
		[]string{fmt.Sprintf("%s with short gaps had no effect, and one with gaps of %s opened it%s", phrase.Plural(len(e.Handshake.Attempts), "handshake"), gap, again)}}
}

// limitUnseenText says what was not tried slowly, where a limit may hide another fault.
func limitUnseenText(e *Evidence) Text {
	missing := "missing: no handshake was made with wide gaps"
	switch {
	case e.SlowHours > 0:
		missing = fmt.Sprintf("missing: with wide gaps only this hour and %s were tried", phrase.Plural(e.SlowHours, "other"))
	case e.Slow != nil:
		missing = "missing: with wide gaps only this hour was tried, there was no time for others"
	}
	return Text{"something may limit SYNs, and the server expect another hour, range or secret", "scan with a gap: set gap = \"1250ms\" for this server, and allow rapport scan some minutes", []string{missing}}
}

// proxiedText: behind a SYN proxy nobody sees the gate.
func proxiedText(*Evidence) Text {
	return Text{"a SYN proxy may answer for all ports: then the knocks may arrive, and what keeps the gate shut is not known", "give the server's rules: --rules FILE",
		[]string{"ports outside the range accept connections as well", "missing: no other hour, range or secret was tried"}}
}

func bannedText(e *Evidence) Text {
	t := Text{"the server answered this address at first, and ignores it now: it bans scanners, or all who knock in vain",
		"send nothing until the ban is over, or have it lifted; how long it lasts cannot be seen from here: fail2ban-client status on the server, or its rules, say so; then tell the doctor less to try",
		nil}
	switch {
	case e.shutOut():
		t.Summary = "the server's rules open the gate to others, and not to this address: it is banned"
		t.Why = append(t.Why, "the rules decide: "+e.decided(e.PlayedHere))
	case len(e.Silenced) > 0:
		t.Why = append(t.Why, strings.Join(e.Silenced, ", ")+" answered at first, and not any more")
	case e.FellSilent() && e.After.State != knock.SSHUnknown:
		t.Why = append(t.Why, fmt.Sprintf("SSH was %s at first, and is %s now, with no knock", stateText(e.ShutState()), e.After.State))
	case e.FellSilent():
		t.Why = append(t.Why, "the scan ended early: "+e.Scan.Stopped.String())
	default:
		t.Summary = "the server may ban this address"
		t.Why = append(t.Why, "nothing of the server answered at first, so a ban would not show")
	}
	return t
}

func addressesText(e *Evidence) Text {
	all := strings.Trim(fmt.Sprint(Sources(e.Handshake)), "[]")
	return Text{"the knocks and SSH leave this machine by different addresses: " + all,
		"give all ports of the server one route here: see ip rule and ip route get, and what the VPN leaves out",
		[]string{"the kernel chose " + all + " for the ports of one handshake; to the gate these are different clients"}}
}

// decided names the last packet that rules did not let through, and the rule.
func (e *Evidence) decided(t *trace.Trace) string {
	for i, p := range slices.Backward(t.Packets) {
		switch {
		case p.Decided == nil:
		case e.hidden && i < len(t.Packets)-1:
			return fmt.Sprintf("%s knock %d in chain %s, line %d", p.Verdict, i+1, p.Decided.Chain, p.Decided.Line)
		case e.hidden:
			return fmt.Sprintf("%s SSH in chain %s, line %d", p.Verdict, p.Decided.Chain, p.Decided.Line)
		default:
			return fmt.Sprintf("%s %s/%d by %s", p.Verdict, p.Proto, p.Port, p.Decided.Text)
		}
	}
	return "no rule lets the packets through"
}

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
	"silent-unknocked": func(e *Evidence) Text {
		return Text{"SSH's port accepts the connection with no knock, but no banner comes: sshd is stuck, and nothing guards it", "on the server: see what delays sshd, and that the gate is set up", []string{e.unknocked()}}
	},
	"tarpit": func(*Evidence) Text {
		return Text{"SSH's port accepts the connection with no knock, but no banner comes: a proxy or a tarpit answers in the server's place", "connect from another network", []string{"a tarpit on the way looks like an sshd that is stuck"}}
	},
	"not-ssh-unknocked": func(e *Evidence) Text {
		return Text{fmt.Sprintf("SSH's port accepts with no knock, but no SSH banner comes: something else answers %q", e.afterwards().Banner), "correct the SSH port", []string{e.unknocked()}}
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
		return refusingText("sshd refused this address, with no knock: nothing guards SSH", e.afterwards(), e.unknocked())
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
