//go:build unix

package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// PassTo passes conn to the program at the other end of the Unix socket sock, as
// ssh expects with ProxyUseFdpass: one byte with the descriptor (SCM_RIGHTS, see
// unix(7) and ssh_config(5)). It then closes its own copy of conn. The error
// wraps ErrNoFdpass where sock is not such a socket; conn stays usable then.
func PassTo(sock *os.File, conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("%w: it is not a plain TCP connection", ErrNoFdpass)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFdpass, err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = syscall.Sendmsg(int(sock.Fd()), []byte{0}, syscall.UnixRights(int(fd)), nil, 0); failed == nil {
			// ssh expects a blocking socket, as it would have connected itself.
			failed = syscall.SetNonblock(int(fd), false)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("%w: standard output is not a socket from ssh; set ProxyUseFdpass yes", ErrNoFdpass)
	}
	return conn.Close()
}
