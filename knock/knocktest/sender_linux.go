package knocktest

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sender sends packets to a server from any source address, faster than TCP sockets
// can: it writes them to the server's port of the bridge. The server's answers come
// to the same link, and only [Sender.Answers] reads them.
type Sender struct {
	t        testing.TB
	s        *Server
	fd       int
	frames   [batch][]byte
	msgs     [batch]mmsghdr
	answers  *sniffer
	nextPort uint16
}

// batch is how many packets one system call sends.
const batch = 64

// mmsghdr is struct mmsghdr, see sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// Packet is one TCP packet to a server's address of the source's family.
type Packet struct {
	From       netip.Addr
	Port       uint16 // of the server
	SourcePort uint16 // one after the other when zero
	Flags      byte   // SYN when zero
}

// NewSender returns a sender that works until the test ends.
func (s *Server) NewSender(t testing.TB) *Sender {
	t.Helper()
	if s.Router != nil {
		t.Fatal("a sender needs a server without a router")
	}
	s.Run(t, "sh", "-c", answerAll, "answer", s.Client4.String(), s.Client6.String(), s.link.mac(1).String())
	device, err := net.InterfaceByName(s.port)
	if err != nil {
		t.Fatal(err)
	}
	x := &Sender{t: t, s: s, nextPort: 1024}
	if x.answers, err = sniff(s.port, false, flagSYN|flagACK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.answers.Close() })
	if x.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		t.Fatal(os.NewSyscallError("socket", err))
	}
	t.Cleanup(func() { _ = unix.Close(x.fd) })
	if err := unix.Bind(x.fd, &unix.SockaddrLinklayer{Ifindex: device.Index}); err != nil {
		t.Fatal(os.NewSyscallError("bind", err))
	}
	for i := range x.frames {
		x.frames[i] = make([]byte, ethernet+1500)
		x.msgs[i].hdr.Iov = &unix.Iovec{Base: &x.frames[i][0]}
		x.msgs[i].hdr.SetIovlen(1)
		copy(x.frames[i], s.link.mac(int(s.Addr4.As4()[3])))
		copy(x.frames[i][6:], s.link.mac(1))
	}
	return x
}

// answerAll makes the server accept packets from every address, and send all its
// answers to the host of the test process.
const answerAll = `
set -e
cd /proc/sys/net/ipv4/conf
echo 0 > all/rp_filter; echo 0 > eth0/rp_filter
ip neigh replace "$1" lladdr "$3" dev eth0 nud permanent
ip neigh replace "$2" lladdr "$3" dev eth0 nud permanent
ip route replace default via "$1"
ip -6 route replace default via "$2"`

// ethernet is the length of a frame's header.
const ethernet = 14

// Send sends packets without pauses. When it returns the server has handled them,
// unless its kernel is busy with others.
func (x *Sender) Send(packets ...Packet) {
	x.t.Helper()
	for len(packets) > 0 {
		n := min(len(packets), batch)
		for i, p := range packets[:n] {
			x.load(i, x.tcp(x.frames[i][:ethernet], p))
		}
		x.flush(n)
		packets = packets[n:]
	}
}

// SendIP sends whole IP packets, as they are.
func (x *Sender) SendIP(packets ...[]byte) {
	x.t.Helper()
	for _, p := range packets {
		x.load(0, append(x.frames[0][:ethernet], p...))
		x.flush(1)
	}
}

// load prepares the frame in buffer i for flush.
func (x *Sender) load(i int, frame []byte) {
	binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_IP)
	if frame[ethernet]>>4 == 6 {
		binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_IPV6)
	}
	x.msgs[i].hdr.Iov.SetLen(len(frame))
}

// flush sends the first n frames.
func (x *Sender) flush(n int) {
	x.t.Helper()
	for done := 0; done < n; {
		k, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(x.fd), uintptr(unsafe.Pointer(&x.msgs[done])), uintptr(n-done), 0, 0, 0)
		switch e {
		case 0:
			done += int(k)
		case unix.EINTR:
		case unix.ENOBUFS: // a queue is full: the packet is lost
			done++
		default:
			x.t.Fatal(os.NewSyscallError("sendmmsg", e))
		}
	}
}

