package scan

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
)

// pace is how fast a scan goes.
type pace struct {
	knock time.Duration // from one knock to the next of the first four ports
	// fifth is the time from one fifth knock to the next; SSH is probed half of it
	// later. All sockets are closed as soon as one probe is accepted, so fifth only
	// has to exceed the time that this machine takes to close them.
	fifth  time.Duration
	answer time.Duration // how long an answer may take
	trail  time.Duration // from the last probe to one more, for a gate that is late; zero for none
	stage  time.Duration // the least time between the knocks of one phase and the next
	pause  time.Duration // from one group of candidates to the next
	far    bool          // the server is on none of this machine's links
	// lead says that SSH is probed before the first knock: what opened it then is none of
	// the candidates.
	lead bool
}

// paceTo returns the pace for an address. On this machine's own links answers come before the
// next packet leaves. A stand-in without a firewall takes a while to open. Elsewhere packets may
// overtake each other, and must not do so from one phase to the next. gap is the least time
// between packets.
func paceTo(addr netip.Addr, gap time.Duration, standIn bool) pace {
	const us, ms = time.Microsecond, time.Millisecond
	p := pace{knock: 500 * us, fifth: 10 * ms, answer: 800 * ms, stage: 50 * ms, pause: 200 * ms, far: true}
	switch {
	case standIn:
		p = pace{knock: 500 * us, fifth: 80 * ms, answer: 200 * ms, trail: 300 * ms, stage: 20 * ms}
	case OnLink(addr):
		p = pace{knock: 250 * us, fifth: 3 * ms, answer: 200 * ms, stage: 20 * ms, pause: 50 * ms}
	}
	p.knock, p.fifth, p.stage = max(p.knock, gap), max(p.fifth, 2*gap), max(p.stage, gap)
	return p
}

// StrictPass is how long it takes to try n candidates one after the other.
func StrictPass(t knock.Target, n int) time.Duration {
	p := paceTo(t.Addr.Addr(), t.Gap, false)
	return time.Duration(n)*((knock.Knocks-1)*p.stage+p.fifth) + p.answer
}

// Over is how long after the last knock a window of the gate is surely over. One that is set here
// may be shorter than the gate's, which is mostly the default; a stand-in's is known.
func Over(t knock.Target, standIn bool) time.Duration {
	if standIn && t.Window > 0 {
		return t.Window + time.Second
	}
	return max(t.Window, knock.DefaultWindow) + time.Second
}

// OnLink reports whether addr is in a network that this machine is on, where round trips are
// short and packets hardly get lost. A tunnel is none: its other end may be far away.
func OnLink(addr netip.Addr) bool {
	const elsewhere = net.FlagLoopback | net.FlagPointToPoint
	links, _ := net.Interfaces()
	return slices.ContainsFunc(links, func(l net.Interface) bool {
		all, _ := l.Addrs()
		return l.Flags&elsewhere == 0 && slices.ContainsFunc(all, func(a net.Addr) bool {
			n, ok := a.(*net.IPNet)
			return ok && n.Contains(addr.WithZone("").AsSlice())
		})
	})
}

// scanPlan is what a scan sends, and when. It is plain data, from which a hit is
// explained.
type scanPlan struct {
	ports   [][knock.Knocks]uint16 // of each candidate
	packets []knock.Packet
	probes  []int // for each candidate, the index of its probe
	window  time.Duration
}

// newScanPlan tries candidates in rounds, as the package's documentation says. In a
// round each knock comes well within a window of the one before it. A small range
// gets small rounds, so that few gates open by the ports of other candidates. Each knock
// is sent copies times, and there are as many probes. Before the candidates breaks there
// are pauses.
func newScanPlan(ports [][knock.Knocks]uint16, breaks []int, t knock.Target, speed pace, copies int) scanPlan {
	p := scanPlan{ports: ports, window: t.Window}
	budget := max(t.Window-time.Second, t.Window/2) - speed.stage
	n := max(min(int(budget/(speed.fifth+time.Duration(copies)*speed.knock)), t.Range.Size()/16), 4)
	n = max(min(n, int(t.Window*4/5/speed.fifth)), 1)
	if t.Strict {
		n = 1
	}
	var at time.Duration
	if speed.lead {
		p.packets = append(p.packets, knock.Packet{Probe: true})
		at = t.Gap
	}
	for first, end := 0, 0; first < len(ports); first = end {
		end = min(first+n, len(ports))
		if len(breaks) > 0 && breaks[0] == first {
			at, breaks = at+speed.pause, breaks[1:]
		}
		if len(breaks) > 0 {
			end = min(end, breaks[0])
		}
		round := ports[first:end]
		for k := range knock.Knocks - 1 {
			next := at + speed.stage
			for _, all := range round {
				for range copies {
					p.packets = append(p.packets, knock.Packet{At: at, Port: all[k]})
					at += speed.knock
				}
			}
			at = max(at, next)
		}
		for _, all := range round {
			for range copies {
				p.packets = append(p.packets, knock.Packet{At: at, Port: all[knock.Knocks-1]})
			}
			p.probes = append(p.probes, len(p.packets))
			for n := range copies {
				p.packets = append(p.packets, knock.Packet{At: at + speed.fifth*time.Duration(copies+n)/time.Duration(2*copies), Probe: true})
			}
			at += speed.fifth
		}
	}
	if speed.trail > 0 {
		p.packets = append(p.packets, knock.Packet{At: at + speed.trail, Probe: true})
	}
	return p
}

