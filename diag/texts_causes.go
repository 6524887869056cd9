package diag

import (
	"cmp"
	"fmt"
	"time"

	"rapport/diag/answers"
	"rapport/knock"
	"rapport/knock/phrase"
)

// ownText says what a diagnosis on the server itself does not show.
const ownText = "this was made on the server itself: what it sends to itself comes in by lo, where rules often differ; run it from another machine to see what others meet"

func opensText(e *Evidence) Text {
	t := Text{Summary: "the handshake opens SSH as it should", Why: []string{fmt.Sprintf("SSH was %s before the handshake, and open after it", answers.State(e.ShutState()))}}
	c := e.Clocks()
	if hours := answers.Hours(e.Handshake); len(hours) > 1 && !c.Known {
		t.Why = append(t.Why, fmt.Sprintf("near the hour change the knocks of %v and %v are both sent: it is not known which opened it; run it again after :02", hours[0], hours[1]))
	}
	if e.Varies.Closed {
		t.Summary = "the handshake opens SSH, which closes some connections without a banner"
		t.Why = append(t.Why, "the first connection was closed, and the next one got a banner: sshd may limit them")
	}
	if e.OwnAddr {
		t.Why = append(t.Why, ownText)
	}
	if e.openedOwn() {
		t.Why = append(t.Why, fmt.Sprintf("an answer takes %s: the handshake did not wait so long, and opened SSH when it was made again; rapport knock waits for two seconds", phrase.Pause(time.Duration(e.Scan.SSH.RTT).Round(100*time.Millisecond))))
	}
	switch {
	case e.ShutOut():
		t.Why = append(t.Why, "by the rules that were given it would not open from this machine's address: a NAT changes it on the way, or they are not those that the server has now")
	case e.RulesContradict():
		t.Why = append(t.Why, "by the rules that were given it would not open: they are not those that the server has now")
	}
	switch far := knock.HourOf(e.Now.Add(c.Skew)) != knock.HourOf(e.Now.Add(e.Target.Skew)); {
	case !e.wrongSkew():
	case far && e.Target.Skew == 0: // to refresh the rules by such a clock would shut the gate
		t.Why = append(t.Why, fmt.Sprintf("a clock at the server's address is %s, and the gate is in this machine's hour: that clock may be another machine's, as a router's; if it is the server's, set it before the rules are refreshed", phrase.Ahead(c.Skew.Round(time.Second))))
	case far:
		t.Summary += ", but " + c.Summary(e.Now)
		then, _ := c.RoundSkew()
		t.Why = append(t.Why, fmt.Sprintf("it opened with the skew of %s set here, so the server's rules are those of another hour than its clock shows: run the gate's refresh there, and set the skew to %s then", phrase.Duration(e.Target.Skew), phrase.Duration(then)))
	default:
		t.Summary += ", but " + c.Summary(e.Now)
		t.Why = append(t.Why, "it opened with the skew set here: a clock that is off by less than an hour matters near the hour change alone")
	}
	return t
}

// lossyText is for a handshake that opens only when it is repeated.
func lossyText(attempt int) Text {
	return Text{fmt.Sprintf("it opens, but only at attempt %d: the path loses or reorders packets", attempt),
		"more attempts help: rapport knock --attempts",
		[]string{phrase.Plural(attempt-1, "handshake") + " had no effect, then SSH opened"}}
}

// refusingText is for an sshd that refuses this address.
func refusingText(what string, s knock.SSH, why string) Text {
	return Text{fmt.Sprintf("%s: %q", what, s.Banner),
		"wait before the next try, ten minutes at most by default; then log in, or see PerSourcePenalties and MaxStartups in sshd_config", []string{why}}
}

func (e *Evidence) beforeAndAfter() string {
	return fmt.Sprintf("SSH was %s before the handshake, and is %s after it", answers.State(e.ShutState()), e.Reached().State)
}

// says is the text of a cause that is the same for all evidence.
func says(summary, fix string, why ...string) func(*Evidence) Text {
	return func(*Evidence) Text { return Text{summary, fix, why} }
}

// otherFirewall says what to do where a firewall besides the gate rejects SSH.
const otherFirewall = "on the server: let in there too whom the gate lets in; nft list ruleset shows the rules of all firewalls, as of firewalld and ufw besides the gate's"

