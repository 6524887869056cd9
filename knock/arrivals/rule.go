package arrivals

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
	"rapport/knock/phrase"
)

// What the rules of a server say of a client that did all rightly. Who has the rules plays
// the client's packets through them, and says with [Client.Explain] what came of it.

// Rule is a rule of the server, or the policy of a chain, and what it did.
type Rule struct {
	Table   string `json:"table,omitempty"`
	Chain   string `json:"chain,omitempty"`
	Number  int    `json:"rule"` // in its chain, from 1; 0 is the policy, or not known
	Text    string `json:"text"`
	Verdict string `json:"verdict"` // accept, drop, reject or unknown
	// Reason says why a rule of the gate did not match, or why that is unknown.
	Reason string `json:"reason,omitempty"`
	Source bool   `json:"names_client,omitempty"` // it asks for the client's address
	Answer bool   `json:"of_answer,omitempty"`    // it decided about sshd's answer
}

// Wants says how the handshake of a gate differs from the client's. Zero fields do not.
type Wants struct {
	Knocks   int          `json:"knocks,omitempty"`
	Others   int          `json:"other_ports,omitempty"` // of the five
	Protocol string       `json:"protocol,omitempty"`    // udp
	Order    []int        `json:"order,omitempty"`       // of the five knocks
	Family   knock.Family `json:"family,omitempty"`      // it has no other
}

// Sequence returns the five ports of the client's candidate.
func (c *Client) Sequence() [knock.Knocks]uint16 { return c.made.Ports }

// Barred reports whether the client did all rightly, as far as its packets show, and was
// not let in: the server's rules may say why.
func (c *Client) Barred() bool {
	told := c.Has(Unanswered) || c.Has(SSHRefused) || c.Has(KnocksRejected) || c.Has(KnocksSeized)
	return told && c.right && c.Phase == knock.Knocks && !c.In && len(c.SSH) > 0
}

// Packets returns the client's SYNs in the order in which they count: those that arrived,
// where the server's side was observed.
func (c *Client) Packets() []Knock {
	all := slices.Concat(c.Knocks, c.SSH)
	if c.arrived {
		all = slices.DeleteFunc(all, func(k Knock) bool { return k.Arrived.IsZero() })
	}
	slices.SortStableFunc(all, func(a, b Knock) int { return a.At().Compare(b.At()) })
	return all
}

// Explain replaces what was found of a client that is barred by what the server's rules
// say: f, and the phase that it reached. A rule that lets SSH in explains nothing, and leaves
// the finding as it is.
func (c *Client) Explain(f Finding, reached int) {
	c.Reached = min(reached, knock.Knocks)
	for i := range c.Knocks {
		if k := &c.Knocks[i]; k.Entered > reached {
			k.Entered = 0
		}
	}
	if f.Code != RuleStops && f.Code != GateDiffers && f.Code != SSHPort {
		for i := range c.Findings {
			if o := &c.Findings[i]; o.Code == Unanswered || o.Code == SSHRefused && len(o.Addrs) == 0 {
				o.Rule = f.Rule
			}
		}
		return
	}
	answers := []Code{Unanswered, SSHRefused, KnocksRejected, KnocksSeized}
	c.Findings = append([]Finding{f}, slices.DeleteFunc(slices.Clone(c.Findings), func(o Finding) bool { return slices.Contains(answers, o.Code) })...)
}

// RecordWaits records, of a client that the rules let in and that got no answer, how many
// connections sshd has not taken: the kernel answers no SYN when there are too many.
func (c *Client) RecordWaits(n int) {
	for i := range c.Findings {
		if f := &c.Findings[i]; f.Code == Unanswered && f.Rule != nil {
			f.Waits = n
		}
	}
}

// aboutRule is Summary for a rule that stops a client.
func (f Finding) aboutRule() string {
	r, what := f.Rule, "SSH"
	switch {
	case r.Answer:
		what = "sshd's answer"
	case len(f.Knocks) == knock.Knocks:
		what = "all five knocks"
	case len(f.Knocks) > 0:
		what = "the " + ordinals(f.Knocks)
	}
	switch {
	case r.Verdict == "unknown":
		return fmt.Sprintf("handshake complete and in time, and SSH stayed shut; perhaps for a rule whose outcome is not known (%s): %s", r.Reason, r.Text)
	case r.Reason != "":
		return fmt.Sprintf("the gate's rule for %s does not match: %s (%s): %s", what, r.Reason, r.place(), r.Text)
	case r.Verdict == "accept":
		return fmt.Sprintf("the server's rules accept %s before the gate sees it (%s): %s", what, r.place(), r.Text)
	}
	return fmt.Sprintf("the server's rules %s %s (%s): %s", cmp.Or(r.Verdict, "drop"), what, r.place(), r.Text)
}

// place says where the rule stands.
func (r *Rule) place() string {
	place := "chain " + r.Chain
	if strings.Contains(r.Table, " ") { // of nft
		place += ", table " + r.Table
	}
	if r.Number > 0 {
		place = fmt.Sprintf("rule %d of %s", r.Number, place)
	}
	return place
}

// fix says what to do about a rule that stops a client.
func (r *Rule) fix() string {
	switch {
	case r.Verdict == "unknown" || r.Reason != "":
		return "on the server, look at that rule; rapport trace shows what the packets meet"
	case r.Source:
		return "on the server, lift the ban: that rule asks for the client's address"
	case r.Answer:
		return "on the server, let the answers of sshd out"
	}
	return "on the server, let the gate's rules stand before that rule"
}

// masked returns the rule without its text, if that names the port of a knock.
func (r *Rule) masked(knocks []Knock) *Rule {
	if r == nil || !slices.ContainsFunc(knocks, func(k Knock) bool { return strings.Contains(r.Text+r.Reason, strconv.Itoa(int(k.Port))) }) {
		return r
	}
	o := *r
	o.Text, o.Reason = "*****", ""
	return &o
}

// words says what the gate wants.
func (w *Wants) words() string {
	if w.Family != "" {
		return fmt.Sprintf("IPv%s: it has no rules for the other family", w.Family)
	}
	var all []string
	if w.Knocks > 0 {
		all = append(all, fmt.Sprintf("%d knocks", w.Knocks))
	}
	if w.Others > 0 {
		all = append(all, phrase.Plural(w.Others, "other port")+", of another hour, range or secret")
	}
	if w.Protocol != "" {
		all = append(all, strings.ToUpper(w.Protocol)+" packets")
	}
	if len(w.Order) > 0 {
		all = append(all, "the knocks in the order "+strings.Trim(fmt.Sprint(w.Order), "[]"))
	}
	return strings.Join(all, ", ")
}

// fix says what to do about a gate that wants something else.
func (w *Wants) fix() string {
	if w.Family != "" {
		return fmt.Sprintf("connect with rapport ssh -%s HOST; or, on the server, load the gate for both families", w.Family)
	}
	if w.Others > 0 {
		return "on the server, refresh the rules; if that does not help: rapport inspect RULES HOST says how they were made"
	}
	return "on the server, load a gate of five TCP knocks in order: rapport rules HOST prints one"
}
