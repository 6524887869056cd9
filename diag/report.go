package diag

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts"
	"rapport/knock/solve"
)

// Status is how a check went.
type Status string

// The statuses. Running is for the screens: no finished report has it.
const (
	OK      Status = "ok"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Skipped Status = "skipped"
	Running Status = "running"
)

// The checks, in their order.
const (
	CheckName      = "name"         // the addresses
	CheckRules     = "rules"        // the server's rules, where they are given
	CheckBefore    = "before"       // reachability, and SSH without a knock
	CheckLocal     = "local-clock"  // this machine's clock
	CheckServer    = "server-clock" // the server's clock
	CheckHandshake = "handshake"    // what each port answered, and SSH
	CheckFamily    = "family"       // the same over the other IP family
	CheckEgress    = "egress"       // whether knock ports answer unlike others
	CheckScan      = "scan"         // which hour, range and secret variant opens
)

// Check is one step of a diagnosis.
type Check struct {
	ID      string       `json:"id"`
	Status  Status       `json:"status"`
	Summary string       `json:"summary"` // one lower-case line; of a skipped one: why
	Elapsed knock.Millis `json:"elapsed_ms"`
	// Short has what Summary says in fewer words, the longest first, for columns
	// of a screen; empty where there is no shorter way to say it.
	Short []string `json:"-"`
}

// Report is a diagnosis, so far or in the end.
type Report struct {
	Schema  int          `json:"schema"` // 1
	Host    string       `json:"host"`
	Address string       `json:"address"`
	Verdict Verdict      `json:"verdict"`
	Causes  []Cause      `json:"causes"` // the likeliest first, which is the verdict
	Checks  []Check      `json:"checks"` // those that have begun or were skipped
	Elapsed knock.Millis `json:"elapsed_ms"`

	At   time.Time `json:"-"` // this machine's time when the diagnosis began
	Done bool      `json:"-"` // the run has ended and the verdict is set
	// What was learnt; each is nil until it is, and what it points to never changes.
	Clock     *clock.Report    `json:"-"`
	Handshake *knock.Report    `json:"-"`
	Other     *knock.Report    `json:"-"` // over the other IP family
	Scan      *scan.Report     `json:"-"`
	Rules     *gate.Inspection `json:"-"` // the server's, compared with what this client has
}

// Check returns the check with that ID, and whether it has begun.
func (r Report) Check(id string) (Check, bool) {
	if c := r.check(id); c != nil {
		return *c, true
	}
	return Check{ID: id}, false
}

// check returns the check with that ID, nil if it has not begun.
func (r Report) check(id string) *Check {
	i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return &r.Checks[i]
}

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
	handshakes := slices.DeleteFunc([]*knock.Report{r.Handshake, r.Other}, func(h *knock.Report) bool { return h == nil })
	if full {
		for _, h := range handshakes {
			writeHandshake(line, h)
		}
		return b.String()
	}
	// The texts that servers sent stand in quotes, so the same words elsewhere stay.
	said := []string{r.Verdict.Detail.Text}
	for _, h := range handshakes {
		said = append(said, h.SSH.Banner)
	}
	if r.Scan != nil {
		said = append(said, r.Scan.SSH.Banner)
	}
	text := b.String()
	for _, s := range said {
		if s != "" {
			text = strings.ReplaceAll(text, fmt.Sprintf("%q", s), "(left out)")
		}
	}
	return text
}

// writeHandshake writes a line for each knock, and what SSH said.
func writeHandshake(line func(format string, args ...any), h *knock.Report) {
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

// Code names a cause.
type Code string

// The causes.
const (
	Opens             Code = "open"                // the handshake opens SSH as it should
	AlreadyOpen       Code = "already-open"        // SSH answers with no knock: nothing guards it
	LossyPath         Code = "lossy-path"          // opens, but only after repeats
	ServerAhead       Code = "server-clock-ahead"  // another hour opens it, and the server's clock is seen to be off
	ServerBehind      Code = "server-clock-behind" //
	RulesStale        Code = "rules-stale"         // an older hour opens it, and the server's clock is seen to be right
	HourAhead         Code = "server-hour-ahead"   // another hour opens it; clock and refresh cannot be told apart
	HourBehind        Code = "server-hour-behind"  //
	ClientAhead       Code = "client-clock-ahead"  // this machine's clock is the wrong one
	ClientBehind      Code = "client-clock-behind" //
	RangeMismatch     Code = "range-mismatch"      // another range opens it, or the server's rules prove it
	SecretVariant     Code = "secret-variant"      // the secret fits but for its newline, CR, spaces or case
	SequenceUsed      Code = "sequence-used"       // this hour's handshake was used up (replay guard)
	SSHDown           Code = "ssh-down"            // the gate opened, nothing listens behind it
	SSHRefusing       Code = "ssh-refusing"        // the gate opened, sshd refused this address
	SSHSilent         Code = "ssh-silent"          // connected, but no banner comes
	FamilyMismatch    Code = "family-mismatch"     // it opens over the other IP family
	KnocksBlocked     Code = "knocks-blocked"      // something rejects the knocks before or at the server
	KnocksIntercepted Code = "knocks-intercepted"  // knock ports accept connections: a proxy or tarpit answers
	DNSFailure        Code = "dns-failure"         // the name has no address
	HostUnreachable   Code = "unreachable"         // there is no route to the host
	Unexplained       Code = "unexplained"         // none of the above: wrong secret, or the knocks do not arrive
)

// Works reports whether the code says that SSH can be reached.
func (c Code) Works() bool { return c == Opens || c == AlreadyOpen || c == LossyPath }

// Verdict is the one cause that the evidence supports best, with its fix.
type Verdict struct {
	Code    Code   `json:"code"`
	Summary string `json:"summary"` // one lower-case line
	// Fix is what to do, in words; empty where there is nothing to do.
	Fix    string `json:"fix"`
	Detail Detail `json:"detail"`
	// Change is the part of the fix that belongs in the hosts file; zero for none.
	Change hosts.Change `json:"-"`
}

// Detail holds the figures of a verdict. Only those that its code needs are set.
type Detail struct {
	HourOffset  *int          `json:"hour_offset,omitempty"` // the hour that opens it, in hours from the client's
	Skew        *Seconds      `json:"skew_s,omitempty"`      // server's clock minus this machine's; for client-clock codes, true time minus this machine's
	ServerRange knock.Range   `json:"server_range,omitzero"`
	Variant     solve.Variant `json:"variant,omitempty"`
	Works       knock.Family  `json:"works,omitempty"` // the one over which it opens
	Loss        float64       `json:"loss,omitempty"`  // the estimated share of lost handshakes
	Ports       []uint16      `json:"ports,omitempty"` // knocks that were rejected or accepted
	Answer      knock.Answer  `json:"answer,omitempty"`
	Text        string        `json:"text,omitempty"` // what sshd said
}

// Seconds is a span of time that JSON gives in seconds, to the millisecond.
type Seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(s).Round(time.Millisecond).Seconds())
}

// Cause is one possible cause, with the evidence for and against it.
type Cause struct {
	Code Code `json:"code"`
	// Likelihood is between 0 and 1: a judgement, not a statistic. Two causes may
	// hold at once.
	Likelihood float64  `json:"likelihood"`
	Evidence   []string `json:"evidence"` // sentences without a capital or a period
}
