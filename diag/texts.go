package diag

import "strings"

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

// FixOf says what to do about a cause that is likely enough, empty for others.
func (r Report) FixOf(c Cause) string {
	const likely = 0.1
	if c.Likelihood < likely {
		return ""
	}
	return r.Evidence.text(c.ID).Fix
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
