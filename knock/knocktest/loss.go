package knocktest

import (
	"fmt"
	"testing"
)

// Loss says which of the SYNs that arrive at a host are lost.
type Loss struct {
	Ports Ports // the destination ports that count; all when zero
	Nth   int   // the first that is lost, from 1
	Every int   // and each that many later, at least Nth; only one when zero
}

// Lose loses SYNs that arrive at the host, before its other rules. It counts each
// family separately, from the call on. On a router it works on forwarded SYNs. A
// SYN that the sender repeats counts again.
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
