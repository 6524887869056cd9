package scan

import (
	"context"
	"time"

	"rapport/knock"
	"rapport/knock/solve"
)

// maxTogether is how often the candidates that fit a hit are confirmed beside each other.
const maxTogether = 3

// apart splits the candidates that fit a hit into those that are confirmed alone, the best
// and any that ports of others open too, and those that are confirmed beside each other, if
// the gate allows that.
func (r *scanRun) apart(fits []int) (alone, beside []int) {
	if r.StandIn || r.target.Strict || r.target.SweepGuard > 0 || r.target.Gap > confirmGap {
		return fits, nil
	}
	var p scanPlan
	for _, i := range fits {
		p.ports = append(p.ports, r.ports(i))
	}
	fifths := []int(nil)
	p.packets, fifths = r.together(p.ports)
	p.window = r.target.Window
	to := p.knocks()
	for n, i := range fits {
		if at := p.opens(p.ports[n], to, false); n == 0 || at < fifths[n] {
			alone = append(alone, i)
		} else {
			beside = append(beside, i)
		}
	}
	return alone, beside
}

// earlier is the candidate i of so many hours from now.
func (r *scanRun) earlier(i, back int) solve.Candidate {
	c := r.report.Cells[i].Candidate
	c.Hour, c.Offset = c.Hour.Add(back), c.Offset+back
	return c
}

// confirmTogether makes the handshakes of several candidates beside each other: all knocks
// at their first four ports, then one by one each fifth knock between probes of its own, as
// in a confirmation. It returns the candidate that opened the gate, and how; shut if none did.
// Each alone would take a second: too long for many where probes get lost.
func (r *scanRun) confirmTogether(ctx context.Context, fits []int, back int) (int, opening, error) {
	var ports [][knock.Knocks]uint16
	for _, i := range fits {
		c := r.earlier(i, back)
		ports = append(ports, c.Variant.Ports(c.Hour, c.Range, r.target.Secret))
	}
	packets, fifths := r.together(ports)
	v, err := r.send(ctx, packets, knock.BatchOptions{Shut: r.shut, Wait: r.answerWait()}, func(int, knock.Answer) {})
	if err != nil || v.Hit < 0 || v.SSH.State == knock.SSHRefused && r.refused > 0 {
		return 0, shut, err
	}
	for n := len(fits) - 1; n >= 0; n-- {
		if v.Hit < fifths[n] {
			continue
		}
		r.report.SSH = v.SSH
		if n == len(fits)-1 && v.Hit >= len(packets)-lateAfter || n < len(fits)-1 && v.Hit >= fifths[n+1]-controlsBefore {
			return fits[n], late, nil
		}
		return fits[n], prompt, nil
	}
	// Before the first fifth knock: the rest of a window, or somebody else's.
	return 0, shut, r.windowOver(ctx)
}

const (
	controlsBefore = 2 // probes right before each fifth knock
	soonAfter      = 3 // probes right after it
	lateAfter      = 2 // and after the last one, since a gate may be late
)

// together returns the packets of confirmTogether, and the index of each fifth knock. The
// knocks are spaced as in [scanRun.confirmation].
func (r *scanRun) together(ports [][knock.Knocks]uint16) (packets []knock.Packet, fifths []int) {
	const apart = time.Millisecond
	gap, near := max(confirmGap, r.target.Gap), r.near()
	at := time.Duration(0)
	add := func(at time.Duration, port uint16) {
		packets = append(packets, knock.Packet{At: at, Port: port, Probe: port == 0})
	}
	for k := range knock.Knocks - 1 {
		next := at + gap
		for range 2 { // packets get lost
			for n := range ports {
				add(at, ports[n][k])
				at += apart
			}
			at += near / 2
		}
		at = max(at, next)
	}
	for n := range ports {
		for i := range time.Duration(controlsBefore) {
			add(at+i*near/2, 0)
		}
		at += near + near/2
		fifths = append(fifths, len(packets))
		add(at, ports[n][knock.Knocks-1])
		add(at+near/2, ports[n][knock.Knocks-1])
		for i := range time.Duration(soonAfter) {
			add(at+near+i*near/2, 0)
		}
		at += 2*near + near/2
	}
	for i := range time.Duration(lateAfter) {
		add(at+(1+5*i)*gap, 0)
	}
	return packets, fifths
}
