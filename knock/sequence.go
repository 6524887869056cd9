package knock

import (
	"crypto/md5"
	"encoding/binary"
	"math/bits"
	"slices"
	"time"
)

// Knocks is the number of knocks in a handshake, and of phases in the gate.
const Knocks = 5

// Sequence is the five ports of one hour. Sequences compare with ==. The zero
// Sequence has port 0 five times; no function of this package returns it.
type Sequence struct {
	hour  Hour
	ports [Knocks]uint16
}

// Derive computes the sequence of an hour, as the article's calc_knock_ports
// does: the MD5 of "HOUR-SECRET\n" is a 128-bit number num, and port k is
// (num / size^k) mod size + bottom. It allocates nothing. The range must be
// valid and the secret not zero; Derive panics otherwise.
func Derive(h Hour, r Range, s Secret) Sequence {
	if !r.IsValid() || s.IsZero() {
		panic("knock: Derive needs a range and a secret")
	}
	var buf [len(hourLayout) + 1 + maxSecret + 1]byte
	text := append(h.append(buf[:0]), '-')
	text = append(text, s.Reveal()...)
	text = append(text, '\n')
	return Sequence{hour: h, ports: PortsOf(md5.Sum(text), r)}
}

// PortsOf takes five ports of a range from a hash, as [Derive] does. The range
// must be valid.
func PortsOf(sum [md5.Size]byte, r Range) (ports [Knocks]uint16) {
	hi, lo := binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])
	size := uint64(r.Size())
	for k := range ports {
		var rem uint64
		hi, rem = hi/size, hi%size
		lo, rem = bits.Div64(rem, lo, size)
		ports[k] = uint16(rem) + r.bottom
	}
	return ports
}

// Hour returns the hour that the sequence belongs to.
func (s Sequence) Hour() Hour { return s.hour }

// Ports returns the ports in the order in which they are knocked.
func (s Sequence) Ports() [Knocks]uint16 { return s.ports }

// Repeats reports whether a port occurs more than once, which is legal.
func (s Sequence) Repeats() bool {
	return slices.ContainsFunc([]int{0, 1, 2, 3}, s.RepeatsAt)
}

// RepeatsAt reports whether the port of knock k (0 to 4) occurs elsewhere in
// the sequence too.
func (s Sequence) RepeatsAt(k int) bool {
	return slices.Contains(s.ports[:k], s.ports[k]) || slices.Contains(s.ports[k+1:], s.ports[k])
}

// How near to the hour change a handshake covers the neighbour hour too. Clocks
// are off by seconds either way, and a server refreshes late more often than
// early: cron runs some seconds into its minute, timers coalesce.
const (
	beforeChange = 30 * time.Second
	afterChange  = 90 * time.Second
)

// HoursAt returns the hours whose sequences a handshake at t sends: the hour
// of t, and near the hour change its neighbour second.
func HoursAt(t time.Time) []Hour {
	h := HourOf(t)
	switch {
	case h.End().Sub(t) <= beforeChange:
		return []Hour{h, h.Add(1)}
	case t.Sub(h.Start()) < afterChange:
		return []Hour{h, h.Add(-1)}
	}
	return []Hour{h}
}
