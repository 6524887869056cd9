package watch

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/gate"
	"rapport/knock/phrase"
)

// EventKind is what an [Event] is about.
type EventKind string

// The kinds of events of a watch.
const (
	GateFound       EventKind = "gate"       // a gate is watched: the first, or one with other rules
	GateLost        EventKind = "lost"       // the gate is gone; the watch waits for a new one
	PhaseEntered    EventKind = "phase"      // an address entered a phase
	GotIn           EventKind = "in"         // a connection was accepted
	Stuck           EventKind = "stuck"      // a window ended without the next knock or connection
	GuardRefused    EventKind = "refused"    // stuck before the last phase: a replay guard accepted no new address
	SSHDown         EventKind = "ssh-down"   // the gate opened, and nothing listens on the SSH port
	SSHSilent       EventKind = "ssh-silent" // it got in, and sshd has not taken the connection
	SourcesIgnored  EventKind = "ignored"    // the number of addresses that the sweep guard ignores has changed
	SharedHandshake EventKind = "shared"     // perhaps one client that knocks from more than one address
	ClientSeen      EventKind = "client"     // a client's SYNs, and what they were made with
	Sweep           EventKind = "sweep"      // a scan over many ports
	NotListed       EventKind = "more"       // what could not be listed
)

// Event is something that happened at the gate. Fields that do not concern its kind
// are zero.
type Event struct {
	Kind  EventKind
	Time  time.Time     // when it happened; for an inferred phase, the latest possible time
	Age   time.Duration // how long before the reading that found it
	Addr  netip.Addr
	Phase int // 0 of GotIn: no handshake was seen
	// Inferred: no reading saw the address in this phase; it moved on between two
	// readings.
	Inferred bool
	// Earlier: it was over when the watch began.
	Earlier bool
	// Evidence is how GotIn is known: "door" if the accept rule records addresses,
	// "connection" or "counter". Time is exact for the first, else up to a second
	// late.
	Evidence string
	Others   []netip.Addr // of SharedHandshake; empty if they are not known
	Ignored  int          // of SourcesIgnored: how many there are now
	Waits    int          // of SSHSilent: connections that sshd has not taken
	Gate     *Gate        // of GateFound
	Client   *arrivals.Client
	Unlisted *Unlisted // of NotListed
}

// Gate describes the gate that is watched.
type Gate struct {
	Kind     gate.Kind       `json:"kind"`
	Families []knock.Family  `json:"families"`
	SSHPort  int             `json:"ssh_port"` // 0: all ports
	Door     gate.AcceptKind `json:"door"`
	Windows  []time.Duration `json:"-"` // of each phase; zero is endless
	// Ended: closed connections can be seen too, in nf_conntrack. If not, a short
	// one is seen only if the accept rule has a counter.
	Ended bool `json:"short_connections_seen"`
	// Counted: the rules count the SYNs to the SSH port that they drop. Without it, a
	// client that knocks and connects from different addresses is not found.
	Counted bool `json:"dropped_attempts_counted"`
}

// Stale reports whether the event is about a client whose hour is not the gate's.
func (e Event) Stale() bool {
	return e.Client != nil && (e.Client.Has(arrivals.HourBehind) || e.Client.Has(arrivals.HourAhead) || e.Client.Has(arrivals.RulesStale))
}

// Masked returns the event without the ports of knocks.
func (e Event) Masked() Event {
	if e.Client != nil {
		c := e.Client.Masked()
		e.Client = &c
	}
	return e
}

// Filter says which events and visits are wanted.
type Filter struct {
	Phase int  // those that reached this phase, or got in
	In    bool // those that got in
}

// Passes reports whether an event is wanted. Those about the gate and about what is not
// listed always are.
func (f Filter) Passes(e Event) bool {
	switch in := e.Kind == GotIn || e.Kind == SSHSilent || e.Client != nil && e.Client.In; {
	case !e.Addr.IsValid():
		return true
	case f.In:
		return in
	default:
		return in || e.Phase >= f.Phase
	}
}

// Visits returns those that are wanted.
func (f Filter) Visits(all []Visit) (some []Visit) {
	if f == (Filter{}) {
		return all
	}
	for _, v := range all {
		if v.gotThrough() || !f.In && v.Phase >= f.Phase {
			some = append(some, v)
		}
	}
	return some
}