// opens returns the index of the packet that opens a gate with these ports, -1 for
// none. It may be a packet of another candidate that shares the port. A gate that
// forgets, as the article's does, removes an address from the phase before when it
// enters the next.
func (p scanPlan) opens(ports [knock.Knocks]uint16, to map[uint16][]int, forgets bool) int {
	var hits []int // the knocks at the gate's ports
	for k, port := range ports {
		if !slices.Contains(ports[:k], port) {
			hits = append(hits, to[port]...)
		}
	}
	slices.Sort(hits)
	var reached [knock.Knocks]time.Duration
	for i := range reached {
		reached[i] = -1
	}
	for _, i := range hits {
		s := p.packets[i]
		for k, port := range ports {
			if s.Port == port && (k == 0 || reached[k-1] >= 0 && s.At-reached[k-1] <= p.window) {
				reached[k] = s.At
				if k > 0 && forgets {
					reached[k-1] = -1
				}
			}
		}
		if reached[knock.Knocks-1] >= 0 {
			return i
		}
	}
	return -1
}

// knocks returns the indices of the knocks to each port, in order.
func (p scanPlan) knocks() map[uint16][]int {
	to := map[uint16][]int{}
	for i, s := range p.packets {
		if !s.Probe {
			to[s.Port] = append(to[s.Port], i)
		}
	}
	return to
}

// probedBy returns how many candidates the packets up to that index probe for.
func (p scanPlan) probedBy(packet int) int {
	n, _ := slices.BinarySearch(p.probes, packet+1)
	return n
}

// explain returns the candidates that a hit fits, the best first: those whose gate
// opens right before it, then those whose gate should have opened a little
// earlier, since a probe may get lost, or a gate open late, and a few of those right
// after it, since a knock may overtake a probe; and where knocks get lost, those whose
// fifth port another candidate has too. hit is the index of the probe that found SSH open.
func (p scanPlan) explain(hit int) (fits []int) {
	n := p.probedBy(hit) - 1
	if n < 0 {
		return nil
	}
	to := p.knocks()
	for _, forgets := range []bool{true, false} {
		opened := make([][]int, len(p.ports))
		for i, ports := range p.ports {
			opened[i] = []int{p.opens(ports, to, forgets)}
		}
		for _, back := range []int{n, n - 1, n - 2, n - lateProbes, n + 1, n + 2, n + lateProbes} {
			if back <= n || len(fits) < maxConfirmations {
				fits = p.addBetween(fits, back, opened)
			}
		}
	}
	fifth := make([][]int, len(p.ports))
	for i, ports := range p.ports {
		fifth[i] = to[ports[knock.Knocks-1]]
	}
	shared := p.addBetween(p.addBetween(fits, n, fifth), n-1, fifth)
	return shared[:min(len(shared), len(fits)+maxShared)]
}

// addBetween adds to fits the candidates that have one of their packets between the probe
// of that number and the one before it.
func (p scanPlan) addBetween(fits []int, probe int, packets [][]int) []int {
	if probe < 0 || probe >= len(p.probes) {
		return fits
	}
	from := -1
	if probe > 0 {
		from = p.probes[probe-1]
	}
	for i, all := range packets {
		within := slices.ContainsFunc(all, func(at int) bool { return from < at && at < p.probes[probe] })
		if within && !slices.Contains(fits, i) {
			fits = append(fits, i)
		}
	}
	return fits
}
