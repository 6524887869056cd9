// Package check holds the checks of a diagnosis: what happened in each, and the
// sentences that say so.
package check

import (
	"fmt"
	"net/netip"
	"time"

	"rapport/diag/answers"
	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
)

// Check is one step of a diagnosis: what happened, without words.
type Check struct {
	ID      string
	Status  Status
	Code    Code
	Args    Args
	Elapsed knock.Millis
}

// Args are the facts that the sentence of a check needs; the others are zero. What
// the pointers point to never changes.
type Args struct {
	Host           string
	Address, Other netip.Addr
	Untried        int // further addresses
	Offset, Within time.Duration
	At             time.Time
	SSH            knock.SSH
	Clock          *clock.Report
	Handshake      *knock.Report
	Scan           *scan.Report
	Egress         *answers.Egress
	Rules          *gate.Inspection
	Verdict        string
	Err            error
}

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
	Name      = "name"         // the addresses
	Rules     = "rules"        // the server's rules, where they are given
	Before    = "before"       // reachability, and SSH without a knock
	Local     = "local-clock"  // this machine's clock
	Server    = "server-clock" // the server's clock
	Handshake = "handshake"    // what each port answered, and SSH
	Family    = "family"       // the same over the other IP family
	Egress    = "egress"       // whether knock ports answer unlike others
	Scan      = "scan"         // which hour, range and secret variant opens
)

// IDs are all checks, in their order.
func IDs() []string {
	return []string{Name, Rules, Before, Local, Server, Handshake, Family, Egress, Scan}
}

// Column is where the text of a check begins.
const Column = 25

// Line is the check in one line, as doctor prints it.
func (c Check) Line() string { return fmt.Sprintf("  %-7s  %-12s  %s", c.Status, c.ID, c.Summary()) }
