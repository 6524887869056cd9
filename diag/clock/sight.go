package clock

import (
	"slices"
	"time"

	"rapport/knock"
)

// Sight is what the clocks say about a gate that another hour than this client's opens.
type Sight int

// The sights.
const (
	OwnHour      Sight = iota // no other hour opens it
	ClientProven              // by NTP this machine's clock is off, and the right time is in the server's hour
	ClientAlso                // by NTP it is off, and the right time is in neither hour
	SkewWrong                 // without the skew set here the hours are the same
	Unknown                   // no source tells the server's clock
	Disagree                  // its sources contradict each other
	Agrees                    // the server's clock is in the hour that opens it
	Elsewhere                 // the clock that was read fits neither that hour nor this machine's
	HourPassed                // by the server's clock that hour is over
	HourToCome                // by the server's clock that hour has not begun
)

// FarOff is how far a server's clock may be off for it to be near this machine's.
const FarOff = 30 * time.Minute

// Client is this side of a comparison with the server's hour.
type Client struct {
	Now      time.Time
	Skew     time.Duration // of the server, as it is set here
	IsServer bool          // the server is this machine
}

// allows reports whether a clock that is off by some offset of i may be in the hour.
func (c Client) allows(i Interval, h knock.Hour) bool {
	return knock.HourOf(c.Now.Add(i.Low)).Sub(h) <= 0 && knock.HourOf(c.Now.Add(i.High)).Sub(h) >= 0
}

// Sight compares the hour that opens the gate, which is not this client's, with the clocks.
func (r Report) Sight(c Client, opens knock.Hour) Sight {
	now := c.Now
	if r.Local.Known {
		now = now.Add(r.Local.Offset)
	}
	own := knock.HourOf(c.Now.Add(c.Skew))
	switch i := r.Interval(); {
	case r.Local.Off(c, opens):
		return ClientProven
	case r.Local.Known && knock.HourOf(now) != own && c.Skew == 0:
		return ClientAlso
	case c.Skew != 0 && opens == knock.HourOf(c.Now):
		return SkewWrong
	case c.IsServer && opens.Sub(own) < 0: // its clock is the one that is used here
		return HourPassed
	case c.IsServer:
		return HourToCome
	case !r.Known && len(r.Tellers()) > 1, r.outvoted(c, opens):
		return Disagree
	case !r.Known:
		return Unknown
	case c.allows(i, opens):
		return Agrees
	case c.Now.Add(r.Skew).Sub(now).Abs() > FarOff+r.Uncertainty:
		return Elsewhere
	case opens.Sub(knock.HourOf(c.Now.Add(i.Low))) < 0:
		return HourPassed
	}
	return HourToCome
}

// outvoted reports whether a source of the server's clock shows that hour, and most others another:
// a router may answer some of them in the server's place.
func (r Report) outvoted(c Client, h knock.Hour) bool {
	return slices.ContainsFunc(r.Sources, func(r Reading) bool {
		return r.Of == Server && r.Err == nil && r.Outvoted && r.Name != SourceICMP && c.allows(r.Interval(), h)
	})
}

// Off reports whether NTP shows that this machine's clock is wrong, and that the right time is in the
// hour h.
func (l LocalClock) Off(c Client, h knock.Hour) bool {
	off := Interval{Low: l.Offset - l.Uncertainty, High: l.Offset + l.Uncertainty}
	right := knock.HourOf(c.Now.Add(l.Offset))
	return l.Known && c.allows(off, h) && right != knock.HourOf(c.Now) && right != knock.HourOf(c.Now.Add(c.Skew))
}

// Contradicts reports whether the clocks show another skew than that, by more than a handshake covers
// around the hour change.
func (r Report) Contradicts(skew time.Duration) bool {
	const covered = 30 * time.Second
	if i := r.Interval(); i.Low-covered <= skew && skew <= i.High+covered {
		return false
	}
	_, known := r.RoundSkew()
	return known
}

// Ahead reports whether the server's clock is in a later hour than the one that the client expects.
func (r Report) Ahead(c Client) bool {
	return knock.HourOf(c.Now.Add(r.Skew)).Sub(knock.HourOf(c.Now.Add(c.Skew))) > 0
}

// WebAlone reports whether nothing but a web server tells the server's clock, which may be that of
// another machine.
func (r Report) WebAlone() bool {
	return !slices.ContainsFunc(r.Sources, func(r Reading) bool {
		return r.Of == Server && r.Err == nil && r.Name != SourceHTTP && r.Name != SourceHTTPS
	})
}
