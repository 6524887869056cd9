package watch

import (
	"bufio"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// RecentEntry is an address on a list of the recent match.
type RecentEntry struct {
	Addr netip.Addr
	Last uint64 // when it was last added, in jiffies
	// Stamps is how many times of additions the list still holds.
	Stamps int
}

// ReadRecent reads what /proc/net/xt_recent/NAME shows, a line for each address
// (xt_recent.c, recent_seq_show):
//
//	src=10.0.0.1 ttl: 64 last_seen: 4297704633 oldest_pkt: 2 4297704630, 4297704633
//
// It skips lines of another form.
func ReadRecent(r io.Reader) (all []RecentEntry) {
	lines := bufio.NewScanner(io.LimitReader(r, maxProc))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 5 || words[3] != "last_seen:" {
			continue
		}
		addr, err := ParseAddr(strings.TrimPrefix(words[0], "src="))
		last, err2 := strconv.ParseUint(words[4], 10, 64)
		if err == nil && err2 == nil {
			all = append(all, RecentEntry{addr, last, max(0, len(words)-7)})
		}
	}
	return all
}

// RecentEntries reads a list of the recent match on this machine. ok is false if
// there is no such list. A name that the kernel would not accept counts as an empty
// list.
func RecentEntries(name string) (all []RecentEntry, ok bool) {
	if name != filepath.Base(name) {
		return nil, true
	}
	file, err := os.Open(filepath.Join("/proc/net/xt_recent", name))
	if err != nil {
		return nil, false
	}
	defer file.Close()
	return ReadRecent(file), true
}

// ParseAddr parses an address as the kernel prints it. It refuses a zone, which
// could be any text, and returns IPv4 unmapped.
func ParseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if a.Zone() != "" {
		return netip.Addr{}, errZone
	}
	return a.Unmap(), err
}

var errZone = errors.New("an address with a zone")
