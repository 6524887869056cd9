package source

import (
	"net/netip"
	"syscall"
)

// bindInterface makes a socket send by the interface alone, whatever the routes say; see
// SO_BINDTODEVICE in socket(7).
func (s Source) bindInterface(fd int, _ netip.Addr) error {
	return syscall.BindToDevice(fd, s.Interface)
}