// tcp appends a packet to b.
func (x *Sender) tcp(b []byte, p Packet) []byte {
	if p.SourcePort == 0 {
		x.nextPort = max(1024, x.nextPort+1)
		p.SourcePort = x.nextPort
	}
	to := x.s.Addr6
	if p.From.Is4() {
		to = x.s.Addr4
	}
	return AppendTCP(b, p, to)
}

// AppendTCP appends an IP packet with p, without options and with
// correct checksums.
func AppendTCP(b []byte, p Packet, to netip.Addr) []byte {
	start := len(b)
	if to.Is4() {
		from, to := p.From.As4(), to.As4()
		b = append(b, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, unix.IPPROTO_TCP, 0, 0)
		b = append(append(b, from[:]...), to[:]...)
		binary.BigEndian.PutUint16(b[start+10:], checksum(b[start:], 0))
		start += 12
	} else {
		from, to := p.From.As16(), to.As16()
		b = append(b, 0x60, 0, 0, 0, 0, 20, unix.IPPROTO_TCP, 64)
		b = append(append(b, from[:]...), to[:]...)
		start += 8
	}
	if p.Flags == 0 {
		p.Flags = flagSYN
	}
	tcp := len(b)
	b = binary.BigEndian.AppendUint16(b, p.SourcePort)
	b = binary.BigEndian.AppendUint16(b, p.Port)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 0, 5<<4, p.Flags, 4, 0, 0, 0, 0, 0)
	// The pseudo header is the addresses, the protocol and the length, RFC 9293, section 3.1.
	binary.BigEndian.PutUint16(b[tcp+16:], checksum(b[start:], unix.IPPROTO_TCP+20))
	return b
}

// checksum is that of RFC 1071, of an even number of bytes.
func checksum(b []byte, sum uint32) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// Flood sends packets that next returns, rate of them a second, until n were sent
// or ctx ends; an n of 0 is no limit. It returns how many were sent. When the
// machine is late it catches up later.
func (x *Sender) Flood(ctx context.Context, rate, n int, next func() Packet) int {
	x.t.Helper()
	start, sent := time.Now(), 0
	packets := make([]Packet, 0, batch)
	for ctx.Err() == nil && (n == 0 || sent < n) {
		due := int(time.Since(start).Seconds()*float64(rate)) - sent
		if n > 0 {
			due = min(due, n-sent)
		}
		if due <= 0 {
			time.Sleep(min(time.Second/time.Duration(rate), time.Millisecond))
			continue
		}
		packets = packets[:0]
		for range min(due, batch) {
			packets = append(packets, next())
		}
		x.Send(packets...)
		sent += len(packets)
	}
	return sent
}

// Answers returns the addresses that the server's SSH port has answered with
// SYN and ACK since it was last asked, once for each answer.
func (x *Sender) Answers() []netip.Addr {
	x.t.Helper()
	segments, err := x.answers.drain()
	if err != nil {
		x.t.Fatalf("not all answers were seen: %v", err)
	}
	var all []netip.Addr
	for _, s := range segments {
		if s.Src.Port() == uint16(x.s.SSHPort) {
			all = append(all, s.Dst.Addr())
		}
	}
	return all
}

// Lost returns how many packets to the server its kernel dropped for lack of room.
func (x *Sender) Lost() int {
	x.t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		x.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, counts, _ := strings.Cut(strings.TrimSpace(line), ":")
		if f := strings.Fields(counts); name == x.s.port && len(f) == 16 {
			if n, err := strconv.Atoi(f[11]); err == nil { // drop, of what was sent
				return n
			}
		}
	}
	x.t.Fatalf("no counts of %s in\n%s", x.s.port, text)
	return 0
}
