package knock

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Report is what a handshake did and saw, so far or in the end. Its JSON form is
// the output of knock --json.
type Report struct {
	Schema  int    `json:"schema"` // 1
	Host    string `json:"host"`
	Address string `json:"address"`
	// Hour is the server's hour when the handshake began, by this machine's
	// clock and the known skew.
	Hour Hour `json:"hour"`
	// Opened says that SSH answered with its banner.
	Opened   bool      `json:"opened"`
	Before   Before    `json:"before"`
	Attempts []Attempt `json:"attempts"`
	SSH      SSH       `json:"ssh"`
	Elapsed  Millis    `json:"elapsed_ms"`

	// Conn is the connection that proved SSH open, its banner unread, where
	// Options.KeepConn asked for it; the caller closes it.
	Conn net.Conn `json:"-"`
	// OpenedBy is the attempt, from 0, whose probe SSH answered first, or the newest one
	// where that was the kernel's repeat of it. Later ones may have begun before the answer.
	OpenedBy int `json:"-"`
	// Accepted is how many connections SSH accepted.
	Accepted int `json:"-"`
	// From is this machine's address at SSH's port, where it is known.
	From netip.Addr `json:"-"`
	// At is when the newest fifth knock left, by the monotonic clock: the window
	// runs from about then.
	At time.Time `json:"-"`
}

// RoundTrip returns the round trip that the handshake measured at SSH, zero if
// none: a late answer may belong to the kernel's repeated SYN.
func (r Report) RoundTrip() time.Duration {
	if rtt := time.Duration(r.SSH.RTT); rtt < synWatch {
		return rtt
	}
	return 0
}

// Sources are this machine's addresses from which the handshake left, each once, the one
// at SSH's port first.
func (r Report) Sources() (all []netip.Addr) {
	add := func(a netip.Addr) {
		if a.IsValid() && !a.IsUnspecified() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	add(r.From)
	for _, a := range r.Attempts {
		for _, k := range a.Knocks {
			add(k.From)
		}
	}
	return all
}

// Summary says in one line what came of the handshake, and what to check where
// SSH did not open.
func (r Report) Summary() string {
	switch s := r.SSH; {
	case s.State == SSHOpen && r.Before.State == SSHOpen:
		return "SSH is open, and was before the handshake: nothing guards it, or an earlier window is still open"
	case s.State == SSHOpen:
		return "SSH is open"
	case s.State == SSHRefusing && r.Before.State == SSHRefusing:
		return s.Summary()
	case s.State == SSHRefusing:
		return fmt.Sprintf("the gate opened, but sshd refused this address: %q; wait before the next try", s.Banner)
	case s.State == SSHSilent && s.Closed:
		return "SSH accepted the connection, and closed it without a banner: see sshd's log on the server"
	case s.State == SSHSilent:
		return "SSH accepted the connection, but sent no banner: it is stuck, or something else accepts in its place"
	case s.State == SSHNotSSH:
		return fmt.Sprintf("something that is not SSH answers on its port: %q", s.Banner)
	case s.State == SSHRefused && r.Before.State == SSHFiltered:
		return "the gate opened, but nothing listens behind it: is sshd running, and on this port?"
	case s.State == SSHRefused:
		return "SSH is refused before and after the handshake: the gate stayed shut and rejects, or sshd is down"
	case s.State == SSHUnreachable && r.Before.State == SSHUnreachable:
		return "SSH is rejected as unreachable before and after the handshake: the gate stayed shut"
	case s.State == SSHUnreachable:
		return "SSH became unreachable: a network on the path rejects it"
	case s.State == SSHUnknown:
		return "the time was over before SSH was probed; allow more with --timeout"
	}
	return "SSH stayed shut: no answer before or after the handshake; check hour, range, secret and address"
}

// Before is the state of SSH before the handshake.
type Before struct {
	State SSHState `json:"state"`
}

// Attempt is one pass through the sequence.
type Attempt struct {
	Gap    Millis      `json:"gap_ms"`
	Resets int         `json:"resets,omitempty"` // SYNs to a wrong port before the knocks, which make a strict gate start over
	Knocks []SentKnock `json:"knocks"`
}

// Silent reports whether no knock was answered, as with a gate that drops.
func (a Attempt) Silent() bool {
	return !slices.ContainsFunc(a.Knocks, func(k SentKnock) bool { return k.Answer != Silent })
}

// SentKnock is one knock. Sent counts from the start of the handshake.
type SentKnock struct {
	Port   uint16  `json:"port"`
	Sent   Millis  `json:"sent_ms"`
	Answer Answer  `json:"answer"`
	RTT    Measure `json:"rtt_ms"`
	// Hour is set where it is not the report's: near the hour change the knocks of
	// the neighbour hour are sent too.
	Hour *Hour `json:"hour,omitempty"`
	// From is this machine's address, and Rejected that of the ICMP error behind Unreachable, where known.
	From, Rejected netip.Addr `json:"-"`
	// Copy says that the same knock was sent just before, in case one gets lost.
	Copy bool `json:"copy,omitempty"`
}

// EventKind is the kind of an [Event].
type EventKind int

// The events, in the usual order. An answer may come at any time after its SYN.
const (
	AttemptStarted EventKind = iota // Attempt
	KnockSent                       // Attempt, Knock
	KnockAnswered                   // Attempt, Knock
	BeforeSeen                      // SSH's state before the handshake is known
	ProbeStarted                    // SSH's port was sent a SYN
	ProbeAnswered                   // that SYN was answered, or the wait is over
	Connected                       // SSH's port accepted; the banner is awaited
	Finished                        // Report is final
)

// Event is one step of a handshake. Attempt and Knock are indices into Report,
// which is a copy of everything known by then.
type Event struct {
	Kind    EventKind
	Attempt int
	Knock   int
	Report  Report
}

// clone copies r so that later progress does not change the copy.
func (r Report) clone() Report {
	r.Attempts = slices.Clone(r.Attempts)
	for i := range r.Attempts {
		r.Attempts[i].Knocks = slices.Clone(r.Attempts[i].Knocks)
	}
	r.Conn = nil
	return r
}
