package machine

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// Value is what rules compare: an address as IPv6 has it, a number, or the first 16
// bytes of a name, as 128 bits.
type Value struct{ Hi, Lo uint64 }

// Number returns the value of a number.
func Number[N ~int | ~uint8 | ~uint16 | ~uint32 | ~uint64](n N) Value { return Value{0, uint64(n)} }

// AddrValue returns the value of an address; IPv4 is mapped into IPv6.
func AddrValue(a netip.Addr) Value { return bytesValue(a.As16()) }

func bytesValue(b [16]byte) Value {
	return Value{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (v Value) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], v.Hi)
	binary.BigEndian.PutUint64(b[8:], v.Lo)
	return b
}

// Addr returns the address again.
func (v Value) Addr() netip.Addr { return netip.AddrFrom16(v.bytes()).Unmap() }

// name returns the name again.
func (v Value) name() string {
	b := v.bytes()
	return strings.TrimRight(string(b[:]), "\x00")
}

// And returns the bits that both values have.
func (v Value) And(m Value) Value { return Value{v.Hi & m.Hi, v.Lo & m.Lo} }

// Or returns the bits that one of the values has.
func (v Value) Or(m Value) Value { return Value{v.Hi | m.Hi, v.Lo | m.Lo} }

func (v Value) less(o Value) bool { return v.Hi < o.Hi || v.Hi == o.Hi && v.Lo < o.Lo }

// PrefixMask returns the mask of the first bits of an address.
func PrefixMask(bits int, v4 bool) Value {
	if v4 {
		bits += 96
	}
	switch {
	case bits <= 0:
		return Value{}
	case bits <= 64:
		return Value{^uint64(0) << (64 - bits), 0}
	}
	return Value{^uint64(0), ^uint64(0) << (128 - bits)}
}

// AddrMask returns the mask that an address such as 255.255.255.0 writes.
func AddrMask(a netip.Addr) Value {
	v := AddrValue(a)
	if a.Is4() {
		v = v.Or(PrefixMask(0, true))
	}
	return v
}

// Range is a range of values, both ends included.
type Range struct{ From, To Value }

// One returns the range of a single value.
func One(v Value) Range { return Range{v, v} }

// AtLeast returns the range of all values from v on.
func AtLeast(v Value) Range { return Range{v, Value{^uint64(0), ^uint64(0)}} }

// AtMost returns the range of all values up to v.
func AtMost(v Value) Range { return Range{To: v} }

// IsPrefix reports whether a mask is that of a prefix: its bits are the first ones.
func (v Value) IsPrefix() bool {
	hi, lo := ^v.Hi, ^v.Lo
	return lo&(lo+1) == 0 && hi&(hi+1) == 0 && (hi == 0 || lo == ^uint64(0))
}

// Masked returns the range of the values that equal v under a mask whose bits are
// the first ones.
func Masked(v, mask Value) Range {
	first := v.And(mask)
	return Range{first, first.Or(Value{^mask.Hi, ^mask.Lo})}
}

func (r Range) has(v Value) bool { return !v.less(r.From) && !r.To.less(v) }

// MaxFields is how many values a concatenation of nft has at the most.
const MaxFields = 5

// key is an element of a set: a value, or several in a row.
type key struct {
	f [MaxFields]Value
	n int8
}
