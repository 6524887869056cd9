package solve

import (
	"fmt"
	"math"
	"strings"

	"rapport/knock"
)

// minNear is how many of the five ports must be right to be no other secret's.
const minNear = 3

// PartialMatch is an hour whose ports, with the client's range and secret, are some of
// those that were to be solved.
type PartialMatch struct {
	Hour   knock.Hour
	Offset int   // from the client's; negative is earlier
	Wrong  []int // which of the five are others, 1 to 5
}

// Words says what is right and what is not.
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

// differs says it as [Match.Differs] does.
func (n PartialMatch) Differs() []string {
	m := Candidate{Offset: n.Offset, Variant: AsGiven}
	return append([]string{n.Words()}, m.Differs(knock.Range{})...)
}

// nearest finds the hour that makes the most of the ports of a sequence, in
// their places; of two alike, the one nearer to the client's. It returns nil
// where chance does as well.
func FindPartial(p Query, sequences [][knock.Knocks]uint16) (best *PartialMatch) {
	if !p.Range.IsValid() {
		return nil
	}
	hours := 0
	for offset := -min(max(p.Past, 0), MaxHours); offset <= min(max(p.Future, 0), MaxHours); offset++ {
		h := p.Hour.Add(offset)
		if h.Sub(p.Hour) != offset {
			continue // no four-digit year has it
		}
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
	if best == nil || knock.Knocks-len(best.Wrong) < minNear {
		return nil
	}
	right := float64(knock.Knocks - len(best.Wrong))
	// Ten ways to choose three of five.
	if byChance := 10 * float64(hours*len(sequences)) / math.Pow(float64(p.Range.Size()), right); byChance > 0.01 {
		return nil
	}
	return best
}
