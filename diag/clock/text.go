package clock

import (
	"fmt"
	"io"
	"time"

	"rapport/knock/phrase"
)

// Print prints a line for each source, the result beside the known skew, and the
// command that sets the skew.
func (r Report) Print(w io.Writer, known time.Duration, now time.Time, command func(skew time.Duration) string) {
	fmt.Fprintf(w, "%s %s\n", r.Host, r.Address)
	fmt.Fprintf(w, "this machine's clock: %s, %s\n", r.Local.Time.UTC().Format("2006-01-02 15:04:05 UTC"), r.LocalSummary())
	r.printReadings(w, Local)
	fmt.Fprintln(w, "the server's clock minus this one, by")
	r.printReadings(w, Server)
	fmt.Fprintln(w, r.Summary(now))
	skew, ok := r.RoundSkew()
	switch {
	case known != 0 && ok && skew == known:
		fmt.Fprintf(w, "that is the known skew, %s\n", phrase.Duration(known))
		return
	case known != 0:
		fmt.Fprintf(w, "the known skew is %s\n", phrase.Duration(known))
	}
	if ok && skew != known {
		fmt.Fprintln(w, "to apply it:", command(skew))
	}
}

func (r Report) printReadings(w io.Writer, of Side) {
	for _, s := range r.Sources {
		if s.Of == of {
			fmt.Fprintf(w, "  %-8s  %s\n", s.Name, s.Text())
		}
	}
}
