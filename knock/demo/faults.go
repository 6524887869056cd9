package demo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
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
	set   func(f *Faults, value string) bool
	get   func(f Faults) []string // the values in force
}

// faults returns the table of faults. A new fault is a field of [Faults] and an entry
// here.
func faults() []fault {
	return []fault{{
		name: "clock", takes: "a duration such as +3h or -90m",
		set: func(f *Faults, value string) bool {
			d, err := time.ParseDuration(value)
			if err != nil || d.Abs() > maxClock {
				return false
			}
			f.Clock = d
			return true
		},
		get: func(f Faults) []string {
			if f.Clock == 0 {
				return nil
			}
			return []string{signed(f.Clock)}
		},
	}, {
		name: "range", takes: "a range such as 10000-11000",
		set: func(f *Faults, value string) bool {
			r, err := knock.ParseRange(value)
			if err != nil {
				return false
			}
			f.Range = r
			return true
		},
		get: func(f Faults) []string {
			if !f.Range.IsValid() {
				return nil
			}
			return []string{f.Range.String()}
		},
	}, {
		name: "sshd", takes: "down, silent or refusing",
		set: func(f *Faults, value string) bool {
			switch s := SSHD(value); s {
			case SSHDDown, SSHDSilent, SSHDRefusing:
				f.SSHD = s
				return true
			}
			return false
		},
		get: func(f Faults) []string {
			if f.SSHD == SSHDUp {
				return nil
			}
			return []string{string(f.SSHD)}
		},
	}, {
		name: "drop", takes: "a knock from 1 to 5",
		set: func(f *Faults, value string) bool {
			if len(value) != 1 || value[0] < '1' || value[0] > '0'+knock.Knocks {
				return false
			}
			f.Drop[value[0]-'1'] = true
			return true
		},
		get: func(f Faults) (values []string) {
			for k, drop := range f.Drop {
				if drop {
					values = append(values, strconv.Itoa(k+1))
				}
			}
			return values
		},
	}}
}

// ParseFault parses one fault of the form NAME=VALUE: clock=+3h,
// range=10000-11000, sshd=down (or silent, refusing), drop=3.
func ParseFault(s string) (Faults, error) {
	var f Faults
	err := f.Set(s)
	return f, err
}

// Set adds one fault in the form of [ParseFault] to f. A second value
// for a name replaces the first, except for drop, which accumulates. The error names
// the known faults, and f is unchanged.
func (f *Faults) Set(s string) error {
	name, value, _ := strings.Cut(s, "=")
	known := faults()
	i := slices.IndexFunc(known, func(k fault) bool { return k.name == name })
	if i < 0 {
		var names []string
		for _, k := range known {
			names = append(names, k.name)
		}
		return fmt.Errorf("fault %.40q is not known: there are %s", s, strings.Join(names, ", "))
	}
	if !known[i].set(f, value) {
		return fmt.Errorf("fault %.40q: %s takes %s", s, name, known[i].takes)
	}
	return nil
}

// List returns the faults in the form of [ParseFault], one each.
func (f Faults) List() []string {
	var list []string
	for _, k := range faults() {
		for _, value := range k.get(f) {
			list = append(list, k.name+"="+value)
		}
	}
	return list
}

// String returns the faults of List, separated by spaces.
func (f Faults) String() string { return strings.Join(f.List(), " ") }

// signed formats a duration as +3h or -90m30s: with a sign, and without zeros at the
// end.
func signed(d time.Duration) string {
	s := d.String()
	if d > 0 {
		s = "+" + s
	}
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
