//go:build linux && !386 && !s390x

package knock

import (
	"syscall"
	"time"
	"unsafe"
)

// dropSYNACK lets the kernel drop the SYN-ACK of a socket, so that the handshake
// of TCP is never completed, and count it. It reports whether it could. See
// SO_ATTACH_FILTER in socket(7); the filter sees the segment from its TCP header
// on, RFC 9293.
func dropSYNACK(fd int) bool {
	const flags, synAck = 13, 0x12
	filter := [...]syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: flags},
		{Code: syscall.BPF_ALU | syscall.BPF_AND | syscall.BPF_K, K: synAck},
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: synAck, Jf: 1},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 0},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 0xffff},
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER,
		uintptr(unsafe.Pointer(&program)), unsafe.Sizeof(program), 0)
	return errno == 0
}

// sawSYNACK reports whether a SYN-ACK came to a socket of dropSYNACK.
func sawSYNACK(fd int) bool {
	const (
		soMeminfo = 55 // SO_MEMINFO, since Linux 4.12
		drops     = 8  // SK_MEMINFO_DROPS
	)
	var info [drops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, soMeminfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0 && info[drops] > 0
}

// answeredRepeat reports whether a SYN-ACK that came after d answers not the SYN, but
// the kernel's repeat of it: it was repeated, and the round trip, which TCP's timestamps
// tell, is shorter by as much (RFC 7323, 4).
func answeredRepeat(fd int, d time.Duration) bool {
	const rtt, totalRetrans = 17, 25 // of struct tcp_info in linux/tcp.h, in words
	var info [totalRetrans + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0 && info[totalRetrans] > 0 && info[rtt] > 0 && d-time.Duration(info[rtt])*time.Microsecond > synWatch
}
