package clock

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Side says whose clock a source reads.
type Side string

// The sides.
const (
	Local  Side = "local"
	Server Side = "server"
)

// Names of sources. Those that read this machine's clock are "ntp NAME".
const (
	SourceHTTP    = "http"
	SourceHTTPS   = "https"
	SourceNTP     = "ntp"
	SourceSMTP    = "smtp"
	SourceDaytime = "daytime"
	SourceTime    = "time"
	SourceICMP    = "icmp"
	SourceKnock   = "knock"
)

// Reading is the answer of one source.
type Reading struct {
	Name string // one of the sources' names
	Of   Side
	// Offset is that clock minus this machine's, or true time minus this
	// machine's for a local source. It is off by Uncertainty at most.
	Offset, Uncertainty time.Duration

	Note     string        // a remark in a few words, such as "not synchronised"
	Err      error         // why there is no offset, in one line of lower case
	Outvoted bool          // most other sources agree on another offset
	Elapsed  time.Duration // until the answer
	period   time.Duration // after which the source's time repeats: ICMP has the time of day alone
	rough    bool          // a better one by the same source follows
}

// NewReading returns a reading with the offsets of an interval.
func NewReading(name string, of Side, i Interval) Reading {
	return Reading{Name: name, Of: of, Offset: i.Middle(), Uncertainty: i.HalfWidth()}
}

// Interval returns the offsets that the reading allows.
func (r Reading) Interval() Interval {
	return Interval{r.Offset - r.Uncertainty, r.Offset + r.Uncertainty}
}

// MarshalJSON implements [encoding/json.Marshaler]. Where there is an error, offset and
// uncertainty are null.
func (r Reading) MarshalJSON() ([]byte, error) {
	var message *string
	if r.Err != nil {
		message = new(r.Err.Error())
	}
	return json.Marshal(struct {
		Name        string        `json:"name"`
		Of          Side          `json:"of"`
		Offset      *knock.Millis `json:"offset_ms"`
		Uncertainty *knock.Millis `json:"uncertainty_ms"`
		Error       *string       `json:"error"`
		Note        string        `json:"note,omitempty"`
		Outvoted    bool          `json:"outvoted"`
		Elapsed     knock.Millis  `json:"elapsed_ms"`
	}{r.Name, r.Of, millis(r.Offset, r.Err == nil), millis(r.Uncertainty, r.Err == nil), message, r.Note, r.Outvoted, knock.Millis(r.Elapsed)})
}

// millis returns d for JSON, or null where it is not known.
func millis(d time.Duration, known bool) *knock.Millis {
	if !known {
		return nil
	}
	return new(knock.Millis(d))
}

// LocalClock is this machine's clock.
type LocalClock struct {
	Time time.Time // what it showed when the sources were asked
	// Offset is true time minus this clock, by the NTP servers that agree.
	// Without any, Known is false.
	Offset, Uncertainty time.Duration
	Known               bool
}

// MarshalJSON implements [encoding/json.Marshaler].
func (l LocalClock) MarshalJSON() ([]byte, error) {
	source := "system"
	if l.Known {
		source = "ntp"
	}
	return json.Marshal(struct {
		Time        time.Time     `json:"time"`
		Offset      *knock.Millis `json:"offset_ms"`
		Uncertainty *knock.Millis `json:"uncertainty_ms"`
		Source      string        `json:"source"`
	}{l.Time.UTC().Truncate(time.Millisecond), millis(l.Offset, l.Known), millis(l.Uncertainty, l.Known), source})
}

// Report is what the sources said, and what follows.
type Report struct {
	Schema  int // 1
	Host    string
	Address string
	Local   LocalClock
	Sources []Reading // the local ones first, always in the same order
	// Skew is the server's clock minus this machine's, by the sources that
	// agree. Without any, or where they contradict each other, Known is false.
	Skew, Uncertainty time.Duration
	Known             bool
}

// Interval returns the skews that the report allows, if Known.
func (r Report) Interval() Interval {
	return Interval{r.Skew - r.Uncertainty, r.Skew + r.Uncertainty}
}

// Unreachable reports whether no packet reached the server: every source that may ask says so.
func (r Report) Unreachable() bool {
	some := false
	for _, s := range r.Sources {
		switch {
		case s.Of != Server || errors.Is(s.Err, ErrNeedsRoot):
		case !errors.Is(s.Err, ErrUnreachable):
			return false
		default:
			some = true
		}
	}
	return some
}

// Add adds a reading, such as one made from [FromKnock], in place of a rough one by the same
// source, and votes again.
func (r *Report) Add(reading Reading) {
	r.Sources = slices.DeleteFunc(slices.Clone(r.Sources), func(had Reading) bool {
		return had.rough && had.Name == reading.Name && had.Of == reading.Of
	})
	r.Sources = append(r.Sources, reading)
	r.vote()
}

// vote sets the offsets of both sides by their readings.
func (r *Report) vote() {
	r.Local.Offset, r.Local.Uncertainty, r.Local.Known = vote(r.Sources, Local)
	r.Skew, r.Uncertainty, r.Known = vote(r.Sources, Server)
}

