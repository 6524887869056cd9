package knocktest

import (
	"fmt"
	"testing"
)

// Loss says which of the SYNs that arrive at a host get lost.
type Loss struct {
	Ports Ports // the destination ports that count; all when zero
	Nth   int   // the number of the one that gets lost, from 1
	Every int   // of each so many, at least Nth; only once when zero
}

// Lose has SYNs get lost on their way into the host, before its rules see them,
// counted for each family by itself from the call on. On a router it works on
// those that come through. A SYN that the sender repeats counts again.
func (h *Host) Lose(t testing.TB, l Loss) {
	t.Helper()
	if l.Ports == (Ports{}) {
		l.Ports = Ports{1, 65535}
	}
	if l.Every == 0 {
		l.Every = 1 << 30 // more than any test sends
	}
	for _, table := range tables {
		h.Run(t, table, "-w", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--syn", "--dport", l.Ports.String(),
			"-m", "statistic", "--mode", "nth", "--every", fmt.Sprint(l.Every), "--packet", fmt.Sprint(l.Nth-1), "-j", "DROP")
	}
}
