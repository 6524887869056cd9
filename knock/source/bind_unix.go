//go:build unix

package source

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// Bind makes a socket send to target from s.
func (s Source) Bind(fd int, target netip.Addr) (err error) {
	if s.Interface != "" {
		err = s.bindInterface(fd, target)
	} else {
		err = s.bindAddress(fd, target)
	}
	if err != nil {
		return fmt.Errorf("from %s: %w", s, err)
	}
	return nil
}

func (s Source) bindAddress(fd int, target netip.Addr) error {
	addr, err := s.Local(target)
	if err != nil {
		return err
	}
	var sockaddr syscall.Sockaddr = &syscall.SockaddrInet6{Addr: addr.As16(), ZoneId: zone(addr)}
	if addr.Is4() {
		sockaddr = &syscall.SockaddrInet4{Addr: addr.As4()}
	}
	return os.NewSyscallError("bind", syscall.Bind(fd, sockaddr))
}

// zone returns the number of the interface that a link-local address belongs to, else zero.
func zone(addr netip.Addr) uint32 {
	i, err := net.InterfaceByName(addr.Zone())
	if err != nil {
		return 0
	}
	return uint32(i.Index)
}
