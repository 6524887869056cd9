package diag

import "slices"

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
	RateLimited       Code = "rate-limited"        // it opens only with wider gaps, or SSH alone is limited
	Banned            Code = "banned"              // this address was answered at first, and is ignored now
	AddressChanges    Code = "address-changes"     // knocks and SSH leave by different addresses
	GateDiffers       Code = "gate-differs"        // the server's rules show another gate
	DNSFailure        Code = "dns-failure"         // the name has no address
	HostUnreachable   Code = "unreachable"         // there is no route to the host
	Unexplained       Code = "unexplained"         // none of the above: wrong secret, or the knocks do not arrive
)

// Works reports whether the code says that SSH can be reached.
func (c Code) Works() bool { return c == Opens || c == AlreadyOpen || c == LossyPath }

// Codes are all that a verdict can have, in the order of the table of causes.
func Codes() []Code {
	var codes []Code
	for _, c := range causes() {
		for _, code := range []Code{c.Code, c.Later} {
			if code != "" && !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
	}
	return codes
}
