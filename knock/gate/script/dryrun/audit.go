package dryrun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/audit"
	"rapport/knock/gate/script"
	"rapport/knock/solve"
)

// ErrRefused is wrapped by the error of [Check] for rules that fail their own audit.
var ErrRefused = errors.New("the rules fail their own audit")

// tries is with how many secrets rules have to fail: in a small range chance lets a
// sweep open a gate now and then.
const tries = 5

// standIn returns the n-th secret for rules whose secret is on the server only: one
// whose sequences of this hour and the last name no port twice, nor that of SSH, as
// nearly all secrets do.
func standIn(r script.Rules, h knock.Hour, n int) (s knock.Secret, err error) {
	for i := range 1000 {
		if s, err = knock.ParseSecret(fmt.Sprintf("dry-run-%d-%d", n, i)); err != nil {
			return s, err
		}
		now, last := knock.Derive(h, r.Range, s).Ports(), knock.Derive(h.Add(-1), r.Range, s).Ports()
		ports := append(now[:], last[:]...)
		slices.Sort(ports)
		if len(slices.Compact(ports)) == 2*knock.Knocks && !slices.Contains(ports, uint16(r.SSHPort)) {
			break
		}
	}
	return s, nil
}

// Loaded returns what to audit in place of a script of package script that nobody has
// changed: the rules that its setup would load at the end of the hour, with its own
// secret, or with that of q if it is known. It returns other requests as they are.
func Loaded(ctx context.Context, q audit.Request) (audit.Request, error) {
	p := q.Findings.Printed
	if p == nil || p.Changed > 0 {
		return q, nil
	}
	s, err := q.Secret, error(nil)
	switch {
	case p.Embed:
		s = p.Secret
	case s.IsZero():
		if s, err = standIn(p.Rules, q.Hour, 0); err != nil {
			return q, err
		}
	}
	text, err := p.Script()
	if err != nil {
		return q, err
	}
	r, err := request(ctx, p.Rules, text, s, q.Hour.End().Add(-time.Second))
	// Its ports are not those of the server where the secret is not known.
	r.Inspection, r.Names, r.Rate = q.Inspection, q.Names, q.Rate
	return r, err
}

// request returns what to audit: the rules that setup of a script would load at this
// time.
func request(ctx context.Context, r script.Rules, text string, s knock.Secret, now time.Time) (q audit.Request, err error) {
	q = audit.Request{Range: r.Range, Secret: s, Hour: knock.HourOf(now), SSHPort: r.SSHPort}
	loaded, err := setup(ctx, r, text, s, now)
	if err != nil {
		return q, err
	}
	if q.Findings, err = gate.ReadRules(strings.NewReader(loaded)); err != nil {
		return q, err
	}
	around := solve.Query{Secret: s, Range: r.Range, Hour: q.Hour, Past: 1, Future: 1}
	q.Inspection, err = gate.Inspect(ctx, q.Findings, around, gate.Facts{SSHPort: r.SSHPort, Window: r.Window})
	q.Findings.Kind = gate.FromScript
	return q, err
}

// Check audits what the script would load at this time. Its error wraps [ErrRefused]
// where a check fails, and says which one and what to change. It leaves out what can
// only warn, and what the rules leave open by choice: a replay or a sweep without their
// guards, and guesses in a narrow range.
func Check(ctx context.Context, r script.Rules, now time.Time) error {
	text, err := r.Script()
	if err != nil {
		return err
	}
	return check(ctx, r, text, now)
}

// check is Check for the text of a script.
func check(ctx context.Context, r script.Rules, text string, now time.Time) (err error) {
	if !r.Secret.IsZero() {
		return checkWith(ctx, r, text, r.Secret, now)
	}
	for n := range tries {
		s, failed := standIn(r, knock.HourOf(now), n)
		if failed != nil {
			return failed
		}
		if err = checkWith(ctx, r, text, s, now); !errors.Is(err, ErrRefused) {
			return err
		}
	}
	return err
}

func checkWith(ctx context.Context, r script.Rules, text string, s knock.Secret, now time.Time) error {
	q, err := request(ctx, r, text, s, now)
	if err != nil {
		return err
	}
	if n := len(q.Findings.Gates); n != 2 {
		return fmt.Errorf("%w: a gate was found for %d of 2 families; report this as a bug", ErrRefused, n)
	}
	q.Rate = max(1000, 2*r.Range.Size()/int(r.Window.Seconds())) // a pass over the range fits into the window
	q.Names = slices.DeleteFunc(audit.Names(), func(name string) bool { return leftOut(r, name) })
	report, err := audit.Run(ctx, q)
	if err != nil {
		return err
	}
	for _, c := range report.Checks {
		if c.ID == "sweep" {
			c.Fix = "give a shorter --window, a wider --range or a smaller --sweep-guard"
		}
		if c.Status == audit.Fail {
			return fmt.Errorf("%w at %s: %s: %s", ErrRefused, c.ID, c.Summary, c.Fix)
		}
	}
	return nil
}

// leftOut reports whether a check cannot refuse these rules.
func leftOut(r script.Rules, name string) bool {
	switch name {
	case "flood", "reboot":
		return true // they only ever warn
	case "replay":
		return r.ReplayGuard == 0
	case "sweep":
		return r.SweepGuard == 0 || r.Range.IsNarrow()
	case "partial", "wrong":
		return r.Range.IsNarrow()
	}
	return false
}
