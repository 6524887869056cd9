package clock

import (
	"fmt"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

const (
	agreement = time.Second // the largest offset between clocks that count as equal
	vague     = time.Minute // the uncertainty above which no minutes are shown
)

// Summary says in one lower-case line how far the server's clock is off: which
// hour's sequence it expects at this machine's time now, and when that changes.
func (r Report) Summary(now time.Time) string {
	switch names, answered := r.asked(Server); {
	case r.Known:
	case len(answered) > 0:
		return "the server's clock is not known: its sources contradict each other: " + strings.Join(answered, ", ")
	case len(names) > 0:
		return "the server's clock is not known: none of " + strings.Join(names, ", ") + " gave it"
	default:
		return "the server's clock is not known: nothing was asked"
	}
	now = now.UTC()
	span := r.Interval()
	low, high := HourOffset(now, span.Low), HourOffset(now, span.High)
	skew := r.Skew.Round(time.Second)
	changing := ""
	if low != high {
		changing = "; its hour changes about now"
	}
	switch {
	case r.Uncertainty > vague:
		return fmt.Sprintf("the server expects the sequence of %s: its clock is %s", hours(now, low, high), between(span))
	case r.Skew.Abs() < agreement:
		return fmt.Sprintf("the server's clock agrees with this machine's (%+.3f s)%s", r.Skew.Seconds(), changing)
	}

	text := "the server is " + phrase.Ahead(skew)
	// The server's hour changes when this machine's clock is at change past the hour.
	change := (-skew%time.Hour + time.Hour) % time.Hour
	here := HourOffset(now, skew)
	switch {
	case skew > 0 && skew < time.Hour:
		text += fmt.Sprintf(": from %s to %s it expects the next hour's sequence", past(change, change), last(time.Hour, change))
	case skew < 0 && skew > -time.Hour:
		text += fmt.Sprintf(": from %s to %s it expects the previous hour's sequence", past(0, change), last(change, change))
	case change == 0:
		text += ": it expects the sequence of " + hours(now, here, here)
	default:
		next := knock.HourOf(now).Add(here + 1)
		text += fmt.Sprintf(": it expects the sequence of %s, and of %s from %s", hours(now, here, here), ShortHour(next), past(change, change))
	}
	return text + changing
}

// LocalSummary says in a few words what is known of this machine's own clock.
func (r Report) LocalSummary() string {
	asked, answered := r.asked(Local)
	offset := r.Local.Offset.Round(time.Second)
	switch {
	case len(asked) == 0:
		return "not compared with NTP: no server was named"
	case len(answered) == 0:
		return "not compared with NTP: no server gave the time"
	case !r.Local.Known:
		return "not compared with NTP: the servers contradict each other"
	case r.Local.Offset.Abs() < agreement:
		return fmt.Sprintf("which agrees with NTP (%+.3f s)", -r.Local.Offset.Seconds())
	}
	return "which is " + phrase.Ahead(-offset) + " by NTP: set it"
}

// SameHour reports whether the clocks allow the hour that a skew gives at this
// machine's time now. It is false if the server's clock is not known.
func (r Report) SameHour(now time.Time, skew time.Duration) bool {
	span, k := r.Interval(), HourOffset(now, skew)
	return r.Known && HourOffset(now, span.Low) <= k && k <= HourOffset(now, span.High)
}

// Text returns what the source said in a few words: an offset and how far it
// may be off, or why there is none.
func (r Reading) Text() string {
	if r.Err != nil {
		return r.Err.Error()
	}
	text := fmt.Sprintf("%s, within %.3f s", phrase.Offset(r.Offset), r.Uncertainty.Seconds())
	if r.Uncertainty > vague {
		text = between(r.Interval())
	}
	if r.Note != "" {
		text += ", " + r.Note
	}
	if r.Outvoted {
		text += ", outvoted"
	}
	return text
}

// asked returns the names of a side's sources, and of those that answered with
// their offsets.
func (r Report) asked(of Side) (names, answered []string) {
	for _, s := range r.Sources {
		if s.Of == of {
			names = append(names, s.Name)
			if s.Err == nil {
				answered = append(answered, s.Name+" "+phrase.Offset(s.Offset))
			}
		}
	}
	return names, answered
}

// hours names one hour, or the first and the last of several, by their offsets:
// 05h, with the date if it is a day or more from now.
func hours(now time.Time, low, high int) string {
	name := func(offset int) string {
		h := knock.HourOf(now).Add(offset)
		if offset < -23 || offset > 23 {
			return h.String()
		}
		return ShortHour(h)
	}
	switch high - low {
	case 0:
		return name(low)
	case 1:
		return name(low) + " or " + name(high)
	}
	return name(low) + " to " + name(high)
}

// ShortHour returns an hour as 05h.
func ShortHour(h knock.Hour) string { return h.Start().Format("15h") }

// past writes a time past the hour: :19, or :18:40 where change has seconds.
func past(d, change time.Duration) string {
	if change%time.Minute == 0 {
		return fmt.Sprintf(":%02d", d/time.Minute)
	}
	return fmt.Sprintf(":%02d:%02d", d/time.Minute, d%time.Minute/time.Second)
}

// last writes the last minute before a time past the hour, or the last second.
func last(before, change time.Duration) string {
	if change%time.Minute == 0 {
		return past(before-time.Minute, change)
	}
	return past(before-time.Second, change)
}

// between writes the ends of an interval in words.
func between(i Interval) string {
	low, high := i.Low.Round(time.Minute), i.High.Round(time.Minute)
	switch {
	case low >= 0:
		return fmt.Sprintf("%s to %s ahead", phrase.Span(low), phrase.Span(high))
	case high <= 0:
		return fmt.Sprintf("%s to %s behind", phrase.Span(-high), phrase.Span(-low))
	}
	return fmt.Sprintf("between %s behind and %s ahead", phrase.Span(-low), phrase.Span(high))
}

// RoundSkew returns the skew to store for a host: to the second, or to the minute
// if the second is not known, and 0 for clocks that agree. The bool is false
// if the report knows only the hour.
func (r Report) RoundSkew() (time.Duration, bool) {
	switch {
	case !r.Known || r.Uncertainty > vague:
		return 0, false
	case r.Skew.Abs() < agreement:
		return 0, true
	case r.Uncertainty > 2*time.Second:
		return r.Skew.Round(time.Minute), true
	}
	return r.Skew.Round(time.Second), true
}
