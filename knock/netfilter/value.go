package netfilter

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"rapport/knock/netfilter/machine"
)

// Values as both iptables and nft write them.

// usualBurst is the burst of a limit without one, in nft and in iptables.
const usualBurst = 5

// parseRate parses 30/minute or 30/min. ok is false for anything else, such as
// bytes.
func parseRate(rate, burst string, over bool) (r machine.Rate, ok bool) {
	n, _, _ := strings.Cut(rate, "/")
	per := unitOf(rate)
	count, err := strconv.Atoi(n)
	if err != nil || count < 1 || per == 0 {
		return r, false
	}
	r = machine.Rate{Per: max(1, per/time.Duration(count)), Burst: usualBurst, Over: over}
	if b, err := strconv.Atoi(burst); err == nil {
		r.Burst = max(b, 1)
	}
	return r, true
}

// unitOf returns the unit of a rate, which both tools also spell out.
func unitOf(rate string) time.Duration {
	_, unit, _ := strings.Cut(rate, "/")
	return map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[unit[:min(1, len(unit))]]
}

// parsePrefix parses 192.0.2.1, 192.0.2.0/24, 192.0.2.0/255.255.255.0 and
// 192.0.2.1-192.0.2.9.
func parsePrefix(s string) (r machine.Range, ok bool) {
	if first, last, isRange := strings.Cut(s, "-"); isRange {
		a, err := netip.ParseAddr(first)
		b, err2 := netip.ParseAddr(last)
		if err != nil || err2 != nil {
			return r, false
		}
		return machine.Range{From: machine.AddrValue(a), To: machine.AddrValue(b)}, true
	}
	base, bits, hasBits := strings.Cut(s, "/")
	a, err := netip.ParseAddr(base)
	if err != nil {
		return r, false
	}
	mask := machine.PrefixMask(a.BitLen(), a.Is4())
	if hasBits {
		if n, err := netip.ParseAddr(bits); err == nil {
			mask = machine.AddrMask(n)
		} else if p, err := netip.ParsePrefix(s); err == nil {
			mask = machine.PrefixMask(p.Bits(), a.Is4())
		} else {
			return r, false
		}
	}
	return machine.Masked(machine.AddrValue(a), mask), mask.IsPrefix() // one with holes has no range
}

// kernelState converts the kernel's bits of states (nf_conntrack_common.h).
func kernelState(bits uint64) (all machine.State) {
	for bit, s := range map[uint64]machine.State{1: machine.StateInvalid, 2: machine.StateEstablished, 4: machine.StateRelated, 8: machine.StateNew, 64: machine.StateUntracked} {
		if bits&bit != 0 {
			all |= s
		}
	}
	return all
}

// parseCount parses a number of packets.
func parseCount(digits string) machine.Count {
	n, err := strconv.ParseUint(digits, 10, 64)
	return machine.Count{Known: err == nil, Packets: n}
}

// atoi parses the digits at the start of s; without any it returns 0.
func atoi(s string) int {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, _ := strconv.Atoi(s[:min(digits, 9)])
	return n
}

// valueMask parses 0x1 and 0x1/0xff.
func valueMask(s string) (v, m uint32) {
	value, mask, ok := strings.Cut(s, "/")
	n, _ := strconv.ParseUint(value, 0, 32)
	if !ok {
		return uint32(n), ^uint32(0)
	}
	k, _ := strconv.ParseUint(mask, 0, 32)
	return uint32(n), uint32(k)
}

// nftTime parses 5s, 1m30s, 500ms and 1d2h.
func nftTime(s string) time.Duration {
	var days int
	if d, rest, ok := strings.Cut(s, "d"); ok {
		days, s = atoi(d), rest
	}
	if days > 10000 {
		return 0
	}
	t, _ := time.ParseDuration(s)
	return max(0, t) + time.Duration(days)*24*time.Hour
}
