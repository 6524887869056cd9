package knocktest

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// SYN is a TCP packet that asks for a connection.
type SYN struct {
	Src, Dst netip.AddrPort
	Seq      uint32 // the same in a packet and its repetitions
	Time     time.Time
}

// Capture collects the SYNs that arrive at a server, from all clients, before the
// gate, and counts the connections that are made. Repeated SYNs count each time.
// For a server behind a router it collects where packets leave the router, before
// the Path.
type Capture struct {
	t       testing.TB
	sniffer *sniffer

	mu   sync.Mutex
	syns []SYN
	err  error

	asked     map[[2]netip.AddrPort]bool // source and destination of a SYN, not connected yet
	connected map[uint16]int             // connections by the server's port
}

// segment is a TCP packet.
type segment struct {
	SYN
	flags byte
}

// Bits of the flags, RFC 9293, section 3.1.
const (
	flagSYN = 1 << 1
	flagRST = 1 << 2
	flagACK = 1 << 4
)

// Capture starts to collect. It ends with the test.
func (s *Server) Capture(t testing.TB) *Capture {
	t.Helper()
	var sn *sniffer
	open := func() (err error) { sn, err = sniff(s.port, true, 0); return err }
	if r := s.Router; r != nil {
		open = func() error {
			return r.enter(func() (err error) { sn, err = sniff("eth1", true, 0); return err })
		}
	}
	if err := open(); err != nil {
		t.Fatalf("no capture in front of the server: %v", err)
	}
	c := &Capture{t: t, sniffer: sn, asked: map[[2]netip.AddrPort]bool{}, connected: map[uint16]int{}}
	background(t, sn, func() { sn.follow(c.collect) })
	return c
}

// SYNs returns the SYNs that have arrived so far, in order of arrival. Those
// sent before the call are included, unless a router has not forwarded them yet.
func (c *Capture) SYNs() []SYN {
	c.t.Helper()
	c.collect()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		c.t.Errorf("the capture is not complete: %v", c.err)
	}
	return slices.Clone(c.syns)
}

// Ports returns the destination ports of the SYNs, in order of arrival.
func (c *Capture) Ports() []uint16 {
	c.t.Helper()
	var ports []uint16
	for _, s := range c.SYNs() {
		ports = append(ports, s.Dst.Port())
	}
	return ports
}

// Connections returns how many TCP connections to a port of the server have been
// made so far: the server answered a SYN, and the client acknowledged it. A
// connection counts at the latest when the client has read from it.
func (c *Capture) Connections(port int) int {
	c.t.Helper()
	c.SYNs()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connected[uint16(port)]
}

// collect reads the packets that are in the socket. The kernel puts a packet there
// before the call that sends it returns.
func (c *Capture) collect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	segments, err := c.sniffer.drain()
	for _, s := range segments {
		flow := [...]netip.AddrPort{s.Src, s.Dst}
		switch {
		case s.flags&(flagSYN|flagACK) == flagSYN:
			c.syns = append(c.syns, s.SYN)
			c.asked[flow] = true
		case s.flags&(flagSYN|flagACK|flagRST) == flagACK && c.asked[flow]:
			delete(c.asked, flow)
			c.connected[s.Dst.Port()]++
		}
	}
	if err != nil && !errors.Is(err, os.ErrClosed) && c.err == nil {
		c.err = err
	}
}

// parseTCP reads a TCP packet of either IP family; the kernel has filtered out
// other protocols.
func parseTCP(p []byte, at time.Time) (segment, bool) {
	var src, dst netip.Addr
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		src, _ = netip.AddrFromSlice(p[12:16])
		dst, _ = netip.AddrFromSlice(p[16:20])
		p = p[min(len(p), 4*int(p[0]&15)):]
	case len(p) >= 40 && p[0]>>4 == 6:
		src, _ = netip.AddrFromSlice(p[8:24])
		dst, _ = netip.AddrFromSlice(p[24:40])
		p = p[40:]
	}
	if len(p) < 20 || !src.IsValid() {
		return segment{}, false
	}
	port := binary.BigEndian.Uint16
	return segment{SYN{
		Src:  netip.AddrPortFrom(src, port(p)),
		Dst:  netip.AddrPortFrom(dst, port(p[2:])),
		Seq:  binary.BigEndian.Uint32(p[4:]),
		Time: at,
	}, p[13]}, true
}
