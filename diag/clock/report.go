package clock

import (
	"encoding/json"
	"time"

	"rapport/knock"
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
	// Note is a remark in a few words, such as "not synchronised".
	Note string
	// Err says why there is no offset, in one line of lower case.
	Err error
	// Outvoted says that most other sources agree on another offset.
	Outvoted bool
	Elapsed  time.Duration // until the answer

	// period is after how long the source's time repeats: ICMP has the time of day,
	// but not the day.
	period time.Duration
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

// Interval returns the skews that the report allows; it means nothing unless
// Known.
func (r Report) Interval() Interval {
	return Interval{r.Skew - r.Uncertainty, r.Skew + r.Uncertainty}
}

// Add adds a reading, such as one made from [FromKnock], and votes again.
func (r *Report) Add(reading Reading) {
	r.Sources = append(r.Sources[:len(r.Sources):len(r.Sources)], reading)
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
