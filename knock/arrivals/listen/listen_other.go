//go:build !linux

package listen

import "rapport/knock/arrivals"

// Listener receives packets, until it is closed.
type Listener struct{}

// Open fails with ErrNotHere.
func Open(Ports) (*Listener, error) { return nil, ErrNotHere }

// Close ends the listener, and Follow.
func (*Listener) Close() error { return nil }

// Lost returns how many packets the kernel has dropped for lack of room.
func (*Listener) Lost() uint64 { return 0 }

// Follow calls take with packets as they come, until the listener is closed.
func (*Listener) Follow(func([]arrivals.Packet)) {}
