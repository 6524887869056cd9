package diag

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/diag/answers"
	"rapport/knock"
	"rapport/knock/phrase"
)

func noRouteText(e *Evidence) Text {
	summary := "host unreachable: no route to host"
	if e.NoRoute != nil {
		summary = e.NoRoute.Error()
	}
	if h := e.Elsewhere; h != nil && h.Opened {
		summary += "; the handshake opens SSH at its other address, " + h.Address
	}
	t := Text{summary, "check the address, and this machine's network", append([]string{"this machine, or a router on the way, says that there is no route to the host"}, e.untriedText()...)}
	if c, ok := e.seemed(); ok {
		t.Summary += "; before, it seemed to open with " + c.Made()
		t.Fix, t.Why = "check this machine's network, then run it again", append(t.Why, e.scanEvidence()...)
	}
	return t
}

// untriedText says which addresses of the name were not tried.
func (e *Evidence) untriedText() []string {
	if len(e.Untried) == 0 || e.Elsewhere != nil || e.Outcome() == RouteFails && len(e.Untried) <= MostOthers {
		return nil
	}
	return []string{"missing: the name has other addresses, which were not tried: " + strings.Trim(fmt.Sprint(e.Untried), "[]")}
}

func interceptedText(e *Evidence) Text {
	open, _ := answers.With(e.Handshake, knock.Open)
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
	case g.FromOther(e.Target.Addr.Addr()):
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
	t.Why = []string{fmt.Sprintf("%s %s", g.Names(e.hidden || g.Whole), g.Answer)}
	if g.From.IsValid() {
		t.Why = append(t.Why, g.From.String()+" says so")
	}
	if g.TooSoon() {
		t.Why = append(t.Why, fmt.Sprintf("rejected after %s by a host that is %s away", phrase.Millis(g.Rejected), phrase.Millis(g.Host)))
	}
	if len(g.Control) > 0 {
		t.Why = append(t.Why, "ports outside the range: "+answers.List(g.Control))
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
	missing, fix := "missing: no handshake was made with wide gaps", "scan with a gap: set gap = \"1250ms\" for this server, and allow rapport scan some minutes"
	switch {
	case e.Target.Gap >= 500*time.Millisecond && e.Slow == nil:
		missing, fix = "missing: nothing was tried with gaps wider than that of "+phrase.Pause(e.Target.Gap)+" which is set here", "set a wider gap for this server, and allow rapport scan some minutes"
	case e.SlowHours > 0:
		missing = fmt.Sprintf("missing: with wide gaps only this hour and %s were tried", phrase.Plural(e.SlowHours, "other"))
	case e.Slow != nil:
		missing = "missing: with wide gaps only this hour was tried, there was no time for others"
	}
	t := Text{"something may limit SYNs, and the server expect another hour, range or secret", fix, []string{missing}}
	if e.unrepeated() {
		t.Why = append(t.Why, "where connections to SSH are limited, what opens the gate once does not do so again at once: try that hour by hand, with nothing sent for two minutes before")
	}
	return t
}

// sshLimitedText is that of a limit on connections to SSH alone.
func sshLimitedText(e *Evidence) Text {
	t := Text{"the server limits connections to SSH: it has had too many of this address, and the knocks go on as before",
		"connect to SSH no more for a minute or two, then run it again; on the server, put that limit behind the gate (ufw limit lets six connections in 30 s through, and counts those that the gate drops)",
		[]string{fmt.Sprintf("SSH was %s at first, and %s later, with no knock; the knock ports answered as at first", answers.State(e.ShutState()), answers.State(e.Limited))}}
	if e.wrongSkew() {
		c := e.Clocks()
		t.Why = append(t.Why, c.Summary(e.Now)+": once SSH answers as at first, that hour is the first that is tried")
	}
	t.Why = append(t.Why, e.scanEvidence()...)
	return t
}

// proxiedText: behind a SYN proxy nobody sees the gate.
func proxiedText(*Evidence) Text {
	return Text{"a SYN proxy may answer for all ports: then the knocks may arrive, and what keeps the gate shut is not known", "give the server's rules: --rules FILE",
		[]string{"ports outside the range accept connections as well", "missing: no other hour, range or secret was tried"}}
}

func bannedText(e *Evidence) Text {
	t := Text{"the server answered this address at first, and ignores it now: it bans scanners, or all who knock in vain",
		"send nothing until the ban is over, or have it lifted: on the server fail2ban-client status, or its rules, show it; then run it with a smaller --past, which sends less",
		nil}
	switch {
	case len(e.Silenced) > 0:
		t.Why = append(t.Why, strings.Join(e.Silenced, ", ")+" answered at first, and not any more")
	case e.Limited != knock.SSHUnknown:
		t.Why = append(t.Why, fmt.Sprintf("SSH was %s at first, and %s later, with no knock", answers.State(e.ShutState()), answers.State(e.Limited)))
	case e.FellSilent() && e.After.State != knock.SSHUnknown && e.After.State != e.ShutState():
		if e.ShutState() == knock.SSHFiltered { // nothing answered at first
			t.Summary = "the server rejects this address now, and did not at first: it bans scanners, or all who try SSH too often"
		}
		t.Why = append(t.Why, fmt.Sprintf("SSH was %s at first, and is %s now, with no knock", answers.State(e.ShutState()), e.After.State))
	case e.FellSilent():
		t.Why = append(t.Why, "the scan ended early: "+e.Scan.Stopped.String())
	default:
		t.Summary, t.Fix = "the server may ban this address", "on the server: see whether fail2ban-client status, or the rules, name the address that the knocks come from"
		why := "nothing of the server answered at first, so a ban would not show"
		if e.AnsweredAtAll() {
			why = "SSH was silent at first, so a ban from SSH would not show"
		}
		t.Why = append(t.Why, slices.Concat(e.bansText(), []string{why}, e.listsText())...)
	}
	return t
}

func bannedThereText(e *Evidence) Text {
	if l := e.Listed; l != nil {
		from := answers.Sources(e.Handshake)[0]
		t := Text{fmt.Sprintf("the server's rules ban this address: %s held it when they were printed", l.Name), fmt.Sprintf("on the server: nft delete element %s { %s }; or wait until it is over", l.Name, l.Has(from).Addr),
			[]string{fmt.Sprintf("the rules decide: line %d shuts out whom %s holds", l.Line, l.Name)}}
		if left := l.Has(from).Expires; left > 0 {
			t.Summary += ", for another " + phrase.Span(left)
		}
		return t
	}
	return e.shutOutText("the server's rules ban this address, and open the gate to others", "on the server: lift the ban: fail2ban-client status says whose it is")
}

func addressesText(e *Evidence) Text {
	all := strings.Trim(fmt.Sprint(answers.Sources(e.Handshake)), "[]")
	return Text{"the knocks and SSH leave this machine by different addresses: " + all,
		"give all ports of the server one route here: see ip rule and ip route get, and what the VPN leaves out",
		[]string{"the kernel chose " + all + " for the ports of one handshake; to the gate these are different clients"}}
}
