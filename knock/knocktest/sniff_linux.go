package knocktest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// sniffer is a packet socket that receives the TCP packets which leave by one
// device.
type sniffer struct {
	file *os.File
	conn syscall.RawConn
}

// Constants that the syscall package does not name.
const (
	soRcvBufForce    = 33
	packetStatistics = 6
)

// onlyTCP matches TCP packets of both families that leave by the device: a socket
// for all protocols sees both directions. Offsets count
// from the IP header.
var onlyTCP = [...]syscall.SockFilter{
	{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: 0xfffff000 + 4}, // packet type
	{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, Jf: 9, K: syscall.PACKET_OUTGOING},
	{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: 0},
	{Code: syscall.BPF_ALU | syscall.BPF_AND | syscall.BPF_K, K: 0xf0},
	{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, Jf: 2, K: 0x40},
	{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: 9}, // IPv4: protocol
	{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, Jt: 3, Jf: 4, K: syscall.IPPROTO_TCP},
	{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, Jf: 3, K: 0x60},
	{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: 6}, // IPv6: next header
	{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, Jf: 1, K: syscall.IPPROTO_TCP},
	{Code: syscall.BPF_RET | syscall.BPF_K, K: 0xffff},
	{Code: syscall.BPF_RET | syscall.BPF_K, K: 0},
}

// sniff opens a packet socket on the device.
func sniff(device string) (*sniffer, error) { return sniffFor(device, onlyTCP[:]) }

// sniffFor is sniff with another filter.
func sniffFor(device string, filter []syscall.SockFilter) (*sniffer, error) {
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	// Protocol 0 receives nothing until the filter is attached.
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "capture on "+device)
	err = attach(fd, filter)
	if err == nil {
		err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	}
	if err == nil && syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soRcvBufForce, 4<<20) != nil {
		// Root in a user namespace may not; it has to use the size that all may set.
		err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<20)
	}
	if err == nil {
		all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, syscall.ETH_P_ALL)) // htons
		err = syscall.Bind(fd, &syscall.SockaddrLinklayer{Protocol: all, Ifindex: dev.Index})
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	conn, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &sniffer{file, conn}, nil
}

// drain returns the packets that have arrived, without waiting for more.
func (s *sniffer) drain() (all []segment, err error) {
	outer := s.conn.Control(func(fd uintptr) {
		p, oob := make([]byte, 128), make([]byte, 64)
		for {
			n, oobn, _, _, e := syscall.Recvmsg(int(fd), p, oob, syscall.MSG_DONTWAIT)
			switch {
			case e == syscall.EINTR:
				continue
			case e == syscall.EAGAIN:
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

// Close closes the socket.
func (s *sniffer) Close() error { return s.file.Close() }

// stamp returns the time at which the kernel saw the packet.
func stamp(oob []byte) time.Time {
	msgs, _ := syscall.ParseSocketControlMessage(oob)
	for _, m := range msgs {
		if m.Header.Level == syscall.SOL_SOCKET && m.Header.Type == syscall.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			sec, nsec := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return time.Unix(int64(sec), int64(nsec))
		}
	}
	return time.Now()
}

// attach makes the socket drop packets that the filter does not match.
func attach(fd int, filter []syscall.SockFilter) error {
	var pin runtime.Pinner // the kernel follows the pointer in prog
	defer pin.Unpin()
	pin.Pin(&filter[0])
	prog := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	raw := unsafe.String((*byte)(unsafe.Pointer(&prog)), unsafe.Sizeof(prog))
	return os.NewSyscallError("setsockopt", syscall.SetsockoptString(fd, syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER, raw))
}

// lost returns an error if the kernel dropped packets since the last call.
func lost(fd int) error {
	// struct tpacket_stats is two 32-bit numbers, packets and drops; of the
	// structs that the syscall package gets, this one begins like that.
	stats, err := syscall.GetsockoptUcred(fd, syscall.SOL_PACKET, packetStatistics)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if stats.Uid > 0 {
		return fmt.Errorf("%d packets were lost", stats.Uid)
	}
	return nil
}
