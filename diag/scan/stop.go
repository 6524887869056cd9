package scan

import (
	"fmt"
	"net/netip"
	"strconv"

	"rapport/knock"
)

// StopReason says why a scan ended before all was tried.
type StopReason int

// The reasons.
const (
	NotStopped  StopReason = iota
	OpenKnock              // a knock port accepts connections
	Rejected               // the network rejects the knocks
	NoRoute                // there is no route to the host; Run's caller sets it
	OutOfTime              // the caller's deadline passed; Run's caller sets it
	OpenBefore             // SSH's port accepts without a knock
	Refusing               // sshd was reached, and refuses this address
	NeverRepeat            // SSH opens repeatedly, but never by what seemed to open it
	Changed                // SSH answers otherwise than before, with no knock
	OthersKnock            // SSH opened, but by none of the candidates
	Enough                 // as many connections to SSH were made as are allowed
)

// Stop is why a scan ended before all was tried, with the facts of its reason.
type Stop struct {
	Reason StopReason
	SSH    knock.SSH  // of OpenBefore and Refusing
	From   netip.Addr // who rejects, where that is known
}

// IsZero reports whether the scan was not stopped.
func (s Stop) IsZero() bool { return s.Reason == NotStopped }

// String returns the reason in one lower-case line, empty for none.
func (s Stop) String() string {
	switch s.Reason {
	case OpenKnock:
		return "a knock port accepts connections: something answers in the server's place"
	case Rejected:
		if s.From.IsValid() {
			return fmt.Sprintf("the network rejects the knocks, as %s says", s.From)
		}
		return "the network rejects the knocks"
	case NoRoute:
		return "no route to host"
	case OutOfTime:
		return "out of time: allow more with --timeout"
	case OpenBefore:
		return "SSH's port accepts connections without a knock: " + s.SSH.Summary()
	case Refusing:
		return s.SSH.Summary()
	case Changed:
		return "SSH is " + string(s.SSH.State) + " now, with no knock, and was not before"
	case NeverRepeat:
		return "SSH opens repeatedly, but never by what seemed to open it: packets get lost, these are someone else's handshakes, or it is a gate that works in another way"
	case Enough:
		return "four connections to SSH were made: more look like an attack"
	case OthersKnock:
		return "SSH opened, but by none of the candidates: packets get lost, it is someone else's handshake, or a gate that works in another way"
	}
	return ""
}

// MarshalJSON implements [encoding/json.Marshaler]: the reason as a sentence.
func (s Stop) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, s.String()), nil }
