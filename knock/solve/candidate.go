package solve

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Candidate is what five ports may be made with. Candidates compare with ==.
type Candidate struct {
	Hour knock.Hour `json:"hour"`
	// Offset is the distance of Hour from the client's hour, in hours; negative is
	// earlier.
	Offset  int         `json:"hour_offset"`
	Range   knock.Range `json:"range"`
	Variant Variant     `json:"secret_variant"`
}

// DefaultHours is the usual Past and Future of a query: it covers a weekend without
// a refresh, and every time zone.
const DefaultHours = 48

// ErrPorts says that a text is not five ports.
var ErrPorts = errors.New("give five ports, such as 10247,10363,10357,10858,10938")

// IsClients reports whether a client with the range mine makes these ports now.
func (c Candidate) IsClients(mine knock.Range) bool {
	return c.Offset == 0 && c.Range == mine && c.Variant == AsGiven
}

// Made says in one line what the ports were made with.
func (c Candidate) Made() string {
	return fmt.Sprintf("hour %v, range %v, the secret %s", c.Hour, c.Range, c.Variant.Words())
}

// When says how far the candidate's hour is from the client's.
func (c Candidate) When() string {
	switch {
	case c.Offset < 0:
		return phrase.Plural(-c.Offset, "hour") + " ago"
	case c.Offset > 0:
		return phrase.Plural(c.Offset, "hour") + " ahead"
	}
	return "now"
}

// Differs returns the differences between the server and a client with the range
// mine, each in a few words.
func (c Candidate) Differs(mine knock.Range) (all []string) {
	switch {
	case c.Offset < 0:
		all = append(all, "rules are from "+c.When())
	case c.Offset > 0:
		all = append(all, "rules are for "+c.When())
	}
	if there, here := c.Range.Bottom(), mine.Bottom(); there != here {
		all = append(all, fmt.Sprintf("bottom port is %d there, %d here", there, here))
	}
	if there, here := c.Range.Top(), mine.Top(); there != here {
		all = append(all, fmt.Sprintf("top port is %d there, %d here", there, here))
	}
	if c.Variant != AsGiven {
		all = append(all, "the secret was taken "+c.Variant.Words()+" there")
	}
	return all
}

// ParsePorts parses five ports, each 1 to 65535, with commas or white space between
// them. Its error is ErrPorts.
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
