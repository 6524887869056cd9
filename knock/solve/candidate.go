package solve

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"rapport/knock"
)

// DefaultHours is how far from now rules are looked for, either way: a weekend
// without a refresh, and every time zone.
const DefaultHours = 48

// ErrPorts says that a text is not five ports.
var ErrPorts = errors.New("give five ports, such as 10247,10363,10357,10858,10938")

// same reports whether a match is what the client itself would use.
func (m Match) Same(p Puzzle) bool {
	return m.HourOffset == 0 && m.Range == p.Range && m.Variant == AsGiven
}

// Made says what the ports were made with, in a line.
func (m Match) Made() string {
	return fmt.Sprintf("hour %v, range %v, the secret %s", m.Hour, m.Range, m.Variant.Words())
}

// When says how far the match's hour is from the client's.
func (m Match) When() string {
	switch {
	case m.HourOffset < 0:
		return hours(-m.HourOffset) + " ago"
	case m.HourOffset > 0:
		return hours(m.HourOffset) + " ahead"
	}
	return "now"
}

// ParsePorts reads the five ports of a sequence, with commas or white space
// between them. Its error is ErrPorts.
func ParsePorts(s string) (p [knock.Knocks]uint16, err error) {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(words) != knock.Knocks {
		return p, ErrPorts
	}
	for k, w := range words {
		n, err := strconv.ParseUint(w, 10, 16)
		if err != nil || n == 0 {
			return p, ErrPorts
		}
		p[k] = uint16(n)
	}
	return p, nil
}

// hours writes a number of hours.
func hours(n int) string {
	if n == 1 {
		return "1 hour"
	}
	return fmt.Sprintf("%d hours", n)
}

// Differs says what differs between what the rules were made with and what the
// client of the puzzle has, each in a few words.
func (m Match) Differs(p Puzzle) (all []string) {
	switch {
	case m.HourOffset < 0:
		all = append(all, "rules are from "+m.When())
	case m.HourOffset > 0:
		all = append(all, "rules are for "+m.When())
	}
	if there, here := m.Range.Bottom(), p.Range.Bottom(); there != here {
		all = append(all, fmt.Sprintf("bottom port is %d there, %d here", there, here))
	}
	if there, here := m.Range.Top(), p.Range.Top(); there != here {
		all = append(all, fmt.Sprintf("top port is %d there, %d here", there, here))
	}
	if m.Variant != AsGiven {
		all = append(all, "the secret was taken "+m.Variant.Words()+" there")
	}
	return all
}
