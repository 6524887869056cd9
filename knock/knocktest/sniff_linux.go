package knocktest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sniffer is a packet socket that receives TCP packets of one device.
type sniffer struct {
	*os.File
	conn syscall.RawConn
}

// tcpFilter matches TCP packets of both families that have all of the flags, and
// leave by the device or come in by it: a socket for all protocols sees both. Offsets
// count from the IP header.
func tcpFilter(leaving bool, flags uint32) []unix.SockFilter {
	direction := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 13, K: unix.PACKET_OUTGOING}
	if !leaving {
		direction.Jt, direction.Jf = direction.Jf, 0
	}
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0xfffff000 + 4}, // packet type
		direction,
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 4, K: 0x40},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9}, // IPv4: protocol
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 8, K: unix.IPPROTO_TCP},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 20 + 13},
		{Code: unix.BPF_JMP | unix.BPF_JA, K: 3},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 6}, // IPv6: next header
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 4, K: unix.IPPROTO_TCP},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 40 + 13},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: flags},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}

// sniff opens a packet socket on the device, for the TCP packets that leave by it or
// come in by it and have all of the flags.
func sniff(device string, leaving bool, flags uint32) (*sniffer, error) {
	filter := tcpFilter(leaving, flags)
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	// Protocol 0 receives nothing until the filter is attached.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "capture on "+device)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)) // htons
	err = errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		roomy(fd),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: dev.Index}),
	)
	conn, connErr := file.SyscallConn()
	if err = errors.Join(err, connErr); err != nil {
		_ = file.Close()
		return nil, err
	}
	return &sniffer{file, conn}, nil
}

// roomy makes the socket's buffer 4 MiB. Root in a user namespace may only use the
// size that all may set.
func roomy(fd int) error {
	const room = 4 << 20
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room)
}

// drain returns the packets that have arrived, without waiting for more.
func (s *sniffer) drain() (all []segment, err error) {
	outer := s.conn.Control(func(fd uintptr) {
		p, oob := make([]byte, 128), make([]byte, 64)
		for {
			n, oobn, _, _, e := unix.Recvmsg(int(fd), p, oob, unix.MSG_DONTWAIT)
			switch {
			case e == unix.EINTR:
				continue
			case e == unix.EAGAIN:
				err = lost(int(fd))
				return
			case e != nil:
				err = os.NewSyscallError("recvmsg", e)
				return
			}
			if seg, ok := parseTCP(p[:n], stamp(oob[:oobn])); ok {
				all = append(all, seg)
			}
		}
	})
	return all, errors.Join(outer, err)
}

// follow calls take whenever packets have arrived, until the sniffer is closed.
func (s *sniffer) follow(take func()) {
	_ = s.conn.Read(func(uintptr) bool { // ends with an error when closed
		take()
		return false
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

// lost returns an error if the kernel dropped packets since the last call.
func lost(fd int) error {
	stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if stats.Drops > 0 {
		return fmt.Errorf("%d packets were lost", stats.Drops)
	}
	return nil
}
