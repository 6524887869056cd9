package demo

import (
	"fmt"
	"net/netip"
	"time"

	"rapport/knock"
)

// EventKind is what an [Event] is about.
type EventKind int

// The kinds of events of a [StandIn].
const (
	// Entered: Addr entered Phase by a knock to Port.
	Entered EventKind = iota + 1
	// Opened: SSH is open for Addr from now on, for one window.
	Opened
	// Shut: the window of Addr is over, or a refresh ended it.
	Shut
	// Refreshed: the ports are those of Hour from now on.
	Refreshed
	// PortTaken: listening on Port failed with Err. The stand-in tries again every
	// second; knocks to that port are lost until then.
	PortTaken
	// Login: a session from Addr was greeted.
	Login
)

// Event is something that happened to a [StandIn]. Fields that do not concern its
// kind are zero.
type Event struct {
	Kind  EventKind
	Time  time.Time // by the server's clock, faults included
	Addr  netip.Addr
	Port  int
	Phase int // 1 to 5
	Hour  knock.Hour
	Err   error
}

// String returns the event as one line, without the time.
func (e Event) String() string {
	switch e.Kind {
	case Entered:
		return fmt.Sprintf("%v into phase %d by port %d", e.Addr, e.Phase, e.Port)
	case Opened:
		return fmt.Sprintf("ssh open for %v", e.Addr)
	case Shut:
		return fmt.Sprintf("ssh shut for %v", e.Addr)
	case Refreshed:
		return fmt.Sprintf("ports of %v", e.Hour)
	case PortTaken:
		return fmt.Sprintf("port %d: %v", e.Port, e.Err)
	case Login:
		return fmt.Sprintf("session from %v", e.Addr)
	}
	return fmt.Sprintf("event %d", int(e.Kind))
}
