package fleet

import (
	"fmt"
	"net/netip"
	"strings"

	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/knock/report"
)

// Line says in one line what came of a handshake. Names are width characters wide.
func (k Knocked) Line(width int) string {
	switch {
	case k.Err != nil:
		return line(width, k.Host, k.Addr, k.Error)
	case k.Opened:
		return line(width, k.Host, k.Addr, string(k.SSH.State)+report.Banner(k.SSH))
	}
	return line(width, k.Host, k.Addr, fmt.Sprintf("%s after %s: %s", k.SSH.State, phrase.Plural(len(k.Attempts), "attempt"), k.Summary()))
}

// Line says in one line what a probe saw. Names are width characters wide.
func (p Probed) Line(width int) string {
	switch {
	case p.Err != nil:
		return line(width, p.Host, p.Addr, p.Error)
	case p.SSH.State == knock.SSHOpen:
		return line(width, p.Host, p.Addr, string(p.SSH.State)+report.Banner(p.SSH))
	}
	return line(width, p.Host, p.Addr, string(p.SSH.State)+": "+p.SSH.Summary())
}

func line(width int, host string, addr netip.AddrPort, what string) string {
	at := "-"
	if addr.IsValid() {
		at = addr.String()
	}
	return fmt.Sprintf("%-*s  %-20s  %s", width, host, at, what)
}

// Tally counts what came of many servers.
type Tally struct {
	Open   int
	Shut   []string // the names of those whose SSH stayed shut
	Failed []string // the names of those that were not reached
	Err    error    // of the first that failed
}

// Add counts one result.
func (t *Tally) Add(host string, open bool, err error) {
	switch {
	case err != nil:
		t.Failed = append(t.Failed, host)
		if t.Err == nil {
			t.Err = err
		}
	case open:
		t.Open++
	default:
		t.Shut = append(t.Shut, host)
	}
}

// String says it in one line: "197 of 200 open; shut: a, b; failed: c".
func (t *Tally) String() string {
	s := fmt.Sprintf("%d of %d open", t.Open, t.Open+len(t.Shut)+len(t.Failed))
	for _, some := range []struct {
		what  string
		names []string
	}{{"shut", t.Shut}, {"failed", t.Failed}} {
		if len(some.names) == 0 {
			continue
		}
		const most = 10
		s += fmt.Sprintf("; %s: %s", some.what, strings.Join(some.names[:min(most, len(some.names))], ", "))
		if more := len(some.names) - most; more > 0 {
			s += fmt.Sprintf(" and %d more", more)
		}
	}
	return s
}
