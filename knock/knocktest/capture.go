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

// Capture collects the SYNs that arrive at a server, from all clients, whatever
// the gate does with them. A SYN that the kernel repeats counts each time.
type Capture struct {
	t       testing.TB
	sniffer *sniffer

	mu   sync.Mutex
	syns []SYN
	err  error
}

// Capture starts to collect. It ends with the test.
func (s *Server) Capture(t testing.TB) *Capture {
	t.Helper()
	sn, err := sniff(s.port)
	if err != nil {
		t.Fatalf("no capture on %s: %v", s.port, err)
	}
	c := &Capture{t: t, sniffer: sn}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		sn.follow(c.take)
	}()
	t.Cleanup(func() {
		_ = sn.Close()
		<-followed
	})
	return c
}

// SYNs returns the SYNs that have arrived so far, in order of arrival. Whatever
// was sent before the call is among them.
func (c *Capture) SYNs() []SYN {
	c.t.Helper()
	c.take()
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

// take moves what waits in the socket over. The kernel has put a packet there
// before the send that caused it returns.
func (c *Capture) take() {
	c.mu.Lock()
	defer c.mu.Unlock()
	syns, err := c.sniffer.drain()
	c.syns = append(c.syns, syns...)
	if err != nil && !errors.Is(err, os.ErrClosed) && c.err == nil {
		c.err = err
	}
}

// parseSYN reads an IP packet of either family. Whether it is a SYN at all has
// been looked at in the kernel.
func parseSYN(p []byte, at time.Time) (SYN, bool) {
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
		return SYN{}, false
	}
	port := binary.BigEndian.Uint16
	return SYN{
		Src:  netip.AddrPortFrom(src, port(p)),
		Dst:  netip.AddrPortFrom(dst, port(p[2:])),
		Seq:  binary.BigEndian.Uint32(p[4:]),
		Time: at,
	}, true
}
