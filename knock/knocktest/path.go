package knocktest

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Path is a network between a router and the server. Its numbers hold for each
// direction separately. TCP and UDP packets get the same treatment in the same order with the same
// seed; others are only delayed, and those of [Host.awaitReached] not even that.
type Path struct {
	Delay     time.Duration // in one direction; twice that is added to the round trip
	Jitter    time.Duration // at most that much more for a packet, which may then be overtaken
	Late      float64       // the part of the packets that Jitter delays, from 0 to 1; all when zero
	Loss      float64       // the part of the packets that are lost, from 0 to 1
	Duplicate float64       // the part that arrives twice, from 0 to 1
	Seed      uint64
}

// relay joins two hosts by the path: eth1 of near, eth0 of far, neither of them
// up. It ends with the test.
func (p Path) relay(t testing.TB, near, far *Host) {
	t.Helper()
	var ends [2]*os.File
	for i, end := range []struct {
		*Host
		device string
	}{{near, "eth1"}, {far, "eth0"}} {
		err := end.enter(func() (err error) {
			ends[i], err = openTUN(end.device)
			return err
		})
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			Lack(t, "a device that a program can be behind ("+err.Error()+")")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var both sync.WaitGroup
	for i := range ends {
		dice := rand.New(rand.NewPCG(p.Seed, uint64(i)))
		both.Go(func() { p.carry(ends[1-i], ends[i], dice) })
	}
	t.Cleanup(func() {
		for _, end := range ends {
			_ = end.Close()
		}
		both.Wait()
	})
}

// carry carries packets in one direction, until from is closed.
func (p Path) carry(to, from *os.File, dice *rand.Rand) {
	packets := make(chan packet)
	var sender sync.WaitGroup
	sender.Go(func() { send(to, packets) })
	defer sender.Wait()
	defer close(packets)
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		data := slices.Clone(buf[:n])
		for _, late := range p.delays(data, dice) {
			packets <- packet{time.Now().Add(late), data}
		}
	}
}

// delays returns the delay of each copy of a packet, none if it is lost.
func (p Path) delays(data []byte, dice *rand.Rand) []time.Duration {
	switch isTransport, isSetUp := transport(data); {
	case isSetUp:
		return []time.Duration{0}
	case !isTransport:
		return []time.Duration{p.Delay}
	}
	// Each packet takes the same number of random numbers, so that the next ones do
	// not depend on this one.
	lost, twice := dice.Float64() < p.Loss, dice.Float64() < p.Duplicate
	var late [2]time.Duration
	for i := range late {
		late[i] = p.Delay
		more := time.Duration(dice.Float64() * float64(p.Jitter))
		if meets := dice.Float64() < p.Late; meets || p.Late == 0 {
			late[i] += more
		}
	}
	switch {
	case lost:
		return nil
	case twice:
		return late[:]
	}
	return late[:1]
}

// transport reports whether an IP packet is TCP or UDP, and whether it is one of those
// that find out whether the host is reached: on a busy machine they may come after the
// test has begun. Others come at random times, such as IPv6 router solicitations.
func transport(p []byte) (yes, setUp bool) {
	protocol, header := byte(0), 0
	switch {
	case len(p) > 9 && p[0]>>4 == 4:
		protocol, header = p[9], int(p[0]&0xf)*4
	case len(p) > 9 && p[0]>>4 == 6:
		protocol, header = p[6], 40
	}
	if protocol != syscall.IPPROTO_TCP && protocol != syscall.IPPROTO_UDP || len(p) < header+4 {
		return false, false
	}
	from, to := binary.BigEndian.Uint16(p[header:]), binary.BigEndian.Uint16(p[header+2:])
	return true, from == discard || to == discard
}

// packet is one that is on the path.
type packet struct {
	due  time.Time
	data []byte
}

// send writes packets when they are due, and drops the rest when the channel is
// closed.
func send(to *os.File, packets <-chan packet) {
	var waiting []packet // in the order in which they are due
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case p, ok := <-packets:
			if !ok {
				return
			}
			i, _ := slices.BinarySearchFunc(waiting, p, func(a, b packet) int {
				return cmp.Or(a.due.Compare(b.due), -1) // behind what is due at the same time
			})
			waiting = slices.Insert(waiting, i, p)
		case <-timer.C:
		}
		for len(waiting) > 0 && time.Until(waiting[0].due) <= 0 {
			_, _ = to.Write(waiting[0].data) // or lost: the device may be down
			waiting = waiting[1:]
		}
		if len(waiting) > 0 {
			timer.Reset(time.Until(waiting[0].due))
		}
	}
}
