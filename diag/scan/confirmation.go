package scan

import (
	"time"

	"rapport/knock"
	"rapport/knock/solve"
)

const (
	// confirmGap is the time between the knocks of a confirmation: it has to be
	// right rather than quick.
	confirmGap = 50 * time.Millisecond
	// nearest is the least time between the fifth knock and the probes around it.
	nearest = 10 * time.Millisecond
)

// confirmation is a handshake of one candidate and its probes. controls is how many
// packets end with the last probe before the fifth knock: what opened it then is another.
// soon is the index of the first probe that is not right after that knock. The shorter the
// time between, the less likely somebody else's handshake falls into it; no packet may
// overtake another by as much.
func (r *scanRun) confirmation(c solve.Candidate) (packets []knock.Packet, controls, soon int) {
	gap := max(confirmGap, r.target.Gap)
	near := min(max(time.Duration(r.report.SSH.RTT), nearest), confirmGap)
	if gap > confirmGap || r.target.Addr.Addr().IsLoopback() {
		return r.slowConfirmation(c, gap)
	}
	add := func(at time.Duration, port uint16) {
		packets = append(packets, knock.Packet{At: at, Port: port, Probe: port == 0})
	}
	add(0, 0)
	at := time.Duration(0)
	for k, port := range c.Variant.Ports(c.Hour, c.Range, r.target.Secret) {
		if at += gap; k == knock.Knocks-1 {
			add(at-near-near/2, 0)
			add(at-near, 0) // one may get lost
			controls = len(packets)
		}
		if add(at, port); !r.target.Strict { // one lost packet must not cost a window more
			add(at+near/2, port)
		}
	}
	for n := range 3 {
		add(at+near+time.Duration(n)*near/2, 0)
	}
	soon = len(packets)
	add(at+3*gap, 0) // a gate may be late
	add(at+8*gap, 0)
	return packets, controls, soon
}

// slowConfirmation is [scanRun.confirmation] for a network that limits SYNs, and for
// loopback.
func (r *scanRun) slowConfirmation(c solve.Candidate, gap time.Duration) (packets []knock.Packet, controls, soon int) {
	at := gap
	packets, controls = []knock.Packet{{Probe: true}}, 1
	for k, port := range c.Variant.Ports(c.Hour, c.Range, r.target.Secret) {
		if k == knock.Knocks-1 && gap > confirmGap && 2*gap < r.target.Window { // a limit counts it too
			packets = append(packets, knock.Packet{At: at, Probe: true})
			controls = len(packets)
			at += gap
		}
		packets = append(packets, knock.Packet{At: at, Port: port})
		if gap == confirmGap && !r.target.Strict {
			packets = append(packets, knock.Packet{At: at + gap/2, Port: port})
		}
		at += gap
	}
	soon = len(packets) + 1
	for _, d := range [...]time.Duration{0, 2, 7} {
		packets = append(packets, knock.Packet{At: at + d*gap, Probe: true})
	}
	return packets, controls, soon
}
