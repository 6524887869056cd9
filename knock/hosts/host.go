// Package hosts stores what a user knows about servers: the hosts file, where each
// secret is, and the last result of each server.
//
// # The hosts file
//
// [Load] reads the hosts file, a TOML file with a table [hosts.NAME] for each
// server, into a [File] of [Host] values. [File.Find] returns the entry for a name
// or an address, or what ~/.ssh/config says about it. [Update] changes the file: an
// [Editor] changes single keys in its text and leaves the rest, and the new text
// replaces the file in one step. [Add] and [Edit] change one entry together with its
// secret. A [Change] is a fix that the doctor or the screens propose. [Settings] stand
// above the hosts; one names a theme of the user's own, which [LoadTheme] reads.
//
// # Secrets
//
// A [SecretRef] says where a host's secret is. [Host.ReadSecret] fetches it, [Ask]
// prompts for one, [SaveSecretFile] and [SaveKeyring] store one, and [ServeSecret]
// passes one to child processes. [strength.Generate] makes a new secret, and [strength.Estimate] says
// how long one resists an eavesdropper.
//
// No error of this package, and no way of printing its values, shows a secret.
package hosts

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

const (
	// MaxSkew bounds a skew, either way. A machine without a battery wakes in 1970, decades
	// behind; nothing is a century off.
	MaxSkew = 100 * 365 * 24 * time.Hour
	// The window is netfilter's --seconds. After an hour the rules change.
	minWindow = time.Second
	maxWindow = time.Hour
	// No phase must end between knocks: a gap is at most a quarter of the window.
	minGap = time.Millisecond
	maxGap = maxWindow / 4
)

// Host is one server's entry in the hosts file. Zero fields stand for the defaults,
// which [NewHost] and [Load] fill in.
type Host struct {
	Name    string        // as the user calls it
	Address string        // name or IP address to connect to; empty is Name
	SSHPort int           // 22
	Range   knock.Range   // 10000-10999
	Family  knock.Family  // auto
	Skew    time.Duration // the server's clock minus this machine's, as known
	Window  time.Duration // 5s
	NTP     []string      // servers to ask for this machine's clock
	Tags    []string      // words by which a command takes several servers: @web

	Strict     bool          // the gate starts over on a wrong or repeated knock
	Gap        time.Duration // between knocks, where the gate limits SYNs; zero leaves it to the plan
	SweepGuard int           // wrong ports a minute that the gate forgives; zero is not known

	Secret SecretRef // where the secret is

	Doubts []string // settings of ssh that may change address or port, as in [sshconfig.Host]

	folder string // the hosts file's, for a relative secret_file
}

// NewHost returns a host with that name and the defaults for the rest.
func NewHost(name string) Host { return Host{Name: name}.withDefaults() }

// withDefaults fills in the fields that are zero.
func (h Host) withDefaults() Host {
	h.SSHPort = cmp.Or(h.SSHPort, knock.DefaultSSHPort)
	h.Family = cmp.Or(h.Family, knock.FamilyAuto)
	h.Window = cmp.Or(h.Window, knock.DefaultWindow)
	if !h.Range.IsValid() {
		h.Range = knock.DefaultRange
	}
	return h
}

// Lookup returns the name or address to resolve: Address, or Name without one.
func (h Host) Lookup() string { return cmp.Or(h.Address, h.Name) }

// Target returns the target that h describes, with neither its address, which
// is for [knock.Client.Resolve] to find, nor its secret.
func (h Host) Target() knock.Target {
	h = h.withDefaults()
	return knock.Target{
		Host:       h.Name,
		Addr:       netip.AddrPortFrom(netip.Addr{}, uint16(h.SSHPort)),
		Range:      h.Range,
		Skew:       h.Skew,
		Window:     h.Window,
		Strict:     h.Strict,
		Gap:        h.Gap,
		SweepGuard: h.SweepGuard,
	}
}

// Equal reports whether h and o mean the same, with defaults written or left out.
func (h Host) Equal(o Host) bool {
	h, o = h.withDefaults(), o.withDefaults()
	return h.Name == o.Name && h.Lookup() == o.Lookup() && h.SSHPort == o.SSHPort &&
		h.Range == o.Range && h.Family == o.Family && h.Skew == o.Skew && h.Window == o.Window &&
		h.Strict == o.Strict && h.Gap == o.Gap && h.SweepGuard == o.SweepGuard &&
		slices.Equal(h.NTP, o.NTP) && slices.Equal(h.Tags, o.Tags) && h.Secret.Equal(o.Secret)
}

