package solve

import (
	"fmt"
	"math"
	"strings"

	"rapport/knock"
)

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
