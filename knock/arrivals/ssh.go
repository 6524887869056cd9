package arrivals

import (
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
)

// connect judges the connections of a client whose handshake is complete and right, and
// pairs it with other sources.
func (t *Tracker) connect(c *Client) {
	c.In = c.gotIn()
	if c.Candidate == nil || c.In {
		return
	}
	f, moved := c.moved()
	switch {
	case moved && c.right:
		c.Findings = []Finding{f}
	case moved:
		c.add(f)
	}
	if moved || !c.right {
		return
	}
	if c.Phase < knock.Knocks {
		t.pairKnocks(c)
		return
	}
	open := c.entered[knock.Knocks-1]
	inTime, lost, early, late := t.tries(c, open)
	switch {
	case len(inTime) > 0:
		t.unanswered(c, inTime)
	case t.pairSSH(c, open):
	case late > 0:
		c.add(Finding{Code: SSHLate, Took: late, Window: t.gate.Window})
	case len(lost) > 0:
		c.add(aboutAnswer(SSHLost, c, lost[len(lost)-1]))
	case early:
		c.add(Finding{Code: SSHEarly})
	case t.otherPort(c, open):
	default:
		c.add(Finding{Code: NoSSH})
	}
}

// tries sorts the attempts at SSH: those in time, those that never arrived, whether one was
// early, and how late the first late one was.
func (t *Tracker) tries(c *Client, open time.Time) (inTime, lost []Knock, early bool, late time.Duration) {
	for _, k := range c.SSH {
		switch gap := k.At().Sub(open); {
		case c.arrived && k.Arrived.IsZero():
			lost = append(lost, k)
		case gap < 0:
			early = true
		case t.gate.Window > 0 && gap > t.gate.Window:
			if late == 0 {
				late = gap
			}
		default:
			inTime = append(inTime, k)
		}
	}
	return inTime, lost, early, late
}

// otherPort looks for the port that was tried in place of SSH.
func (t *Tracker) otherPort(c *Client, open time.Time) bool {
	for _, k := range c.Knocks {
		if k.Phase == 0 && !t.gate.Range.Contains(int(k.Port)) && t.inWindow(k.At().Sub(open)) {
			c.add(Finding{Code: SSHPort, Port: k.Port, SSH: t.gate.SSHPort})
			return true
		}
	}
	return false
}

// aboutAnswer is a finding about a connection and what answered it.
func aboutAnswer(code Code, c *Client, k Knock) Finding {
	f := Finding{Code: code, Answer: k.Answer, Between: k.Between}
	if k.By.IsValid() && k.By != c.Server {
		f.Addrs = append(f.Addrs, k.By)
	}
	return f
}

