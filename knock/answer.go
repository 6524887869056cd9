package knock

import (
	"fmt"
	"strconv"
	"time"
)

// Answer is what a port did with a knock.
type Answer string

// The answers. A gate that drops is silent. The others come from a server that
// rejects instead of dropping, or from another machine on the path.
const (
	Pending     Answer = ""            // sent, and still being watched
	Silent      Answer = "silent"      // nothing came back
	Refused     Answer = "refused"     // a RST
	Unreachable Answer = "unreachable" // an ICMP error, or this machine has no route to the host
	Open        Answer = "open"        // the connection was accepted
)

// SSHState is what a probe saw at the SSH port.
type SSHState string

// The states of the SSH port.
const (
	SSHUnknown     SSHState = ""            // not probed yet
	SSHOpen        SSHState = "open"        // a line that starts SSH- was read
	SSHRefused     SSHState = "refused"     // a RST: nothing listens, or a firewall rejects
	SSHFiltered    SSHState = "filtered"    // no answer at all
	SSHSilent      SSHState = "silent"      // connected, but no banner came
	SSHRefusing    SSHState = "refusing"    // connected, and sshd said no: a penalty or MaxStartups
	SSHNotSSH      SSHState = "not-ssh"     // connected, and another protocol answered
	SSHUnreachable SSHState = "unreachable" // an ICMP error, or this machine has no route to the host
)

// MarshalJSON implements [encoding/json.Marshaler]: null for SSHUnknown.
func (s SSHState) MarshalJSON() ([]byte, error) {
	if s == SSHUnknown {
		return []byte("null"), nil
	}
	return strconv.AppendQuote(nil, string(s)), nil
}

// Connected reports whether a TCP connection was made in this state.
func (s SSHState) Connected() bool {
	return s == SSHOpen || s == SSHSilent || s == SSHRefusing || s == SSHNotSSH
}

// SSH is what one probe of the SSH port found.
type SSH struct {
	State SSHState `json:"state"`
	// Banner is the line that was read, cleaned, without its line end; in the
	// states refusing and not-ssh it is the line that came instead.
	Banner string `json:"banner"`
	Closed bool   `json:"closed,omitempty"` // by the server, without a banner: it does so on purpose
	// RTT is the time from the SYN to its answer.
	RTT      Measure `json:"rtt_ms"`
	Repeated bool    `json:"-"` // by the kernel: it answers not the first SYN, as far as that is known
	// Connect and Read are the times from the start of the whole operation to
	// the connection, and to the banner.
	Connect Measure `json:"connect_ms"`
	Read    Measure `json:"banner_ms"`
}

// Summary says in one line what a probe found.
func (s SSH) Summary() string {
	switch s.State {
	case SSHOpen:
		return "SSH is open"
	case SSHRefused:
		return "SSH is refused: nothing listens, or a firewall rejects"
	case SSHFiltered:
		return "SSH is filtered: no answer"
	case SSHSilent:
		return "SSH accepts connections, but sends no banner"
	case SSHRefusing:
		return fmt.Sprintf("sshd refuses this address: %q", s.Banner)
	case SSHNotSSH:
		return fmt.Sprintf("something that is not SSH answers: %q", s.Banner)
	case SSHUnreachable:
		return "SSH is unreachable: the network or a firewall rejects it"
	}
	return "SSH has not been probed"
}

// Millis is a span of time that JSON gives in milliseconds.
type Millis time.Duration

// MarshalJSON implements [encoding/json.Marshaler]: milliseconds, to the microsecond.
func (m Millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Duration(m).Microseconds())/1000, 'f', -1, 64), nil
}

// Measure is a measured span of time. Zero means that nothing was
// measured; it is null in JSON.
type Measure time.Duration

// MarshalJSON implements [encoding/json.Marshaler]: milliseconds, or null.
func (m Measure) MarshalJSON() ([]byte, error) {
	if m == 0 {
		return []byte("null"), nil
	}
	return Millis(m).MarshalJSON()
}
