package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// SSHD is the behaviour of the SSH server once the gate is open.
type SSHD string

// The behaviours of the SSH server.
const (
	SSHDUp       SSHD = ""         // answers and greets
	SSHDDown     SSHD = "down"     // nothing listens
	SSHDSilent   SSHD = "silent"   // accepts, and says nothing
	SSHDRefusing SSHD = "refusing" // says "Not allowed at this time", as OpenSSH 9.8 does under a penalty
)

// maxClock bounds how wrong a server's clock can be, so that years have four digits.
const maxClock = 100 * 365 * 24 * time.Hour

// Faults is what is wrong with a [StandIn]; nothing for the zero value. Faults compare
// with ==, and *Faults is a [flag.Value] that accumulates.
type Faults struct {
	Clock time.Duration      // the server's clock minus the true one
	Range knock.Range        // the range of the server's rules, unless zero
	SSHD  SSHD               // the SSH server
	Drop  [knock.Knocks]bool // the knocks whose ports lose every packet
}

// fault is a fault that Set knows by name.
type fault struct {
	name  string
	takes string // what values it accepts, for the error
	set   func(f *Faults, value string) (ok bool)
}

// faults is the table of faults. A new fault is a field of [Faults], an entry here
// and a line of List.
var faults = []fault{
	{"clock", "a duration such as +3h or -90m", func(f *Faults, value string) bool {
		var err error
		f.Clock, err = time.ParseDuration(value)
		return err == nil && f.Clock.Abs() <= maxClock
	}},
	{"range", "a range such as 10000-11000", func(f *Faults, value string) bool {
		var err error
		f.Range, err = knock.ParseRange(value)
		return err == nil
	}},
	{"sshd", "down, silent or refusing", func(f *Faults, value string) bool {
		f.SSHD = SSHD(value)
		return f.SSHD == SSHDDown || f.SSHD == SSHDSilent || f.SSHD == SSHDRefusing
	}},
	{"drop", "a knock from 1 to 5", func(f *Faults, value string) bool {
		k := strings.Index("12345", value)
		if len(value) != 1 || k < 0 {
			return false
		}
		f.Drop[k] = true
		return true
	}},
}

// Set adds one fault of the form NAME=VALUE to f: clock=+3h, range=10000-11000,
// sshd=down (or silent, refusing), drop=3. A second value for a name replaces the
// first, except for drop, which accumulates. The error names the known faults, and f
// is unchanged.
func (f *Faults) Set(s string) error {
	name, value, _ := strings.Cut(s, "=")
	i := slices.IndexFunc(faults, func(k fault) bool { return k.name == name })
	if i < 0 {
		var names []string
		for _, k := range faults {
			names = append(names, k.name)
		}
		return fmt.Errorf("fault %.40q is not known: there are %s", s, strings.Join(names, ", "))
	}
	next := *f
	if !faults[i].set(&next, value) {
		return fmt.Errorf("fault %.40q: %s takes %s", s, name, faults[i].takes)
	}
	*f = next
	return nil
}

// List returns the faults in the form of Set, one each.
func (f Faults) List() (list []string) {
	switch {
	case f.Clock > 0:
		list = append(list, "clock=+"+phrase.Duration(f.Clock))
	case f.Clock < 0:
		list = append(list, "clock="+phrase.Duration(f.Clock))
	}
	if f.Range.IsValid() {
		list = append(list, "range="+f.Range.String())
	}
	if f.SSHD != SSHDUp {
		list = append(list, "sshd="+string(f.SSHD))
	}
	for k, drop := range f.Drop {
		if drop {
			list = append(list, fmt.Sprintf("drop=%d", k+1))
		}
	}
	return list
}

// String returns the faults of List, separated by spaces.
func (f Faults) String() string { return strings.Join(f.List(), " ") }
