package knock

import (
	"fmt"
	"strconv"
	"strings"
)

// DefaultRange is the range of the article: 10000-10999.
var DefaultRange = Range{bottom: 10000, top: 10999}

// Range is the ports that a sequence is drawn from, bottom and top included.
// The zero Range holds no port and is not valid; every other one came from
// [NewRange] or [ParseRange] and has 1 <= bottom < top <= 65535.
type Range struct {
	bottom, top uint16
}

// NewRange returns the range from bottom to top, both included. It fails
// unless 1 <= bottom < top <= 65535.
func NewRange(bottom, top int) (Range, error) {
	for _, p := range [...]int{bottom, top} {
		if p < 1 || p > 65535 {
			return Range{}, fmt.Errorf("range %d-%d: port %d is not within 1-65535", bottom, top, p)
		}
	}
	if bottom >= top {
		return Range{}, fmt.Errorf("range %d-%d: the bottom port must be below the top port", bottom, top)
	}
	return Range{uint16(bottom), uint16(top)}, nil
}

// ParseRange reads the form 10000-10999.
func ParseRange(s string) (Range, error) {
	b, t, ok := strings.Cut(s, "-")
	bottom, errBottom := strconv.ParseUint(b, 10, 31)
	top, errTop := strconv.ParseUint(t, 10, 31)
	if !ok || errBottom != nil || errTop != nil {
		return Range{}, fmt.Errorf("range %q is not of the form 10000-10999", Clean(s, 40))
	}
	return NewRange(int(bottom), int(top))
}

// Bottom returns the lowest port.
func (r Range) Bottom() int { return int(r.bottom) }

// Top returns the highest port.
func (r Range) Top() int { return int(r.top) }

// Size returns the number of ports, 0 for the zero Range.
func (r Range) Size() int {
	if !r.IsValid() {
		return 0
	}
	return int(r.top) - int(r.bottom) + 1
}

// IsValid reports whether r is not the zero Range.
func (r Range) IsValid() bool { return r != Range{} }

// IsNarrow reports whether r has fewer than 100 ports, few enough for others to
// find the sequence by trying, even past a sweep guard.
func (r Range) IsNarrow() bool { return r.Size() < 100 }

// Contains reports whether port lies in r.
func (r Range) Contains(port int) bool { return r.IsValid() && port >= r.Bottom() && port <= r.Top() }

// String returns the form 10000-10999.
func (r Range) String() string { return fmt.Sprintf("%d-%d", r.bottom, r.top) }

// MarshalJSON implements [encoding/json.Marshaler] with an object of both ports.
func (r Range) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"bottom":%d,"top":%d}`, r.bottom, r.top), nil
}