// AsTyped returns the host in an argument, which may be an address in brackets. It refuses
// a login, a port and a URL, and says how to give them.
func AsTyped(s string) (string, error) {
	fail := func(format string, args ...any) (string, error) {
		return "", fmt.Errorf("host %s: "+format, append([]any{knock.Quote(s)}, args...)...)
	}
	if strings.Contains(s, "://") {
		return fail("it is a URL: name the host, and the port with --ssh-port")
	}
	if strings.HasPrefix(s, "@") {
		return fail("it is a tag, which knock and probe take: name one host")
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return fail("leave out %s: rapport knows no logins", knock.Quote(s[:i+1]))
	}
	name, port, hasPort := s, "", false
	if inside, ok := strings.CutPrefix(s, "["); ok {
		address, rest, closed := strings.Cut(inside, "]")
		_, err := netip.ParseAddr(address)
		name = address
		if port, hasPort = strings.CutPrefix(rest, ":"); !closed || err != nil || rest != "" && !hasPort {
			return fail("leave out the brackets")
		}
	} else if strings.Count(s, ":") == 1 {
		name, port, hasPort = strings.Cut(s, ":")
	}
	switch _, err := strconv.ParseUint(port, 10, 16); {
	case hasPort && err == nil:
		return fail("give the port with --ssh-port %s", port)
	case hasPort:
		return fail("leave out %s", knock.Quote(s[len(s)-len(port)-1:]))
	}
	return name, nil
}

// Change is what to change in an entry so that the gate opens. Zero fields change nothing.
type Change struct {
	Skew       *time.Duration
	Range      knock.Range
	Family     knock.Family
	SSHPort    int           // zero changes nothing
	Gap        time.Duration // between knocks
	Strict     bool          // the server's rules are strict
	SweepGuard int           // the guard in the server's rules
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
	h.Family = cmp.Or(c.Family, h.Family)
	h.SSHPort = cmp.Or(c.SSHPort, h.SSHPort)
	h.Gap = cmp.Or(c.Gap, h.Gap)
	h.Strict = c.Strict || h.Strict
	h.SweepGuard = cmp.Or(c.SweepGuard, h.SweepGuard)
	return h
}

// String returns the change in words: "skew -3h, range 10000-10998".
func (c Change) String() string {
	words, _ := c.describe()
	return strings.Join(words, ", ")
}

// Flags returns the change as flags of the command line.
func (c Change) Flags() []string {
	_, flags := c.describe()
	return flags
}

// Flag is one that a command was given; Alone has no value.
type Flag struct {
	Name, Value string
	Alone       bool
}

// Command returns what a shell is given to apply the change: to the hosts file, or for a
// server that is not listed in it, to the flags of a knock. It repeats those of the flags
// given that it needs, since the change was seen to work with them, and is empty for no
// change.
func (c Change) Command(name string, listed bool, given []Flag) string {
	if c.IsZero() {
		return ""
	}
	words := []string{"rapport", "hosts", "edit"}
	if !listed {
		words = []string{"rapport", "knock"}
	}
	repeat := map[string]bool{"config": true, "secret-file": true, "range": !c.Range.IsValid(), "ssh-port": c.SSHPort == 0, "skew": c.Skew == nil, "ipv4": c.Family == "", "ipv6": c.Family == ""}
	words = slices.Concat(words, []string{phrase.ShellWord(name)}, c.Flags())
	for _, f := range given {
		if !repeat[f.Name] {
			continue
		}
		if words = append(words, "--"+f.Name); !f.Alone {
			words = append(words, phrase.ShellWord(f.Value))
		}
	}
	return strings.Join(words, " ")
}

// describe returns the changed fields, in words and as flags.
func (c Change) describe() (words, flags []string) {
	add := func(word, flag, value string) {
		words, flags = append(words, word+value), append(flags, flag+value)
	}
	if c.Skew != nil {
		add("skew ", "--skew=", phrase.Duration(*c.Skew))
	}
	if c.Range.IsValid() {
		add("range ", "--range=", c.Range.String())
	}
	if c.Family != "" {
		add("IPv", "-", string(c.Family))
	}
	if c.SSHPort > 0 {
		add("SSH port ", "--ssh-port=", strconv.Itoa(c.SSHPort))
	}
	if c.Gap > 0 {
		add("gap ", "--gap=", phrase.Duration(c.Gap))
	}
	if c.Strict {
		add("strict", "--strict", "")
	}
	if c.SweepGuard > 0 {
		add("sweep guard ", "--sweep-guard=", strconv.Itoa(c.SweepGuard))
	}
	return words, flags
}

// Identity tells hosts apart in the history. The name alone would mix those of
// different hosts files.
func (h Host) Identity() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", strings.ToLower(h.Name), strings.ToLower(h.Lookup()), h.SSHPort))
	return fmt.Sprintf("%x", sum[:8])
}
