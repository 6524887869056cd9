package pcap

import (
	"cmp"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
)

// cutAt returns when what is known of one of the captures ends, by the times of the
// packets; ok is false where none was cut.
func cutAt(client, server *Capture, clock *ClockDifference) (at time.Time, ok bool) {
	for _, c := range []*Capture{client, server} {
		if c == nil || c.Cut == nil {
			continue
		}
		end := time.Time{} // nothing is known
		if n := len(c.segments); n > 0 {
			end = c.segments[n-1].at
			if c == client && clock != nil {
				end = end.Add(time.Duration(clock.Offset))
			}
		}
		if !ok || end.Before(at) {
			at, ok = end, true
		}
	}
	return at, ok
}

// withhold takes back what was concluded from packets that are missing, for clients that
// may have sent them after the cut.
func withhold(clients []arrivals.Client, cut time.Time, window time.Duration) {
	for i := range clients {
		c := &clients[i]
		if over := c.Last.Add(2 * cmp.Or(window, knock.DefaultWindow)); c.In || over.Before(cut) {
			continue
		}
		seen, sure := lastSeen(c), len(c.Findings) > 0
		c.Findings = slices.DeleteFunc(c.Findings, func(f arrivals.Finding) bool {
			sure = sure && !restsOnAbsence(f, seen)
			return restsOnAbsence(f, seen)
		})
		if !sure {
			c.Findings = append(c.Findings, arrivals.Finding{Code: arrivals.CutOff})
		}
	}
}

// lastSeen returns the highest of the five knocks that was seen, on the server if any was.
func lastSeen(c *arrivals.Client) (highest int) {
	arrived := slices.ContainsFunc(c.Knocks, func(k arrivals.Knock) bool { return !k.Arrived.IsZero() })
	for _, k := range c.Knocks {
		if !arrived || !k.Arrived.IsZero() {
			highest = max(highest, k.Phase)
		}
	}
	return highest
}

// restsOnAbsence reports whether a packet that came later would refute a finding. A knock
// that is missing before one that was seen is missing.
func restsOnAbsence(f arrivals.Finding, seen int) bool {
	switch f.Code {
	case arrivals.KnockMissing, arrivals.KnockLost, arrivals.KnockUnsent:
		return slices.ContainsFunc(f.Knocks, func(k int) bool { return k > seen })
	case arrivals.NoSSH, arrivals.SSHLate, arrivals.SSHEarly, arrivals.SSHLost, arrivals.SSHPort, arrivals.NoKnocks,
		arrivals.Unanswered, arrivals.Replayed, arrivals.Ignored:
		return true
	}
	return false
}
