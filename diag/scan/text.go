package scan

import (
	"fmt"
	"io"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/phrase"
)

// Progress prints what is going to be sent, before it is. On a terminal it
// prints the progress too: at most a line a second, about ten in all, and a hit.
func Progress(w io.Writer, terminal bool) func(Report) {
	announced, confirming := false, false
	printed, next := 0, knock.Millis(time.Second)
	return func(r Report) {
		if !announced {
			fmt.Fprintln(w, r.Announce)
		}
		announced = true
		if !terminal {
			return
		}
		if r.Confirming && !confirming {
			fmt.Fprintln(w, r.Summary())
		}
		confirming = r.Confirming
		tried := r.Tried()
		if r.Opened == nil && r.Elapsed >= next && tried-printed >= max(r.Candidates/10, 1) {
			printed, next = tried, r.Elapsed+knock.Millis(time.Second)
			fmt.Fprintf(w, "%d of %d candidates tried\n", tried, r.Candidates)
		}
	}
}

// Print prints what the scan of t found.
func (r Report) Print(w io.Writer, t knock.Target) {
	fmt.Fprintf(w, "%s %s\n", r.Host, t.Addr)
	fmt.Fprintln(w, r.Summary())
	if r.Opened != nil {
		if differs := r.Opened.Differs(t.Range); len(differs) > 0 {
			fmt.Fprintf(w, "differs: %s\n", strings.Join(differs, "; "))
		} else {
			fmt.Fprintln(w, "differs: nothing")
		}
	}
	for _, h := range r.Unconfirmed {
		if r.Opened == nil || *r.Opened != h {
			fmt.Fprintf(w, "not repeated: hour %v, range %v, the secret %s opened it once, and not again\n", h.Hour, h.Range, h.Variant.Words())
		}
	}
	if r.Opened == nil && r.BeyondGuard > 0 {
		fmt.Fprintf(w, "a gate with a sweep guard of %d would have ignored the last %d, unless range and secret are right\n", script.DefaultSweepGuard, r.BeyondGuard)
	}
	fmt.Fprintf(w, "%d candidates, %d packets, %d connections to SSH; the pass took %d ms, the whole scan %s\n", r.Candidates, r.Packets, r.Connections, time.Duration(r.Pass).Milliseconds(), phrase.Seconds(time.Duration(r.Elapsed)))
}