// vote returns the offset that most readings of a side agree on, and marks the
// others as outvoted. A reading with a period is moved next to the rest.
func vote(all []Reading, of Side) (offset, uncertainty time.Duration, known bool) {
	var voters []int
	var whole, spans []Interval
	for i, r := range all {
		if r.Of != of || r.Err != nil {
			continue
		}
		voters = append(voters, i)
		if r.period == 0 {
			whole = append(whole, r.Interval())
		}
	}
	rest, _, ok := Intersect(whole)
	for _, i := range voters {
		if r := &all[i]; ok && r.period != 0 {
			r.Offset += (rest.Middle() - r.Offset).Round(r.period)
		}
		spans = append(spans, all[i].Interval())
	}
	best, agree, known := Intersect(spans)
	for n, i := range voters {
		all[i].Outvoted = known && !agree[n]
	}
	return best.Middle(), best.HalfWidth(), known
}

// MarshalJSON implements [encoding/json.Marshaler]. What is not known is null.
func (r Report) MarshalJSON() ([]byte, error) {
	var offset *int
	if r.Known {
		offset = new(HourOffset(r.Local.Time, r.Skew))
	}
	return json.Marshal(struct {
		Schema      int           `json:"schema"`
		Host        string        `json:"host"`
		Address     string        `json:"address"`
		Local       LocalClock    `json:"local"`
		Sources     []Reading     `json:"sources"`
		Skew        *knock.Millis `json:"skew_ms"`
		Uncertainty *knock.Millis `json:"uncertainty_ms"`
		HourOffset  *int          `json:"hour_offset"`
	}{r.Schema, r.Host, r.Address, r.Local, append([]Reading{}, r.Sources...), millis(r.Skew, r.Known), millis(r.Uncertainty, r.Known), offset})
}

// Interval is a range of offsets of a clock from this machine's. Both ends belong
// to it.
type Interval struct{ Low, High time.Duration }

// Middle returns the middle of the interval.
func (i Interval) Middle() time.Duration { return i.Low + i.HalfWidth() }

// HalfWidth returns how far the ends are from the middle, rounded down.
func (i Interval) HalfWidth() time.Duration { return (i.High - i.Low) / 2 }

// Contains reports whether d is in the interval.
func (i Interval) Contains(d time.Duration) bool { return i.Low <= d && d <= i.High }

// common returns the offsets of both intervals. Its ends are reversed if there are
// none.
func (i Interval) common(j Interval) Interval {
	return Interval{max(i.Low, j.Low), min(i.High, j.High)}
}

// Intersect returns the offsets that most intervals contain, like Marzullo's
// algorithm and NTP's selection (RFC 5905, 11.2.1), and which intervals agree with
// them. Spans with equally many votes count as one if an interval covers them all;
// else ok is false. An interval whose ends are reversed agrees with nothing.
func Intersect(all []Interval) (best Interval, agree []bool, ok bool) {
	agree = make([]bool, len(all))
	var spans []Interval // those with the most votes, from low to high
	votes := 1
	for _, a := range all {
		// A span of most votes starts where an interval starts.
		span, n := Interval{a.Low, a.High}, 0
		for _, b := range all {
			if b.Contains(a.Low) {
				n++
				span.High = min(span.High, b.High)
			}
		}
		switch {
		case n < votes || slices.Contains(spans, span):
		case n > votes:
			votes, spans = n, []Interval{span}
		default:
			spans = append(spans, span)
		}
	}
	if len(spans) == 0 {
		return Interval{}, agree, false
	}
	best = spans[0]
	for _, s := range spans {
		best = Interval{min(best.Low, s.Low), max(best.High, s.High)}
	}
	if len(spans) > 1 && !slices.ContainsFunc(all, func(i Interval) bool { return i.common(best) == best }) {
		return Interval{}, agree, false
	}
	for i, a := range all {
		agree[i] = a.Low <= a.High && a.Low <= best.High && best.Low <= a.High
	}
	return best, agree, true
}

// FromKnock returns the offsets of the server's clock that an opened gate allows.
// x seconds into this machine's hour, hour offset k opens the gate while the skew
// is within [3600k - x, 3600(k+1) - x). now is this machine's time, without skew.
func FromKnock(now time.Time, hourOffset int) Interval {
	start := knock.HourOf(now).Add(hourOffset).Start().Sub(now)
	return Interval{start, start + time.Hour - 1}
}

// HourOffset returns how many hours the server's hour is later than this
// machine's at its time now, if the server's clock is ahead by skew.
func HourOffset(now time.Time, skew time.Duration) int {
	return knock.HourOf(now.Add(skew)).Sub(knock.HourOf(now))
}

// Tellers names the sources that tell the server's clock, each with its offset.
func (r Report) Tellers() (names []string) {
	for _, s := range r.Sources {
		if s.Of == Server && s.Err == nil {
			names = append(names, s.Name+" "+phrase.Offset(s.Offset))
		}
	}
	return names
}