// Summary returns the event as one line, without the time.
func (e Event) Summary() string {
	switch e.Kind {
	case GateFound:
		return fmt.Sprintf("watching the %s gate", e.Gate.Kind)
	case GateLost:
		return "no gate in the rules any more; waiting for one"
	case PhaseEntered:
		return fmt.Sprintf("%v entered phase %d", e.Addr, e.Phase)
	case GotIn:
		if e.Phase == 0 {
			return fmt.Sprintf("%v got in; no handshake was seen", e.Addr)
		}
		return fmt.Sprintf("%v got in", e.Addr)
	case Stuck:
		return fmt.Sprintf("%v stuck at phase %d", e.Addr, e.Phase)
	case GuardRefused:
		return fmt.Sprintf("%v refused by the replay guard after phase %d", e.Addr, e.Phase)
	case SSHDown:
		return fmt.Sprintf("the gate opened to %v, and nothing listens on the SSH port", e.Addr)
	case SSHSilent:
		return fmt.Sprintf("%v got in; sshd has not taken the connection (%d waiting)", e.Addr, e.Waits)
	case SourcesIgnored:
		return "the sweep guard ignores " + phrase.Plural(e.Ignored, "source")
	case SharedHandshake:
		if len(e.Others) == 0 {
			return fmt.Sprintf("the gate opened to %v, and attempts to connect were dropped: %s", e.Addr, natGuess)
		}
		return fmt.Sprintf("%v and %s are stuck at the same time: %s", e.Addr, addresses(e.Others), natGuess)
	}
	switch {
	case e.Client != nil:
		return e.Client.Line()
	case e.Unlisted != nil:
		return fmt.Sprintf("not listed: %d more addresses, %d more clients, %d packets that the kernel dropped", e.Unlisted.Addresses, e.Unlisted.Clients, e.Unlisted.Packets)
	}
	return string(e.Kind)
}

const natGuess = "perhaps one client behind carrier NAT, whose knocks leave by more than one address"

func addresses(all []netip.Addr) string {
	var words []string
	for _, a := range all {
		words = append(words, a.String())
	}
	return strings.Join(words, ", ")
}

// MarshalJSON implements [encoding/json.Marshaler].
func (e Event) MarshalJSON() ([]byte, error) {
	line := struct {
		Schema   int              `json:"schema"`
		Time     time.Time        `json:"time"`
		Event    EventKind        `json:"event"`
		Address  string           `json:"address,omitempty"`
		Family   knock.Family     `json:"family,omitempty"`
		Phase    *int             `json:"phase,omitempty"`
		Age      *float64         `json:"age_s,omitempty"`
		Inferred bool             `json:"inferred,omitempty"`
		Earlier  bool             `json:"earlier,omitempty"`
		Evidence string           `json:"evidence,omitempty"`
		Others   []netip.Addr     `json:"others,omitempty"`
		Ignored  *int             `json:"ignored,omitempty"`
		Waits    int              `json:"waiting,omitempty"`
		Gate     *gateJSON        `json:"gate,omitempty"`
		Client   *arrivals.Client `json:"client,omitempty"`
		Unlisted *Unlisted        `json:"unlisted,omitempty"`
		Summary  string           `json:"summary"`
	}{Schema: 1, Time: e.Time.UTC().Round(time.Millisecond), Event: e.Kind, Inferred: e.Inferred, Earlier: e.Earlier,
		Evidence: e.Evidence, Others: e.Others, Waits: e.Waits, Client: e.Client, Unlisted: e.Unlisted, Summary: e.Summary()}
	if e.Addr.IsValid() {
		age := float64(e.Age.Round(time.Millisecond).Milliseconds()) / 1000
		line.Address, line.Family, line.Phase, line.Age = e.Addr.String(), knock.FamilyOf(e.Addr), &e.Phase, &age
	}
	if e.Kind == SourcesIgnored {
		line.Ignored = &e.Ignored
	}
	if e.Gate != nil {
		line.Gate = &gateJSON{Gate: *e.Gate, Windows: []float64{}}
		for _, w := range e.Gate.Windows {
			line.Gate.Windows = append(line.Gate.Windows, w.Seconds())
		}
	}
	return json.Marshal(line)
}

// gateJSON is a Gate with its windows in seconds.
type gateJSON struct {
	Gate
	Windows []float64 `json:"windows_s"`
}
