package diag

import (
	"slices"
	"time"

	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
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