// behindText is for an SSH server that does not work behind a gate that opened.
func behindText(summary, fix string) func(*Evidence) Text {
	return func(e *Evidence) Text { return Text{summary, fix, []string{e.beforeAndAfter()}} }
}

// startSSHD says what to do where nothing listens.
const startSSHD = "on the server: start sshd, or see where it listens (ss -ltnp): it may be another address or port (ListenAddress, Port in sshd_config); or correct the SSH port here"

func sshDownText(e *Evidence) Text {
	t := behindText("the gate opened, but nothing listens behind it", startSSHD)(e)
	if e.NoListener {
		t.Summary = fmt.Sprintf("nothing listens at %v, which is this machine", e.Target.Addr)
		t.Why = []string{"this machine's own list of sockets shows none that listens there", ownText}
	}
	return t
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
	case e.OtherOpens():
		return "the same handshake opens the gate over IPv" + string(o.family)
	case o.tried == 0:
		return "the server's rules were made with " + o.Made()
	}
	how := fmt.Sprintf("hour %v opened the gate", o.Hour)
	if o.confirmed {
		how += " twice"
	} else {
		how += " once"
	}
	how += fmt.Sprintf(", with range %v and the secret %s: one of %s", o.Range, o.Variant.Words(), phrase.Plural(o.tried, "candidate"))
	if s := e.Scan; s != nil && s.Opened != nil && s.Strict && s.Gap <= e.Target.Gap && !e.Target.Strict {
		how += ", and only with nothing sent between its knocks, as a strict gate needs"
	}
	if s := e.Scan; s != nil && s.Opened != nil && s.SSH.State == knock.SSHFiltered {
		how += "; missing: what SSH answers behind it was not read"
	}
	if e.Blocked() && !e.Egress.Whole {
		how += fmt.Sprintf("; that %s of this client's sequence is %s stops no other one", e.Egress.Names(e.hidden), e.Egress.Answer)
	}
	return how
}

func rangeText(e *Evidence) Text {
	o, _ := e.opened()
	return Text{fmt.Sprintf("the server's range is %v, here it is %v", o.Range, e.Target.Range), fmt.Sprintf("apply range %v here", o.Range), []string{e.howOpened()}}
}

func variantText(e *Evidence) Text {
	o, _ := e.opened()
	return Text{"the server has the secret " + o.Variant.Words(), o.Variant.Fix(), []string{e.howOpened()}}
}

func familyText(e *Evidence) Text {
	o, _ := e.opened()
	fix := fmt.Sprintf("apply IPv%s here", o.family)
	switch {
	case e.NoRoute != nil:
		fix += fmt.Sprintf("; or see why there is no route over IPv%s: the name's address, or this network", e.Family())
	case !e.Blocked() && e.accepting() <= mostServices && e.behindGate(e.Reached()) == "": // else it is not the gate
		fix += fmt.Sprintf("; or, if both addresses are the server's, give IPv%s the gate too: rapport rules HOST writes both", e.Family())
	}
	return Text{fmt.Sprintf("it opens over IPv%s, and not over IPv%s", o.family, e.Family()), fix, []string{e.howOpened()}}
}

func windowLongText(e *Evidence) Text {
	t := Text{"the handshake opens SSH, for longer than the window of the entry", fmt.Sprintf("compare the window on both sides: here it is %s; run it again when nobody has knocked for a while", phrase.Duration(e.Target.Window)),
		[]string{"SSH was " + answers.State(e.Handshake.Before.State) + " before the handshake, and accepted still when its window should have been over"}}
	if e.shutLater() {
		t.Why = append(t.Why, "later it was shut again")
	}
	return t
}

