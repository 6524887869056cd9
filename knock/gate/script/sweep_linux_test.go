package script_test

import (
	"slices"
	"testing"
	"time"

	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// wrong returns n ports of the range that belong to no hour around now.
func (g *gated) wrong(n int) (ports []uint16) {
	own := g.around()
	for port := g.Range.Bottom(); len(ports) < n; port++ {
		if !slices.Contains(own, uint16(port)) {
			ports = append(ports, uint16(port))
		}
	}
	return ports
}

// around returns the ports of the hours from 26 before to 26 after now.
func (g *gated) around() (ports []uint16) {
	for h := -26; h <= 26; h++ {
		s := g.sequence(at.Add(time.Duration(h) * time.Hour))
		ports = append(ports, s[:]...)
	}
	return ports
}

// hurry sends one SYN to each port, as fast as it can.
func (p peer) hurry(ports []uint16) {
	for _, port := range ports {
		if c, err := p.dial(int(port), time.Millisecond); err == nil {
			c.Close()
		}
	}
}

func TestRulesIgnoreASweep(t *testing.T) {
	knocktest.Long(t)
	each(t, nil, func(t *testing.T, g *gated) {
		g.run("setup")
		ports := g.sequence(at)
		for _, addr := range g.addresses() {
			skewed, unlucky, sweep, other := g.from(addr), g.from(addr), g.from(addr), g.from(addr)
			skewed.hurry(g.around())
			if skewed.knock(ports[:]...); !skewed.opens() {
				t.Errorf("%v: the ports of the hours around count as wrong", addr)
			}
			unlucky.hurry(g.wrong(script.DefaultSweepGuard - 5))
			if unlucky.knock(ports[:]...); !unlucky.opens() {
				t.Errorf("%v: wrong ports within the limit are not forgiven", addr)
			}
			sweep.knock(ports[:4]...)
			sweep.hurry(g.wrong(script.DefaultSweepGuard + 10))
			if sweep.knock(ports[4]); sweep.opens() {
				t.Errorf("%v: after a sweep the phase is kept", addr)
			}
			if sweep.knock(ports[:]...); sweep.opens() {
				t.Errorf("%v: after a sweep the handshake opens", addr)
			}
			// IPv6 counts by /64, and all clients of a test are in one.
			if other.knock(ports[:]...); other.opens() != addr.Is4() {
				t.Errorf("%v: open to another address: %v", addr, addr.Is6())
			}
		}
	})
}

// A sweep of the whole range opens a gate without the guard, and none with it.
func TestRulesOpenToASweepWithoutTheGuard(t *testing.T) {
	knocktest.Long(t)
	each(t, func(r *script.Rules) { r.SweepGuard = 0 }, func(t *testing.T, g *gated) {
		var all []uint16
		for port := g.Range.Bottom(); port <= g.Range.Top(); port++ {
			all = append(all, uint16(port))
		}
		for _, guard := range []int{0, script.DefaultSweepGuard} {
			g.rules.SweepGuard = guard
			g.print()
			g.run("setup")
			p, opened := g.from(g.Addr4), false
			for range 8 {
				p.hurry(all)
				opened = opened || p.opens()
			}
			if opened != (guard == 0) {
				t.Errorf("sweep guard %d: a sweep opens: %v", guard, opened)
			}
		}
	})
}

// Only SYNs are knocks: not the packets of sessions that nobody tracked.
func TestRulesTakeOnlySYNs(t *testing.T) {
	each(t, nil, func(t *testing.T, g *gated) {
		g.run("setup")
		for flags, want := range map[byte]bool{flagSYN: true, flagACK: false, flagSYN | flagACK: false} {
			p := g.from(g.Addr4)
			for _, port := range g.sequence(at) {
				send(t, g.Addr4, packetFrom(p.addr.As4(), g.Addr4.As4(), port, flags))
			}
			if p.opens() != want {
				t.Errorf("flags %#x: opens: %v", flags, !want)
			}
		}
	})
}
