package clock

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"time"
)

// day is the span after which an ICMP timestamp repeats itself.
const day = 24 * time.Hour

// ICMP's timestamp messages (RFC 792): type, code, checksum, identifier,
// sequence number, and three times of four bytes each.
const (
	icmpTimestamp      = 13
	icmpTimestampReply = 14
	icmpTimestampLen   = 20
)

var (
	errNoStamp   = errors.New("not an answer to this question")
	errOtherTime = errors.New("its timestamps do not count from midnight UTC")
)

// icmp sends an ICMP timestamp request, which takes a raw socket. The answer has
// the time of day alone.
func (a *asker) icmp(ctx context.Context) (Interval, string, error) {
	if !a.addr.Is4() {
		return Interval{}, "", errors.New("there is no such thing over IPv6")
	}
	packets, err := (&net.ListenConfig{}).ListenPacket(ctx, "ip4:icmp", "0.0.0.0")
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, wsaAccess) {
		return Interval{}, "", ErrNeedsRoot
	}
	if err != nil {
		return Interval{}, "", err
	}
	socket := packets.(*net.IPConn)
	bound := endWith(ctx, socket)
	defer bound.Close()

	var request [icmpTimestampLen]byte
	_, _ = rand.Read(request[4:8]) // identifier and number: nobody else's; it never fails
	from := a.now()
	putTimestampRequest(&request, from)
	if _, err := socket.WriteToIP(request[:], &net.IPAddr{IP: a.addr.AsSlice()}); err != nil {
		return Interval{}, "", err
	}
	// A raw socket gets all ICMP packets; the end of ctx ends the wait.
	for buf := make([]byte, 1500); ; {
		n, sender, err := socket.ReadFromIP(buf)
		to := a.now()
		if err != nil {
			return Interval{}, "", err
		}
		if ip, ok := netip.AddrFromSlice(sender.IP); !ok || ip.Unmap() != a.addr {
			continue
		}
		i, err := readTimestampReply(buf[:n], request, from, to)
		if errors.Is(err, errNoStamp) {
			continue
		}
		return i, "time of day only", err
	}
}

// putTimestampRequest fills in all fields but identifier and number.
func putTimestampRequest(b *[icmpTimestampLen]byte, now time.Time) {
	b[0] = icmpTimestamp
	binary.BigEndian.PutUint32(b[8:], uint32(sinceMidnight(now).Milliseconds()))
	binary.BigEndian.PutUint16(b[2:], checksum(b[:]))
}

// readTimestampReply reads the answer to a request. from and to are this machine's
// times around it. It wraps errNoStamp for any other packet.
func readTimestampReply(b []byte, request [icmpTimestampLen]byte, from, to time.Time) (Interval, error) {
	if len(b) < icmpTimestampLen || b[0] != icmpTimestampReply || b[1] != 0 || [4]byte(b[4:8]) != [4]byte(request[4:8]) ||
		checksum(b[:icmpTimestampLen]) != 0 {
		return Interval{}, errNoStamp
	}
	received, sent := binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[16:])
	// The high bit marks times that are not milliseconds since midnight UTC.
	if int64(max(received, sent)) >= day.Milliseconds() {
		return Interval{}, errOtherTime
	}
	// Each time was cut to a millisecond, and some kernels read one a tick old.
	low := wrap(time.Duration(sent)*time.Millisecond - sinceMidnight(to))
	high := wrap(time.Duration(received+2)*time.Millisecond - sinceMidnight(from))
	if high = low + wrap(high-low); high < low {
		return Interval{}, errors.New("its timestamps contradict each other")
	}
	return Interval{low, high}, nil
}

// sinceMidnight returns the time of the day in UTC.
func sinceMidnight(t time.Time) time.Duration { return t.Sub(t.Truncate(day)) }

// wrap returns the offset within half a day that differs from d by whole days.
func wrap(d time.Duration) time.Duration { return d - d.Round(day) }

// checksum is the internet's (RFC 1071); over a packet that has the right one it
// is zero. b has an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