func alreadyOpenText(e *Evidence) Text {
	t := Text{"SSH answers with no knock: nothing guards it", "set the gate up on the server: rapport help server tells each step, from rapport rules HOST on; if it was set up there before, see what rapport-gate status says there",
		[]string{"it answered twice, with more than a window between; another login from this address meanwhile, or a rule that lets this network in, looks the same"}}
	switch {
	case e.opensBefore():
		t.Why = []string{"it answered with no knock when the window of the handshake was over; that no answer came at first looks like lost packets"}
	case e.BeforeAgain.State.Connected() && e.BeforeAgain.State != knock.SSHOpen:
		t.Why = []string{"it sent its banner once, and more than a window later it accepted and sent none: packets get lost, or sshd limits connections"}
	case e.BeforeAgain.State == knock.SSHUnknown:
		t.Why = []string{"it answered once; there was no time to wait until the window of an earlier handshake would have ended"}
	case !e.Waited:
		t.Why = []string{"it answered twice, with less than the window between: a handshake of a while ago could look the same"}
	}
	if s := e.OtherSSH.State; s == knock.SSHFiltered || s == knock.SSHRefused {
		t.Summary = fmt.Sprintf("SSH answers over IPv%s with no knock: nothing guards it there, and over the other family it is %s", e.Family(), s)
		t.Fix = fmt.Sprintf("give IPv%s the gate too: rapport rules HOST writes both", e.Family())
	}
	if banner := cmp.Or(e.BeforeAgain.Banner, e.Before.Banner); banner != "" {
		t.Why = append(t.Why, fmt.Sprintf("it says %q: if that is not the server's sshd, another machine answers at this address, as a router does in its own network", banner))
	}
	switch {
	case e.OwnAddr:
		t.Summary, t.Fix = "SSH answers with no knock at an address of this machine itself, which most firewalls do not guard from here", "run it from another machine"
		t.Why = append(t.Why, "rules that accept what comes in by lo let the machine itself past the gate: see iptables -S INPUT, or nft list ruleset")
	case e.LetIn != nil:
		t.Summary, t.Fix = "SSH answers with no knock: the server's rules let this address in", "nothing, if that is meant; else take that rule out on the server"
		t.Why = append(t.Why, "the rules decide: "+e.ruleText(e.Unknocked, 0, e.LetIn))
	case e.Unknocked != nil && !e.Unknocked.Opened:
		t.Why = append(t.Why, "by the rules that were given it would stay shut: they are not those that the server has now, or a NAT changes this client's address")
	}
	return t
}

// text is what is said of a cause; nothing for one that is not in the table.
func (e *Evidence) text(id ID) (t Text) {
	if f, known := causeTexts[id]; known {
		t = f(e)
	}
	switch {
	case len(t.Why) == 0:
	case e.overruled():
		t.Why = append(t.Why, "the rules that were given say that "+e.rulesSay()+": they are not those that the server has now")
	case id == "unexplained" && e.Outcome() == StaysShut && e.RulesProof() == Refuted:
		t.Why = append(t.Why, refutedText)
	case e.Claimed != nil && e.claimedReached():
		t.Why = append(t.Why, "the handshake that the rules expect was made, and opens it: they are those that the server has")
	}
	return t
}

