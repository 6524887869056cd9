package pcap

import (
	"net/netip"
	"time"

	"rapport/knock/arrivals"
)

// following is a packet of a connection that is no SYN, and no answer to one.
type following struct {
	flow
	data, ends bool
}

// talk is a connection that a server accepted, as far as a capture has more of it than SYNs.
type talk struct {
	accepted time.Time
	followed bool      // a packet of the client came behind
	spoke    bool      // the server sent data
	closed   time.Time // by either side, zero is not seen
}

const (
	maxTalks = 10_000
	// silence is from when on a server that says nothing is told: sshd sends its banner at
	// once, and a busy machine is slower.
	silence = 2 * time.Second
)

// follow records what a packet says of a connection. One that was cut has data behind what
// was captured.
func (c *Capture) follow(s segment, cut bool) {
	if s.at.After(c.end) {
		c.end = s.at
	}
	switch {
	case s.is() && s.kind == arrivals.Accepted:
		if c.talks == nil {
			c.talks = map[flow]*talk{}
		}
		if f := (flow{s.src, s.dst}); c.talks[f] == nil && len(c.talks) < maxTalks {
			c.talks[f] = &talk{accepted: s.at}
		}
	case s.is() && s.kind == arrivals.Refused:
		if t := c.talks[flow{s.src, s.dst}]; t != nil {
			t.close(s.at)
		}
		if t := c.talks[flow{s.dst, s.src}]; t != nil { // the client's reset
			t.close(s.at)
		}
	case s.follows != nil:
		if t := c.talks[s.follows.flow]; t != nil {
			t.followed = true
			if s.follows.ends {
				t.close(s.at)
			}
		} else if t := c.talks[flow{s.follows.dst, s.follows.src}]; t != nil {
			t.spoke = t.spoke || s.follows.data || cut
			if s.follows.ends {
				t.close(s.at)
			}
		}
	}
}

func (t *talk) close(at time.Time) {
	if t.closed.IsZero() {
		t.closed = at
	}
}

// findSilent adds to clients who got in that the server sent them nothing, where a capture
// has the connection, and not the SYNs alone.
func findSilent(clients []arrivals.Client, c *Capture) {
	talks := map[netip.AddrPort][]*talk{} // by the client's address and the server's port
	for f, t := range c.talks {
		k := netip.AddrPortFrom(f.src.Addr(), f.dst.Port())
		talks[k] = append(talks[k], t)
	}
	for i := range clients {
		one := &clients[i]
		if !one.In || one.Candidate == nil {
			continue
		}
		k := one.SSH[0]
		from := one.Addr
		if k.From.IsValid() {
			from = k.From
		}
		if took, ok := c.silence(one.SSH, talks[netip.AddrPortFrom(from, k.Port)]); ok {
			one.Findings = append(one.Findings, arrivals.Finding{Code: arrivals.SSHSilent, Took: took})
		}
	}
}

// silence returns for how long a client waited in vain for the server to say something.
func (c *Capture) silence(tries []arrivals.Knock, talks []*talk) (longest time.Duration, ok bool) {
	for _, t := range talks {
		way := time.Duration(0) // there and back, where the client captured
		for _, k := range tries {
			if d := t.accepted.Sub(k.At()); d >= 0 {
				way = d
			}
		}
		until := c.end
		if !t.closed.IsZero() {
			until = t.closed
		}
		if t.spoke || !t.followed {
			return 0, false
		}
		if waited := until.Sub(t.accepted); waited >= silence+way {
			longest, ok = max(longest, waited), true
		}
	}
	return longest, ok
}
