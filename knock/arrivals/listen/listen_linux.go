package listen

import (
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"rapport/knock/arrivals"
)

// Listener receives packets, until it is closed.
type Listener struct {
	file *os.File
	conn syscall.RawConn
	lost atomic.Uint64
}

// room is the size of the socket's buffer: 50,000 SYNs a second for a fifth of one.
const room = 16 << 20

// Open opens a packet socket on all interfaces. It takes CAP_NET_RAW.
func Open(p Ports) (*Listener, error) {
	program, err := bpf.Assemble(p.Program())
	if err != nil {
		return nil, err
	}
	// Protocol 0 receives nothing until the filter is attached.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	l := &Listener{file: os.NewFile(uintptr(fd), "packet socket")}
	filter := make([]unix.SockFilter, len(program))
	for i, r := range program {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room) // as much as is allowed
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)) // htons
	err = errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all}),
	)
	conn, connErr := l.file.SyscallConn()
	if err = errors.Join(err, connErr); err != nil {
		_ = l.file.Close()
		return nil, err
	}
	l.conn = conn
	return l, nil
}

// Close ends the listener, and Follow.
func (l *Listener) Close() error { return l.file.Close() }

// Lost returns how many packets the kernel has dropped for lack of room.
func (l *Listener) Lost() uint64 {
	_ = l.conn.Control(func(fd uintptr) {
		if stats, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			l.lost.Add(uint64(stats.Drops)) // since the last call
		}
	})
	return l.lost.Load()
}

// batch is how many packets Follow passes on at a time.
const batch = 256

// Follow calls take with packets as they come, until the listener is closed. The slice
// is used again.
func (l *Listener) Follow(take func([]arrivals.Packet)) {
	packets := make([]arrivals.Packet, 0, batch)
	b, oob := make([]byte, snapshot), make([]byte, 64)
	_ = l.conn.Read(func(fd uintptr) bool { // ends with an error when closed
		for {
			n, oobn, _, from, err := unix.Recvmsg(int(fd), b, oob, unix.MSG_DONTWAIT)
			if err == unix.EINTR {
				continue
			}
			if link, ok := from.(*unix.SockaddrLinklayer); err == nil && ok && link.Pkttype != unix.PACKET_OTHERHOST {
				if p, ok := parse(b[:n], link.Pkttype == unix.PACKET_OUTGOING, stamp(oob[:oobn])); ok {
					packets = append(packets, p)
				}
			}
			if len(packets) == batch || err != nil && len(packets) > 0 {
				take(packets)
				packets = packets[:0]
			}
			if err != nil {
				return err != unix.EAGAIN
			}
		}
	})
}

// stamp returns the time at which the kernel saw the packet.
func stamp(oob []byte) time.Time {
	header, data, _, err := unix.ParseOneSocketControlMessage(oob)
	if err != nil || header.Level != unix.SOL_SOCKET || header.Type != unix.SO_TIMESTAMPNS || len(data) < 16 {
		return time.Now()
	}
	return time.Unix(int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:])))
}
