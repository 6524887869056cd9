// Package source chooses the way out of a machine that has several: knocks and SSH leave
// by the same one, since the gate opens for the address that the knocks came from.
package source

import (
	"fmt"
	"net"
	"net/netip"

	"rapport/knock"
)

// Source is an address of this machine or one of its interfaces. It is a [knock.Source].
type Source struct {
	Addr      netip.Addr
	Interface string
}

// Parse reads an address, or the name of an interface of this machine.
func Parse(s string) (Source, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return Source{Addr: addr.Unmap()}, nil
	}
	if _, err := net.InterfaceByName(s); err != nil || s != knock.Excerpt(s) {
		return Source{}, fmt.Errorf("%s is neither an address nor an interface of this machine", knock.Quote(s))
	}
	return Source{Interface: s}, nil
}

// Family is the family of the address, auto for an interface.
func (s Source) Family() knock.Family {
	if !s.Addr.IsValid() {
		return knock.FamilyAuto
	}
	return knock.FamilyOf(s.Addr)
}

// String is what Parse reads.
func (s Source) String() string {
	if s.Addr.IsValid() {
		return s.Addr.String()
	}
	return s.Interface
}

// Local returns the address to send to target from: s.Addr, or one of the interface's.
func (s Source) Local(target netip.Addr) (netip.Addr, error) {
	if s.Addr.IsValid() {
		if s.Addr.Is4() != target.Is4() {
			return s.Addr, fmt.Errorf("source %s and %s are of two IP families", s.Addr, target)
		}
		return s.Addr, nil
	}
	i, err := net.InterfaceByName(s.Interface)
	if err != nil {
		return netip.Addr{}, err
	}
	all, err := i.Addrs()
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is4() == target.Is4() && p.Addr().IsLinkLocalUnicast() == target.IsLinkLocalUnicast() {
			return p.Addr(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("interface %s has no address of IPv%s", s.Interface, knock.FamilyOf(target))
}
