//go:build unix

package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// ErrNoFdpass says that a connection cannot be handed over to ssh here.
var ErrNoFdpass = errors.New("cannot hand the connection over")

// PassTo hands conn over to the program at the other end of the Unix socket
// sock, as ssh expects it with ProxyUseFdpass: the descriptor travels beside
// one byte (SCM_RIGHTS, see unix(7) and ssh_config(5)). conn is closed here then,
// and lives on there. It wraps ErrNoFdpass where sock is not such a socket; conn
// is as it was then.
func PassTo(sock *os.File, conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("%w: it is not a plain TCP connection", ErrNoFdpass)
	}
	f, err := tcp.File()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFdpass, err)
	}
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFdpass, err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = syscall.Sendmsg(int(sock.Fd()), []byte{0}, syscall.UnixRights(int(fd)), nil, 0); failed == nil {
			// ssh takes it for a socket that it has connected itself: a blocking one.
			failed = syscall.SetNonblock(int(fd), false)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("%w: standard output is no socket of ssh's; ProxyUseFdpass yes makes it one", ErrNoFdpass)
	}
	return conn.Close()
}