// moved finds out whether the client's packets reached the server from several
// addresses, where both sides were seen.
func (c *Client) moved() (Finding, bool) {
	from := func(some []Knock) (all []netip.Addr) {
		for _, k := range some {
			a := c.Addr
			if k.From.IsValid() {
				a = k.From
			}
			if !k.Arrived.IsZero() && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
		return all
	}
	knocks, ssh := from(c.Knocks), from(c.SSH)
	switch {
	case !c.left || !c.arrived:
	case len(knocks) > 1:
		return Finding{Code: AddressChanges, Knocks: []int{1, 2, 3, 4, 5}, Addrs: knocks}, true
	case len(knocks) == 1 && len(ssh) > 0 && !slices.Contains(ssh, knocks[0]):
		return Finding{Code: AddressChanges, Addrs: ssh}, true
	}
	return Finding{}, false
}

// unanswered judges connections that came in time and were not accepted.
func (t *Tracker) unanswered(c *Client, tries []Knock) {
	for _, k := range tries {
		if k.Answer == Refused || k.Answer == Unreachable {
			c.add(aboutAnswer(SSHRefused, c, k))
			return
		}
	}
	before := t.used[c.made.Ports]
	switch {
	case c.Has(KnocksSeized) || c.Has(KnocksRejected):
	case t.gate.SweepGuard > 0 && t.wrongOf(c) > t.gate.SweepGuard:
		c.add(Finding{Code: Ignored, Guard: t.gate.SweepGuard})
	case !before.IsValid() || before == c.Addr:
		c.add(Finding{Code: Unanswered})
	case t.gate.ReplayGuard:
		c.add(Finding{Code: Replayed, Addrs: []netip.Addr{before}})
	default:
		c.add(Finding{Code: Unanswered, Addrs: []netip.Addr{before}})
	}
	if f, ok := c.refusal(); ok && c.Has(Unanswered) { // perhaps a rule before the gate
		c.add(f)
	}
}

// wrongOf returns how many wrong ports the client hit, in the minute before too.
func (t *Tracker) wrongOf(c *Client) int {
	n := c.wrong
	if s, ok := t.sweepers[c.Addr]; ok && c.First.Sub(s.last) < time.Minute {
		n += s.wrong
	}
	return n
}

// trace is what is remembered of a source that is over, to pair it with others.
type trace struct {
	addr  netip.Addr
	at    time.Time
	ssh   []Knock
	ports []uint16 // of the expected sequences
	sent  int      // different ports in all
}

// pairSSH looks for the source whose SYN to SSH belongs to the handshake of c: one of
// its network; or of the other IP family, the next one, unless it is closer to another handshake.
func (t *Tracker) pairSSH(c *Client, open time.Time) bool {
	if near := t.neighbour(c.Addr, open); near.IsValid() {
		c.add(Finding{Code: AddressChanges, Addrs: []netip.Addr{near}})
		return true
	}
	var other netip.Addr
	next := t.quiet()
	for _, o := range t.traces {
		after := o.sshAfter(open)
		switch {
		case !t.inWindow(after) || o.sent > minMatched:
		case o.addr.Is4() == c.Addr.Is4() || t.opensBetween(c, open, open.Add(after)):
		case after < next:
			other, next = o.addr, after
		}
	}
	if !other.IsValid() {
		return false
	}
	c.add(Finding{Code: OtherFamily, Addrs: []netip.Addr{other}})
	return true
}

// inWindow reports whether a connection came while SSH was open.
func (t *Tracker) inWindow(after time.Duration) bool {
	return after >= 0 && (t.gate.Window == 0 || after <= t.gate.Window)
}

// neighbour returns the source of the same network that tried SSH while it was open for
// addr, without knocks of its own; the zero Addr for none.
func (t *Tracker) neighbour(addr netip.Addr, open time.Time) netip.Addr {
	for _, o := range t.traces {
		if o.addr != addr && o.sent <= minMatched && sameNetwork(o.addr, addr) && t.inWindow(o.sshAfter(open)) {
			return o.addr
		}
	}
	return netip.Addr{}
}

// opensBetween reports whether the gate then opened to another client, whose SSH is
// missing.
func (t *Tracker) opensBetween(c *Client, from, to time.Time) bool {
	return slices.ContainsFunc(t.pending, func(o *Client) bool {
		at := o.entered[knock.Knocks-1]
		return o.Addr != c.Addr && o.right && o.Phase == knock.Knocks && len(o.SSH) == 0 && at.After(from) && !at.After(to) && !t.neighbour(o.Addr, at).IsValid()
	})
}

// sshAfter returns how long after an instant the source first tried SSH, negative for
// never.
func (o trace) sshAfter(open time.Time) time.Duration {
	for _, k := range o.ssh {
		if d := k.At().Sub(open); d >= 0 {
			return d
		}
	}
	return -1
}

// pairKnocks looks for sources that sent the knocks which c lacks: one of them, from the
// same network; or, from any, two and none of those that c sent, which is no chance.
func (t *Tracker) pairKnocks(c *Client) {
	var lacks []int
	for n, p := range c.made.Ports {
		if !slices.ContainsFunc(c.Knocks, func(k Knock) bool { return k.Port == p }) {
			lacks = append(lacks, n+1)
		}
	}
	f := Finding{Code: AddressChanges, Knocks: lacks}
	for _, o := range t.traces {
		if o.addr == c.Addr || o.at.Sub(c.First).Abs() > t.quiet() {
			continue
		}
		has := 0
		for _, n := range lacks {
			if slices.Contains(o.ports, c.made.Ports[n-1]) {
				has++
			}
		}
		apart := !slices.ContainsFunc(c.Knocks, func(k Knock) bool { return slices.Contains(o.ports, k.Port) })
		if has >= minMatched && apart || has > 0 && sameNetwork(o.addr, c.Addr) {
			f.Addrs = append(f.Addrs, o.addr)
		}
	}
	if len(f.Addrs) > 0 && len(f.Addrs) < knock.Knocks {
		slices.SortFunc(f.Addrs, netip.Addr.Compare)
		f.Addrs = slices.Compact(f.Addrs)
		c.Findings = []Finding{f}
	}
}

// Network returns the network whose addresses may come from one pool: carriers assign
// IPv4 addresses from pools of up to a /16, and sites have an IPv6 /48.
func Network(a netip.Addr) netip.Prefix {
	bits := 16
	if a.Is6() {
		bits = 48
	}
	p, _ := a.WithZone("").Prefix(bits) // no address is shorter
	return p
}

// sameNetwork reports whether two addresses may come from one pool.
func sameNetwork(a, b netip.Addr) bool { return Network(a) == Network(b) }
