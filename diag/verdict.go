package diag

import (
	"encoding/json"
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/solve"
)

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
