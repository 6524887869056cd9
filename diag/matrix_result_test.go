package diag_test

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"rapport/diag"
)

// result is what came of a row of the matrix.
type result struct {
	fault
	code           diag.Code
	likelihood     float64
	took, probable time.Duration // until the verdict was confirmed, and was first given
	connections    int
	wrong          bool
}

type results []result

// written is a table of tab-separated lines.
func written(lines ...string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
	w.Flush()
	return b.String()
}

// table has a line for each row.
func (all results) table() string {
	lines := []string{"fault\texpected\tgot\tlikelihood\tprobable\tseconds\tconnections\t"}
	for _, r := range all {
		mark := ""
		if r.wrong {
			mark = "wrong"
		}
		lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%.2f\t%.1f\t%.1f\t%d\t%s", r.name, r.expects(), r.code, r.likelihood, r.probable.Seconds(), r.took.Seconds(), r.connections, mark))
	}
	return written(lines...)
}

// calibration compares how sure the verdicts were with how often they were right.
func (all results) calibration() string {
	lines := []string{"likelihood\tgiven\tright\tshare"}
	for _, from := range []float64{0.9, 0.7, 0.5, 0.3, 0} {
		given, right := 0, 0
		for _, r := range all {
			if r.likelihood < from || slices.ContainsFunc([]float64{0.3, 0.5, 0.7, 0.9}, func(f float64) bool { return f > from && r.likelihood >= f }) {
				continue
			}
			if given++; slices.Contains(r.expects(), r.code) {
				right++
			}
		}
		if given > 0 {
			lines = append(lines, fmt.Sprintf("%.1f and more\t%d\t%d\t%.0f %%", from, given, right, 100*float64(right)/float64(given)))
		}
	}
	return written(lines...)
}

// times are the median and the worst, in seconds.
func (all results) times() string {
	line := func(name string, of func(result) time.Duration) string {
		var d []time.Duration
		for _, r := range all {
			d = append(d, of(r))
		}
		if slices.Sort(d); len(d) == 0 {
			return name
		}
		return fmt.Sprintf("%s\t%.1f\t%.1f", name, d[len(d)/2].Seconds(), d[len(d)-1].Seconds())
	}
	return written("seconds\tmedian\tworst", line("probable cause", func(r result) time.Duration { return r.probable }), line("verdict", func(r result) time.Duration { return r.took }))
}
