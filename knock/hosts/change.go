package hosts

import (
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Change is a change of a host's entry after which the handshake should open the
// gate. Zero fields change nothing.
type Change struct {
	Skew       *time.Duration
	Range      knock.Range
	Family     knock.Family
	Strict     bool // the server's rules are strict
	SweepGuard int  // the guard in the server's rules
}

// IsZero reports whether there is nothing to change.
func (c Change) IsZero() bool { return c == Change{} }

// Apply makes the change to a host.
func (c Change) Apply(h Host) Host {
	if c.Skew != nil {
		h.Skew = *c.Skew
	}
	if c.Range.IsValid() {
		h.Range = c.Range
	}
	if c.Family != "" {
		h.Family = c.Family
	}
	if c.Strict {
		h.Strict = true
	}
	if c.SweepGuard > 0 {
		h.SweepGuard = c.SweepGuard
	}
	return h
}

// String returns the change in words: "skew -3h, range 10000-10998".
func (c Change) String() string {
	var words []string
	if c.Skew != nil {
		words = append(words, "skew "+phrase.Duration(*c.Skew))
	}
	if c.Range.IsValid() {
		words = append(words, "range "+c.Range.String())
	}
	if c.Family != "" {
		words = append(words, "IPv"+string(c.Family))
	}
	if c.Strict {
		words = append(words, "strict")
	}
	if c.SweepGuard > 0 {
		words = append(words, "sweep guard "+strconv.Itoa(c.SweepGuard))
	}
	return strings.Join(words, ", ")
}

// Flags returns the change as flags of the command line.
func (c Change) Flags() (all []string) {
	if c.Skew != nil {
		all = append(all, "--skew="+phrase.Duration(*c.Skew))
	}
	if c.Range.IsValid() {
		all = append(all, "--range="+c.Range.String())
	}
	if c.Family != "" {
		all = append(all, "-"+string(c.Family))
	}
	if c.Strict {
		all = append(all, "--strict")
	}
	if c.SweepGuard > 0 {
		all = append(all, "--sweep-guard="+strconv.Itoa(c.SweepGuard))
	}
	return all
}
