//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/knock/knocktest"
)

// TestWatchWithoutPacketSockets: where SYNs cannot be seen, --clients says so, and the watch
// goes on with the gate's lists.
func TestWatchWithoutPacketSockets(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "nft", "setpriv")
	rapport := build(t)
	s, _ := scripted(t, rapport, "nft")
	said := filepath.Join(t.TempDir(), "stderr")
	limited := filepath.Join(t.TempDir(), "rapport")
	knocktest.WriteFile(t, limited, fmt.Sprintf("#!/bin/sh\nexec setpriv --bounding-set=-net_raw --inh-caps=-net_raw %s \"$@\" 2>%s\n", rapport, said), 0o700)
	w := watchOn(t, s, limited, "--clients")
	if !shakes(t, s, rapport) {
		t.Fatal("the handshake does not open")
	}
	w.of("in", s.Client4)
	for _, e := range w.seen {
		if e.Client != nil {
			t.Errorf("SYNs are seen: %+v", e)
		}
	}
	text, err := os.ReadFile(said)
	if lines := strings.Count(string(text), "\n"); err != nil || lines != 1 || !strings.Contains(string(text), "warning: SYNs cannot be seen (") || !strings.Contains(string(text), "not permitted") {
		t.Errorf("%v: %q", err, text)
	}
}
