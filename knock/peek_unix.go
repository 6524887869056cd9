//go:build unix

package knock

import (
	"net"
	"syscall"
)

// peek returns up to maxBanner bytes that wait in c, without taking them, as
// soon as there are more than had; ended says that no more will come by the
// connection's deadline.
func peek(c net.Conn, had int) (seen []byte, same net.Conn, ended bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, c, true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, c, true
	}
	buf := make([]byte, maxBanner)
	n := 0
	err = raw.Read(func(fd uintptr) bool {
		var e error
		n, _, e = syscall.Recvfrom(int(fd), buf, syscall.MSG_PEEK)
		if e == syscall.EAGAIN || e == syscall.EINTR {
			n = 0
			return false
		}
		if e != nil || n == 0 {
			n, ended = 0, true
			return true
		}
		// No more than the known bytes: wait for the next event. While they are
		// unread, the end of the connection looks the same; the deadline decides.
		return n > had
	})
	return buf[:max(n, 0)], c, ended || err != nil
}
