package demo

import (
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
