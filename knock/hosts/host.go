package hosts

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
)

const (
	// MaxSkew bounds a skew, either way. A machine without a battery wakes in 1970, decades
	// behind; nothing is a century off.
	MaxSkew = 100 * 365 * 24 * time.Hour
	// The window is netfilter's --seconds. After an hour the rules change.
	minWindow = time.Second
	maxWindow = time.Hour
	// A gap is at most a quarter of the window, so that no phase ends between
	// knocks.
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

	Strict     bool          // the gate starts over on a wrong or repeated knock
	Gap        time.Duration // between knocks, where the gate limits SYNs; zero leaves it to the plan
	SweepGuard int           // wrong ports a minute that the gate forgives; zero is not known

	Secret SecretRef // where the secret is

	folder string   // the hosts file's, for a relative secret_file
	doubts []string // see Doubts
}

// NewHost returns a host with that name and the defaults for the rest.
func NewHost(name string) Host { return Host{Name: name}.withDefaults() }

// withDefaults fills in the fields that are zero.
func (h Host) withDefaults() Host {
	if h.SSHPort == 0 {
		h.SSHPort = knock.DefaultSSHPort
	}
	if !h.Range.IsValid() {
		h.Range = knock.DefaultRange
	}
	if h.Family == "" {
		h.Family = knock.FamilyAuto
	}
	if h.Window == 0 {
		h.Window = knock.DefaultWindow
	}
	return h
}

// Doubts returns, a line each, what in the ssh configuration may change the host's
// address or port; see [sshconfig.Host].
func (h Host) Doubts() []string { return slices.Clone(h.doubts) }

// Lookup returns the name or address to resolve: Address, or Name without one.
func (h Host) Lookup() string {
	if h.Address != "" {
		return h.Address
	}
	return h.Name
}

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
		slices.Equal(h.NTP, o.NTP) && h.Secret.Equal(o.Secret)
}

func errTwoSources(name string, a, b SecretRef) error {
	return fmt.Errorf("host %s says twice where its secret is, %s and %s: keep one", knock.Quote(name), a.key(), b.key())
}

// AsTyped returns the host name or address in an argument of the command line. An
// address may be in brackets. It refuses a login, a port and a URL, and says how
// to give them.
func AsTyped(s string) (string, error) {
	fail := func(format string, args ...any) (string, error) {
		return "", fmt.Errorf("host %s: "+format, append([]any{knock.Quote(s)}, args...)...)
	}
	if strings.Contains(s, "://") {
		return fail("it is a URL: name the host, and the port with --ssh-port")
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
