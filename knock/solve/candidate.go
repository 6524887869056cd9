package solve

import (
	"errors"
	"fmt"
	"math"
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

// Same reports whether both have the same ports: offsets differ where they were found in different
// hours.
func (c Candidate) Same(o Candidate) bool {
	return c.Hour == o.Hour && c.Range == o.Range && c.Variant == o.Variant
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

// minRight is how many of the five ports a partial match must have.
const minRight = 3

// PartialMatch is an hour in which the client's range and secret make most of the
// five ports.
type PartialMatch struct {
	Hour   knock.Hour
	Offset int   // hours from the client's hour; negative is earlier
	Wrong  []int // which of the five differ, 1 to 5
}

// Words says in one line which ports match and which do not.
func (n PartialMatch) Words() string {
	var wrong []string
	for _, k := range n.Wrong {
		wrong = append(wrong, [...]string{"1st", "2nd", "3rd", "4th", "5th"}[k-1])
	}
	verb := "differs"
	if len(wrong) > 1 {
		verb = "differ"
	}
	return fmt.Sprintf("%d of 5 ports are those of hour %v: the %s %s (typed wrong, or the rule was edited)",
		knock.Knocks-len(wrong), n.Hour, strings.Join(wrong, " and "), verb)
}

// Differs returns the differences, as [Candidate.Differs] does.
func (n PartialMatch) Differs() []string {
	m := Candidate{Offset: n.Offset, Variant: AsGiven}
	return append([]string{n.Words()}, m.Differs(knock.Range{})...)
}

// FindPartial finds the hour that makes the most ports of a sequence, each in its
// place; of two that make as many, the one nearer to the client's. It returns nil
// if fewer than three ports match, or if chance may have made them.
func FindPartial(p Query, sequences [][knock.Knocks]uint16) (best *PartialMatch) {
	if !p.Range.IsValid() {
		return nil
	}
	hours := 0
	for offset, h := range p.hours() {
		hours++
		made := knock.Derive(h, p.Range, p.Secret).Ports()
		for _, ports := range sequences {
			n := PartialMatch{Hour: h, Offset: offset}
			for k := range made {
				if made[k] != ports[k] {
					n.Wrong = append(n.Wrong, k+1)
				}
			}
			if best == nil || len(n.Wrong) < len(best.Wrong) || len(n.Wrong) == len(best.Wrong) && max(offset, -offset) < max(best.Offset, -best.Offset) {
				best = &n
			}
		}
	}
	if best == nil || knock.Knocks-len(best.Wrong) < minRight {
		return nil
	}
	right := float64(knock.Knocks - len(best.Wrong))
	// Ten ways to choose three of five.
	if byChance := 10 * float64(hours*len(sequences)) / math.Pow(float64(p.Range.Size()), right); byChance > 0.01 {
		return nil
	}
	return best
}
