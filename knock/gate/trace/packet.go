package trace

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
	"rapport/knock/phrase"
)

// maxAfter is how long a trace waits for a packet: longer than any window or list.
const maxAfter = 7 * 24 * time.Hour

// parsePacket parses tcp/22, tcp/22@+7s, udp/53@203.0.113.9 and both together.
// A packet without a time comes a gap after the one before.
func parsePacket(s string, gap time.Duration) (p Packet, err error) {
	wrong := fmt.Errorf("packet %q is not of the form tcp/22, tcp/22@+7s or udp/53@203.0.113.9", knock.Clean(s, 60))
	p.After = gap
	what, at, _ := strings.Cut(s, "@")
	proto, port, _ := strings.Cut(what, "/")
	switch proto {
	case "tcp":
		p.Proto = machine.TCP
	case "udp":
		p.Proto = machine.UDP
	default:
		return p, wrong
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if p.Port = int(n); err != nil || n == 0 {
		return p, wrong
	}
	timed := false
	for word := range strings.SplitSeq(at, "@") {
		switch later, isTime := strings.CutPrefix(word, "+"); {
		case word == "" && at == "" && !strings.HasSuffix(s, "@"):
		case isTime && timed, !isTime && p.From.IsValid():
			return p, wrong
		case isTime:
			timed = true
			if p.After, err = time.ParseDuration(later); err != nil || p.After < 0 || p.After > maxAfter {
				return p, wrong
			}
		default:
			if p.From, err = parseSource(word); err != nil {
				return p, wrong
			}
		}
	}
	return p, nil
}

// maxGap is the longest time between two packets.
const maxGap = time.Hour

// ParseRequest parses the packets to play and the address that they come from, which may be
// empty.
func ParseRequest(packets []string, from string, gap time.Duration) (r Request, err error) {
	if r.Gap = gap; gap < 0 || gap > maxGap {
		return r, fmt.Errorf("a gap of %s is not within 0s-1h", phrase.Duration(gap))
	}
	if from != "" {
		if r.From, err = parseSource(from); err != nil {
			return r, err
		}
	}
	for _, s := range packets {
		p, err := parsePacket(s, gap)
		if err != nil {
			return r, err
		}
		r.Packets = append(r.Packets, p)
	}
	return r, nil
}

// SetTo sets the address that packets go to.
func (r *Request) SetTo(to string) (err error) {
	r.To, err = parseSource(to)
	return err
}

func parseSource(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return a, fmt.Errorf("%q is not an address, such as 203.0.113.9", knock.Clean(s, 60))
	}
	return a, nil
}
