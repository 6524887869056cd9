package netfilter

import (
	"strconv"
	"strings"
)

// Count is how many packets a rule has met. The zero Count is not known: a rule
// of nft counts only where it says so.
type Count struct {
	Known   bool
	Packets uint64
}

func count(digits string) Count {
	n, err := strconv.ParseUint(digits, 10, 64)
	return Count{err == nil, n}
}

// counted reads the [packets:bytes] that iptables-save -c has before a rule.
func counted(word string) Count {
	packets, _, ok := strings.Cut(strings.TrimPrefix(word, "["), ":")
	if !ok || !strings.HasPrefix(word, "[") {
		return Count{}
	}
	return count(packets)
}

// since returns how many packets came after an earlier count; none where either
// is not known or the rule is a new one.
func (c Count) Since(earlier Count) uint64 {
	if !c.Known || !earlier.Known || c.Packets < earlier.Packets {
		return 0
	}
	return c.Packets - earlier.Packets
}

// plus is the sum, known where both are.
func (c Count) Plus(d Count) Count {
	return Count{c.Known && d.Known, c.Packets + d.Packets}
}
