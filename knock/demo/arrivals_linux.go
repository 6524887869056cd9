package demo

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// arrivals accepts connections on many ports in the order in which they arrived: the
// kernel appends a listener to the ready list of an epoll set when a connection
// completes, on loopback within the client's connect. Edge triggered, it is in the
// list once until it is read, from the front. So the order of the first connections to
// each port is certain, however late they are read; that of further ones is not.
type arrivals struct {
	set  *os.File // the epoll set, itself polled by the runtime
	conn syscall.RawConn

	mu        sync.Mutex
	listeners map[uint16]*net.TCPListener
}

func newArrivals() (*arrivals, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// os.NewFile gives only non-blocking files to the runtime's poller.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	a := &arrivals{set: os.NewFile(uintptr(fd), "epoll"), listeners: make(map[uint16]*net.TCPListener)}
	if a.conn, err = a.set.SyscallConn(); err != nil {
		_ = a.set.Close()
		return nil, err
	}
	return a, nil
}

// add accepts connections to port by l, until l is closed.
func (a *arrivals) add(port uint16, l *net.TCPListener) error {
	a.mu.Lock()
	a.listeners[port] = l
	a.mu.Unlock()
	listener, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = a.conn.Control(func(set uintptr) {
		failed = listener.Control(func(fd uintptr) {
			e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(port)}
			err = unix.EpollCtl(int(set), unix.EPOLL_CTL_ADD, int(fd), &e)
		})
		failed = errors.Join(failed, err)
	})
	return errors.Join(err, failed)
}

// wait returns the next knocks, or an error once the set is closed.
func (a *arrivals) wait() (batch, error) {
	var events [64]unix.EpollEvent
	var n int
	var failed error
	err := a.conn.Read(func(set uintptr) bool {
		n, failed = unix.EpollWait(int(set), events[:], 0)
		return n > 0 || failed != nil && failed != unix.EINTR
	})
	if err = errors.Join(err, failed); err != nil {
		return batch{}, err
	}
	var b batch
	for _, e := range events[:n] {
		b.first = append(b.first, a.accept(uint16(e.Fd), 1)...)
	}
	for _, e := range events[:n] {
		b.late = append(b.late, a.accept(uint16(e.Fd), unix.SOMAXCONN)...)
	}
	return b, nil
}

// accept takes up to most connections to a port and closes them.
func (a *arrivals) accept(port uint16, most int) (all []arrival) {
	a.mu.Lock()
	l := a.listeners[port]
	a.mu.Unlock()
	listener, err := l.SyscallConn()
	if err != nil {
		return nil
	}
	_ = listener.Control(func(fd uintptr) {
		for len(all) < most {
			c, from, err := unix.Accept4(int(fd), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			switch err {
			case nil:
				_ = unix.Close(c)
				all = append(all, arrival{addrOf(from), port})
			case unix.EINTR, unix.ECONNABORTED:
			default:
				return
			}
		}
	})
	return all
}

func addrOf(from unix.Sockaddr) netip.Addr {
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(from.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(from.Addr).Unmap()
	}
	return netip.Addr{}
}

// close ends wait.
func (a *arrivals) close() { _ = a.set.Close() }
