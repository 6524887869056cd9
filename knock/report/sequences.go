package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Sequences are the ports of hours. Its JSON form is the output of seq --json.
type Sequences struct {
	Schema    int         `json:"schema"`
	Host      string      `json:"host"`
	Range     knock.Range `json:"range"`
	Skew      float64     `json:"skew_s"`
	Sequences []Sequence  `json:"sequences"`
}

// Sequence is the ports of one hour.
type Sequence struct {
	Hour    knock.Hour    `json:"hour"`
	Offset  int           `json:"hour_offset"`
	Ports   [5]uint16     `json:"ports"`
	Repeats bool          `json:"repeats"`
	left    time.Duration // of the current hour
}

// NewSequences returns the sequences of n hours, from so many hours after now on.
func NewSequences(t knock.Target, now time.Time, first, n int) Sequences {
	r := Sequences{Schema: 1, Host: t.Host, Range: t.Range, Skew: t.Skew.Seconds()}
	serverNow := now.Add(t.Skew)
	hour := knock.HourOf(serverNow)
	for i := first; i < first+n; i++ {
		s := knock.Derive(hour.Add(i), t.Range, t.Secret)
		if s.Hour().Sub(hour) != i {
			continue // the year has more than four digits
		}
		l := Sequence{Hour: s.Hour(), Offset: i, Ports: s.Ports(), Repeats: s.Repeats()}
		if i == 0 {
			l.left = hour.End().Sub(serverNow)
		}
		r.Sequences = append(r.Sequences, l)
	}
	return r
}

// Print prints the table, and on paper how to knock by hand at this address and SSH port.
func (r Sequences) Print(w io.Writer, address string, port uint16, paper bool) {
	fmt.Fprintf(w, "%s, range %v, hours in UTC\n\n", r.Host, r.Range)
	for _, l := range r.Sequences {
		mark := " "
		if l.Offset == 0 {
			mark = ">"
		}
		fmt.Fprintf(w, "%s %s  ", mark, l.Hour)
		for _, p := range l.Ports {
			fmt.Fprintf(w, " %5d", p)
		}
		if note := l.note(paper); note != "" {
			fmt.Fprintf(w, "   %s", note)
		}
		fmt.Fprintln(w)
	}
	if paper {
		ports := strings.Trim(fmt.Sprint(r.Sequences[0].Ports), "[]")
		fmt.Fprintf(w, "\nBy hand, with the ports of the hour (here the first one):\n"+
			"  h=%s; for p in %s; do nc -w 1 $h $p </dev/null >/dev/null 2>&1; done; ssh -p %d $h\n",
			phrase.ShellWord(address), ports, port)
	}
}

// note says which hour this is, and whether a port repeats.
func (l Sequence) note(paper bool) string {
	var words []string
	switch {
	case l.Offset == 0:
		words = append(words, fmt.Sprintf("now, %02d:%02d left", int(l.left.Minutes()), int(l.left.Seconds())%60))
	case paper:
	case l.Offset < 0:
		words = append(words, "previous")
	default:
		words = append(words, "next")
	}
	if l.Repeats {
		words = append(words, "a port repeats")
	}
	return strings.Join(words, ", ")
}
