package diag

import (
	"fmt"
	"strings"
	"time"

	"rapport/knock"
)

// Text writes the report as plain text, for a ticket or a mail. It never holds
// the secret. Knocked ports and the texts that servers sent are in it only if
// full is set.
func (r Report) Text(full bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("rapport doctor: %s %s, %s", r.Host, r.Address, r.At.UTC().Format(time.RFC3339))
	line("verdict: %s: %s", r.Verdict.Code, r.Verdict.Summary)
	if r.Verdict.Fix != "" {
		line("fix: %s", r.Verdict.Fix)
	}
	for _, c := range r.Checks {
		line("  %-7s %-13s %s", c.Status, c.ID, c.Summary)
	}
	if r.Clock != nil {
		for _, s := range r.Clock.Sources {
			line("  %-13s %s", s.Name, s.Text())
		}
	}
	for _, c := range r.Causes {
		line("  %3.0f %%   %s: %s", c.Likelihood*100, c.Code, strings.Join(c.Evidence, "; "))
	}
	if full {
		for _, h := range []*knock.Report{r.Handshake, r.Other} {
			if h == nil {
				continue
			}
			for i, a := range h.Attempts {
				if i > 0 && a.Silent() {
					line("  %s attempt %d: %d knocks, all silent", h.Address, i+1, len(a.Knocks))
					continue
				}
				line("  %s attempt %d", h.Address, i+1)
				for _, k := range a.Knocks {
					line("    %5d %s", k.Port, k.Answer)
				}
			}
			if h.SSH.Banner != "" {
				line("    ssh: %s", h.SSH.Banner)
			}
		}
		return b.String()
	}
	return r.withoutBanners(b.String())
}

// withoutBanners removes the texts that servers sent. They stand in quotes, so
// the same words elsewhere in the report stay.
func (r Report) withoutBanners(text string) string {
	said := []string{r.Verdict.Detail.Text}
	for _, h := range []*knock.Report{r.Handshake, r.Other} {
		if h != nil {
			said = append(said, h.SSH.Banner)
		}
	}
	if r.Scan != nil {
		said = append(said, r.Scan.SSH.Banner)
	}
	for _, s := range said {
		if s != "" {
			text = strings.ReplaceAll(text, fmt.Sprintf("%q", s), "(left out)")
		}
	}
	return text
}
