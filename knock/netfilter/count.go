package netfilter

import (
	"strconv"
	"strings"
)

// Count is the packet counter of a rule. The zero Count is unknown: rules of nft
// count only with the counter statement.
type Count struct {
	Known   bool
	Packets uint64
}

// parseCount parses a number of packets.
func parseCount(digits string) Count {
	n, err := strconv.ParseUint(digits, 10, 64)
	return Count{err == nil, n}
}

// counted parses the [packets:bytes] that iptables-save -c prints before a rule.
func counted(word string) Count {
	packets, _, ok := strings.Cut(strings.TrimPrefix(word, "["), ":")
	if !ok || !strings.HasPrefix(word, "[") {
		return Count{}
	}
	return parseCount(packets)
}

// Since returns the packets counted after earlier: 0 if either is unknown, or if
// the counter was reset.
func (c Count) Since(earlier Count) uint64 {
	if !c.Known || !earlier.Known || c.Packets < earlier.Packets {
		return 0
	}
	return c.Packets - earlier.Packets
}

// Plus returns the sum, known if both counts are.
func (c Count) Plus(d Count) Count {
	return Count{c.Known && d.Known, c.Packets + d.Packets}
}
