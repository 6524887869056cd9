package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// nothingListens reports whether the kernel's tables show that no TCP socket of this machine
// listens at an address of its own. See proc_net_tcp in the kernel's documentation.
func nothingListens(at netip.AddrPort) bool {
	read := false
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if os.IsNotExist(err) { // a kernel without IPv6
			continue
		}
		if err != nil || listensIn(string(text), at) {
			return false
		}
		read = true
	}
	return read
}

// listensIn reports whether a table of the kernel's has a socket that listens at an address, or
// at all, or one that is not understood.
func listensIn(table string, at netip.AddrPort) bool {
	const local, state, listening = 1, 3, "0A" // TCP_LISTEN
	_, rows, _ := strings.Cut(table, "\n")     // the first line has the names of the columns
	for row := range strings.Lines(rows) {
		columns := strings.Fields(row)
		if len(columns) <= state {
			return true
		}
		if columns[state] != listening {
			continue
		}
		s, ok := socketAddr(columns[local])
		whole := s.Addr().IsUnspecified() && (s.Addr().Is6() || at.Addr().Is4()) // :: may take IPv4 too
		if !ok || s.Port() == at.Port() && (whole || s.Addr() == at.Addr().WithZone("")) {
			return true
		}
	}
	return false
}

// socketAddr reads an address of the kernel's tables: hex digits, each four bytes in this
// machine's order.
func socketAddr(text string) (netip.AddrPort, bool) {
	addr, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(addr)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), ok
}
