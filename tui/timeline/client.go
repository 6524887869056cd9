package timeline

import (
	"fmt"
	"slices"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Knocks are the SYNs of a client, in the order in which they came, and those of the five
// that are missing.
func (l Line) Knocks(c arrivals.Client) (all []Moment) {
	there := c.Has(arrivals.KnockLost) || c.Has(arrivals.SSHLost) ||
		slices.ContainsFunc(slices.Concat(c.Knocks, c.SSH), func(k arrivals.Knock) bool { return !k.Arrived.IsZero() })
	for _, k := range c.Knocks {
		all = append(all, l.knock(c, k, there))
	}
	for _, k := range c.SSH {
		all = append(all, l.ssh(c, k, there))
	}
	slices.SortStableFunc(all, func(a, b Moment) int { return a.seen().Compare(b.seen()) })
	return l.withMissing(all, c)
}

// knock says what became of a SYN to another port than SSH; there says that the server's
// side was observed.
func (l Line) knock(c arrivals.Client, k arrivals.Knock, there bool) Moment {
	th := l.Theme
	m := Moment{Name: "-", Port: l.Port(k.Port), Left: k.Sent, At: k.Arrived, Words: "no knock", Tone: th.Faint, order: k.Phase}
	if k.Phase > 0 {
		m.Name = session.Ordinals()[k.Phase-1]
		m.Words, m.Tone = "ignored", th.Warn
	}
	switch {
	case there && k.Arrived.IsZero():
		m.lose(c, l)
	case k.Entered > 0 && there:
		m.Words, m.Tone = fmt.Sprintf("phase %d", k.Entered), th.Steps[k.Entered-1]
	case k.Phase > 0 && found(c, arrivals.Late, k.Phase):
		m.Words = "late"
	case k.Phase > 0 && found(c, arrivals.Reordered, k.Phase):
		m.Words = "reordered"
	case k.Phase > 0 && !there:
		m.Words, m.Tone = "left", th.Ink
	}
	m.answered(k)
	if k.Repeats > 0 {
		m.Words += fmt.Sprintf(", came %d times", k.Repeats+1)
	}
	return m
}

// ssh says what became of a SYN to the SSH port.
func (l Line) ssh(c arrivals.Client, k arrivals.Knock, there bool) Moment {
	th := l.Theme
	m := Moment{Name: "SSH", Port: fmt.Sprint(k.Port), Left: k.Sent, At: k.Arrived, Words: "silent", Tone: th.Warn, order: knock.Knocks + 1}
	switch {
	case there && k.Arrived.IsZero():
		m.lose(c, l)
		m.answered(k)
	case k.Answer == arrivals.Accepted && !k.Between:
		m.Words, m.Tone = "got in", th.Open
	case k.Answer != arrivals.SYN:
		m.Words, m.Tone = "", th.Bad
		m.answered(k)
	}
	return m
}

// lose says that a packet left, and did not arrive as far as was observed.
func (m *Moment) lose(c arrivals.Client, l Line) {
	if m.Words, m.Tone = "not seen there", l.Theme.Warn; !c.Has(arrivals.CutOff) {
		m.Words, m.Tone, m.Lost = "lost", l.Theme.Bad, true
	}
}

// answered adds what answered a packet.
func (m *Moment) answered(k arrivals.Knock) {
	if k.Answer == arrivals.SYN {
		return
	}
	if m.Words != "" {
		m.Words += ", "
	}
	if m.Words += k.Answer.String(); k.Between {
		m.Words += " on the way"
	}
}

// found reports whether a finding names one of the five knocks.
func found(c arrivals.Client, code arrivals.Code, phase int) bool {
	return slices.ContainsFunc(c.Findings, func(f arrivals.Finding) bool { return f.Code == code && slices.Contains(f.Knocks, phase) })
}

// withMissing adds a row for each of the five knocks that nobody saw, at its place.
func (l Line) withMissing(all []Moment, c arrivals.Client) []Moment {
	for _, f := range c.Findings {
		words := map[arrivals.Code]string{arrivals.KnockMissing: "never arrived", arrivals.KnockUnsent: "never left"}[f.Code]
		if words == "" {
			continue
		}
		for _, k := range f.Knocks {
			at := slices.IndexFunc(all, func(m Moment) bool { return m.order > k })
			if at < 0 {
				at = len(all)
			}
			all = slices.Insert(all, at, Moment{Name: session.Ordinals()[k-1], Words: words, Tone: l.Theme.Bad, order: k})
		}
	}
	return all
}

// Verdict says what a client's knocks were made with, what went wrong, and the fix.
func (l Line) Verdict(c arrivals.Client) (all []Said) {
	add := func(tone ui.Style, text string) {
		if !slices.ContainsFunc(all, func(s Said) bool { return s.Text == text }) {
			all = append(all, Said{text, tone})
		}
	}
	th := l.Theme
	if c.Candidate != nil {
		add(th.Quiet, "made with "+c.Candidate.Made())
	}
	switch {
	case c.In:
		add(th.Open, c.Summary())
	case len(c.Findings) > 0:
		add(th.Warn, c.Summary())
	default:
		add(th.Ink, c.Summary())
	}
	for _, f := range c.Findings {
		if f.Fix() != "" {
			add(th.Ink, "fix: "+f.Fix())
		}
	}
	for _, k := range slices.Concat(c.Knocks, c.SSH) {
		if k.From.IsValid() {
			add(th.Quiet, fmt.Sprintf("arrives from %v", k.From))
		}
	}
	return all
}
