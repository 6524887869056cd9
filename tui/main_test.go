package tui

import (
	"testing"

	"rapport/knock/knocktest"
)

// The demo's stand-in listens on real ports of loopback. The tests run in a network
// namespace of their own, where no other program uses them.
func TestMain(m *testing.M) { knocktest.Main(m) }
