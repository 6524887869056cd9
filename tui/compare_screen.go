package tui

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts"
)

// compareStep is what the Compare screen is doing.
type compareStep int

const (
	collecting compareStep = iota // keys and pastes are the text to compare
	naming                        // the path of a file is typed
	comparing                     // a job is under way
	compared                      // the result is shown
)

// compareScreen compares a server's rules, or five ports that it takes, with
// what this client would knock.
type compareScreen struct {
	step compareStep
	text collected
	path string    // the file that was loaded instead, empty for the text
	at   time.Time // when the text was complete: what is compared is that hour
	job  *job

	result  *gate.Inspection
	listed  bool // the hosts file has the server
	scroll  int
	failure string
	notice  string
	// followed: the server's hour was taken over as a skew.
	followed bool

	// deaf is until when keys are taken for the rest of a paste.
	deaf time.Time
}

// pasteGap is more than lies between the keys of a paste, and less than a hand
// takes between two of its own pastes.
const pasteGap = 300 * time.Millisecond

// maxText bounds what is collected, one byte beyond what is read as rules.
const maxText = 4<<20 + 1

// collected is text as it is typed or pasted.
type collected struct {
	bytes []byte
	lines int // newlines in it
	// whole: the last of it was pasted in one piece, with its ends marked.
	whole bool
	last  time.Time // when the last of it came
	// number counts what came, so that an end that something follows is none.
	number int
	// judged: it was compared and could not be. What comes then is another text.
	judged bool
}

// add appends what was typed or pasted.
func (c *collected) add(now time.Time, s string, whole bool) {
	if c.judged {
		*c = collected{number: c.number}
	}
	if whole && len(c.bytes) > 0 && !c.atLineStart() && now.Sub(c.last) > pasteGap {
		s = "\n" + s // a second paste, not more of the first
	}
	s = s[:min(len(s), maxText-len(c.bytes))]
	c.bytes = append(c.bytes, s...)
	c.lines += bytes.Count([]byte(s), []byte("\n"))
	c.whole, c.last = whole, now
	c.number++
}

// backspace takes the last character away.
func (c *collected) backspace() {
	c.number++
	if n := len(c.bytes); n > 0 {
		if c.bytes[n-1] == '\n' {
			c.lines--
		}
		r := []rune(string(c.bytes[max(0, n-4):]))
		c.bytes = c.bytes[:n-len(string(r[len(r)-1:]))]
	}
	c.whole, c.judged = false, false
}

func (c *collected) atLineStart() bool {
	return len(c.bytes) == 0 || c.bytes[len(c.bytes)-1] == '\n'
}

// isPorts reports whether the text so far is digits and what stands between
// them. Only such text is shown: a script may hold its secret.
func (c *collected) isPorts() bool {
	const most = 200
	return len(c.bytes) < most && len(bytes.Trim(c.bytes, "0123456789, \t\n")) == 0
}

// ends reports whether a newline now completes the text: on an empty line,
// behind a paste whose end is known, and behind five ports.
func (c *collected) ends() bool {
	_, err := gate.ParsePorts(string(c.bytes))
	return len(c.bytes) > 0 && (c.whole || c.atLineStart() || c.isPorts() && err == nil)
}

// size writes how much there is.
func (c *collected) size() string {
	n := len(c.bytes)
	lines := c.lines
	if !c.atLineStart() {
		lines++
	}
	s := count(lines, "line")
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%s, %.1f MiB", s, float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%s, %.1f KiB", s, float64(n)/(1<<10))
	}
	return s + ", " + count(n, "byte")
}

// offer is what of a result can be taken over into the hosts entry.
type offer struct {
	ranged, skewed bool
	to             knock.Range
	skew           time.Duration
	strict         bool // the gate is, and the entry does not say so
	sweepGuard     int  // that of the gate, where the entry says another
}

// any reports whether there is something to take over.
func (o offer) any() bool { return o != offer{} }

func (o offer) String() string {
	var all []string
	if o.ranged {
		all = append(all, fmt.Sprintf("range %v", o.to))
	}
	if o.skewed {
		all = append(all, "skew "+skewWord(o.skew))
	}
	if o.strict {
		all = append(all, "strict")
	}
	if o.sweepGuard > 0 {
		all = append(all, fmt.Sprintf("sweep guard %d", o.sweepGuard))
	}
	if n := len(all); n > 1 {
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
	}
	return strings.Join(all, "")
}

func skewWord(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	return signed(d)
}

// onto changes an entry, and nothing of it but what is taken over.
func (o offer) onto(h hosts.Host) hosts.Host {
	if o.ranged {
		h.Range = o.to
	}
	if o.skewed {
		h.Skew = o.skew
	}
	if o.strict {
		h.Strict = true
	}
	if o.sweepGuard > 0 {
		h.SweepGuard = o.sweepGuard
	}
	return h
}

// offer says what can be taken over: of a match that is more than a guess. h is
// the entry now.
func (s *compareScreen) offer(h hosts.Host) (o offer) {
	if s.result == nil || !s.result.Certain() {
		return o
	}
	m, p := *s.result.Match(), s.result.Puzzle
	if m.Range != p.Range {
		o.ranged, o.to = true, m.Range
	}
	if m.HourOffset != 0 {
		o.skewed, o.skew = true, h.Skew+time.Duration(m.HourOffset)*time.Hour
	}
	if g := s.result.Gate; g != nil {
		o.strict = g.Strict && !h.Strict
		if g.SweepGuard != h.SweepGuard {
			o.sweepGuard = g.SweepGuard
		}
	}
	return o
}
