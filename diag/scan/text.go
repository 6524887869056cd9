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

// Summary says in one lower-case line what the scan found so far.
func (r Report) Summary() string {
	switch {
	case r.Opened == nil && r.Stopped.Reason == OutOfTime:
		return fmt.Sprintf("out of time after %d of %s: allow more with --timeout", r.Tried(), phrase.Plural(r.Candidates, "candidate"))
	case r.Opened == nil && !r.Stopped.IsZero():
		return r.Stopped.String()
	case r.Opened == nil && r.Untried > 0:
		return noneOpens(r.Candidates-r.Untried) + "; " + r.LeftOut()
	case r.Opened == nil:
		return noneOpens(r.Candidates)
	case r.Confirming:
		return fmt.Sprintf("hour %v, range %v opens: confirming once the window is over", r.Opened.Hour, r.Opened.Range)
	case r.StillOpen && r.Endless:
		return fmt.Sprintf("hour %v, range %v, the secret %s opens it; SSH was still open a window later, so it was not confirmed: the window may be longer than the one set here", r.Opened.Hour, r.Opened.Range, r.Opened.Variant.Words())
	case r.StillOpen:
		return fmt.Sprintf("hour %v, range %v, the secret %s opens it; no time, or no connection to SSH, was left to confirm it after its window", r.Opened.Hour, r.Opened.Range, r.Opened.Variant.Words())
	case !r.Confirmed:
		return fmt.Sprintf("hour %v, range %v seemed to open it, once", r.Opened.Hour, r.Opened.Range)
	}
	return fmt.Sprintf("hour %v, range %v, the secret %s opens it", r.Opened.Hour, r.Opened.Range, r.Opened.Variant.Words())
}

// noneOpens says that so many candidates were tried in vain.
func noneOpens(tried int) string {
	switch tried {
	case 0:
		return "no candidate was tried"
	case 1:
		return "the only candidate that was tried does not open it"
	}
	return fmt.Sprintf("none of %d candidates opens it", tried)
}

// LeftOut says why candidates were not tried.
func (r Report) LeftOut() string {
	left := "1 candidate was left out"
	if r.Untried != 1 {
		left = fmt.Sprintf("%d candidates were left out", r.Untried)
	}
	forgives := fmt.Sprintf("the gate's sweep guard forgives %s a minute", phrase.Plural(r.Guard, "wrong port"))
	switch {
	case r.Guard == 0:
		return left + " for lack of time"
	case r.Guard < knock.Knocks:
		return fmt.Sprintf("%s: %s, and each candidate takes %d", left, forgives, knock.Knocks)
	}
	return fmt.Sprintf("%s: %s, and all candidates take %s, which --timeout allows", left, forgives, phrase.Span(r.Takes()))
}

// Takes is how long a scan of all candidates takes within the sweep guard, in whole minutes;
// 0 where that is not known, or has no end.
func (r Report) Takes() time.Duration {
	if r.Guard < knock.Knocks {
		return 0
	}
	return time.Duration(1+r.Candidates*knock.Knocks/r.Guard) * time.Minute
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
	tried := ""
	if n := r.Tried(); n < r.Candidates {
		tried = fmt.Sprintf("%d of ", n)
	}
	fmt.Fprintf(w, "%s%s, %s, %s to SSH; the pass took %d ms, the whole scan %s\n", tried, phrase.Plural(r.Candidates, "candidate"), phrase.Plural(r.Packets, "packet"), phrase.Plural(r.Connections, "connection"), time.Duration(r.Pass).Milliseconds(), phrase.Seconds(time.Duration(r.Elapsed)))
}