// causeTexts has a text for each row of the table of causes.
var causeTexts = map[ID]func(*Evidence) Text{
	"dns-failure": func(e *Evidence) Text {
		return Text{e.NameError.Error(), "correct the name, or the family asked for; see that this machine's name servers answer", []string{"nothing was sent to the host"}}
	},
	"no-route": noRouteText,
	"ssh-rejected": func(e *Evidence) Text {
		return Text{"a router says of SSH's port alone that there is no route to the host: a filter on the way rejects it", "connect from another network, or have SSH's port let through",
			[]string{"other ports are not rejected", "missing: no handshake was made; a gate in that router may answer like this too"}}
	},
	"intercepted": interceptedText,
	"proxied":     proxiedText,
	"blocked":     blockedText,
	"dropped": func(e *Evidence) Text {
		return Text{"something on the way drops the knocks, or SSH", fmt.Sprintf("knock from another network, or have the range and SSH's port let through; a home router or a provider's firewall in front of the server has to let %v in too, not SSH alone", e.Target.Range),
			[]string{"a network that drops the knocks, or SSH, looks the same as a gate that stays shut: another network shows it"}}
	},
	"alike": func(e *Evidence) Text {
		return Text{"something rejects the knocks, as it does other ports", "knock from another network, or have the range let through",
			[]string{fmt.Sprintf("%s %s, and ports outside the range %s: the server itself may answer like this", phrase.Plural(len(e.Egress.Ports), "knock"), e.Egress.Answer, answers.List(e.Egress.Control))}}
	},

	"open":         opensText,
	"already-open": alreadyOpenText,
	"window-left":  says("the window of an earlier handshake is still open", "run it again when nobody has knocked for a while", "a window longer than the entry has looks the same"),
	"window-long":  windowLongText,
	"silent-unknocked": func(e *Evidence) Text {
		return Text{"SSH's port accepts the connection with no knock, but no banner comes: sshd is stuck, and nothing guards it", "on the server: see what delays sshd, and that the gate is set up", []string{e.unknocked()}}
	},
	"tarpit": says("SSH's port accepts the connection with no knock, but no banner comes: a proxy or a tarpit answers in the server's place", "connect from another network", "a tarpit on the way looks like an sshd that is stuck"),
	"not-ssh-unknocked": func(e *Evidence) Text {
		return Text{fmt.Sprintf("SSH's port accepts with no knock, but no SSH banner comes: something else answers %q", e.afterwards().Banner), "correct the SSH port", []string{e.unknocked()}}
	},
	"lossy-path":    func(e *Evidence) Text { return lossyText(e.Handshake.OpenedBy + 1) },
	"repeated":      func(e *Evidence) Text { return lossyText(len(e.Handshake.Attempts) + 1) },
	"path-gone":     says("nothing of the server answers any more: the path to it is lost", "see whether other hosts answer from here, and run it again", "what answered at first is silent now: a ban of this address looks the same"),
	"ssh-limits":    says("sshd closes some of the connections without a word", "on the server: see MaxStartups and PerSourceMaxStartups in sshd_config, and who else is connected", "the first connection behind the gate was closed, and the next one got a banner"),
	"banner-late":   behindText("SSH's port accepts the connection, and its banner is late", ""),
	"accepted-once": says("SSH accepted a connection, but no banner came, and that was not seen again: the path loses packets", "run it again; more attempts help: rapport knock --attempts", "the same was not seen twice"),
	"lost-twice": func(e *Evidence) Text {
		if e.Ended {
			return Text{"something opened the gate once", "give it more time", []string{"there was no time to try it again: somebody else may have knocked"}}
		}
		return Text{"something opened the gate once, and not again", "run it again: somebody else may have knocked, and packets get lost",
			[]string{"something opened the gate once and not again: packets get lost, or someone else knocked"}}
	},
	"ssh-down":            sshDownText,
	"ssh-rejected-behind": behindText("the gate opens, and a rule behind it rejects SSH", otherFirewall),
	"ssh-host-gone":       behindText("the gate opens, and the host does not answer that SSH is forwarded to", "on the server: see where it forwards SSH to (nft list ruleset), and start that host"),
	"ssh-rejected-unseen": says("the gate may have opened to another hour, range or secret, and a rule behind it rejects SSH", otherFirewall, "SSH was rejected while others were tried, as behind a gate that opened"),
	"ssh-silent": func(e *Evidence) Text {
		if e.Reached().Closed {
			return behindText("SSH's port accepts the connection, and closes it without a banner", "on the server: see sshd's log, /etc/hosts.deny, MaxStartups, and ssh.socket where systemd starts sshd")(e)
		}
		return behindText("SSH's port accepts the connection, but no banner comes: the session is cut off or stuck", "on the server: see what delays sshd, and that established connections are accepted")(e)
	},
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
	"clock-another":       clockAnotherText,
	"rules-zone":          rulesZoneText,
	"rules-zone-east":     rulesZoneEastText,
	"client-clock-also":   clientAlsoText,
	"server-clock-also":   serverClockAlsoText,
	"hour-elsewhere":      hourElsewhereText,
	"clock-doubtful": func(e *Evidence) Text {
		return Text{"the server's clock is wrong: " + e.expects(), "on the server: timedatectl set-ntp true; " + e.untilKnown(), []string{"one of the sources of its clock agrees, and another does not", e.howOpened()}}
	},
	"stale-doubtful": func(e *Evidence) Text {
		return Text{"the server's rules are stale: " + e.expects(), "on the server: run the gate's refresh; " + e.untilKnown(), []string{"one of the sources says that the server's clock is right, and another does not", e.howOpened()}}
	},
	"ssh-down-long": says("the gate may open for longer than the window of the entry, with nothing behind it on SSH's port", "on the server: start sshd; and compare the window on both sides", "SSH was silent at first, and is refused after knocks, for longer than the window"),
	"ssh-down-unseen": func(e *Evidence) Text {
		return Text{fmt.Sprintf("sshd may be stopped, or not listen on port %d", e.Target.Addr.Port()), startSSHD,
			[]string{"a port where nothing listens refuses like a gate that rejects"}}
	},
	"hours-ahead": says("the server may be at a later hour", "run it with --future 26", "future hours were not tried; rules made in a time zone to the east, as by date without -u, are of a later hour than a right clock"),

	"rate-limited":     rateLimitedText,
	"limit-unseen":     limitUnseenText,
	"ssh-limited":      sshLimitedText,
	"banned":           bannedText,
	"banned-there":     bannedThereText,
	"addresses":        addressesText,
	"addresses-unseen": says("the knocks and SSH may arrive from different addresses", "on the server rapport watch shows from which address each knock comes; or knock from another network", "a carrier's NAT with several addresses looks the same from here"),
	"pool-luck":        says("the knocks may arrive from changing addresses", "on the server rapport watch shows from which address each knock comes", "behind a NAT with several addresses, some handshakes open the gate by luck"),
	"gate-unseen":      says("the server's gate may be another one", "give its rules: --rules FILE", "a gate with another number or order of knocks, for UDP or for another SSH port stays shut as well"),
	"strict-unseen":    says("the gate may be strict, and expect another hour, range or secret", "if the gate is strict, set that here and run it again: rapport hosts edit HOST --strict", "a strict gate starts over at a wrong knock, so that many candidates in one pass open nothing"),
	"not-admitted":     notAdmittedText,
	"order-slips": func(e *Evidence) Text {
		t := e.orderText(Text{Summary: "the server's gate may have another order of knocks", Fix: "give its rules: --rules FILE"})
		t.Why = []string{"a handshake that is repeated opens a gate with another order, too"}
		return t
	},
	"some-accept": func(e *Evidence) Text {
		open, _ := answers.With(e.Handshake, knock.Open)
		return Text{"something accepts some of the knocks in the gate's place", "knock from another network; on the server, put the gate's rules first", []string{phrase.Plural(len(open), "port") + " accepted: a service of the server's own, or one that takes the knock"}}
	},
	"seemed": func(e *Evidence) Text {
		c, _ := e.seemed()
		if e.Ended {
			return Text{"it seemed to open with " + c.Made(), "give it more time", []string{c.Made() + " opened it once, and there was no time to try that again"}}
		}
		return Text{"it seemed to open with " + c.Made(), "run it again", []string{c.Made() + " opened it once and not again: packets get lost, or somebody else knocked"}}
	},
	"other-ssh-port": func(e *Evidence) Text {
		why := "the server's rules say so"
		if e.Claimed != nil && e.Claimed.Opened {
			why += ", and a handshake opens that port"
		}
		return Text{fmt.Sprintf("the server's gate opens SSH port %d, here it is %d", e.OtherPort(), e.Target.Addr.Port()), fmt.Sprintf("apply SSH port %d here", e.OtherPort()), []string{why}}
	},
	"range":   rangeText,
	"variant": variantText,
	"family":  familyText,

	"other-secret":    otherSecretText,
	"other-rules":     otherRulesText,
	"sequence-unseen": says("this hour's handshake may be used up: a replay guard lets in only addresses that made it already", "wait for the next hour, or give the server's rules: --rules FILE", "the rules, which would show a replay guard, were not given"),
	"sequence-used":   says("this hour's handshake was used up: the replay guard lets in only addresses that made it already", "wait for the next hour; or raise the guard on the server: rapport rules HOST --replay-guard=N", "the rules have a replay guard, and expect the very sequence that was sent"),
	"rules-problem":   rulesProblemText,
	"no-gate":         noGateText,
	"not-arriving":    notArrivingText,
	"nothing-tried":   says("the diagnosis ended before anything was tried", "give it more time", "no handshake was made"),
	"unexplained":     unexplainedText,
}
