package knock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Errors that callers decide on.
var (
	// ErrName says that the host's name could not be resolved.
	ErrName = errors.New("name not resolved")
	// ErrFamily is the ErrName that says that the host has no address of the family
	// asked for, but one of the other.
	ErrFamily = fmt.Errorf("%w", ErrName)
	// ErrUnreachable says that packets do not reach the host: there is no route,
	// or no machine has its address.
	ErrUnreachable = errors.New("host unreachable")
	// ErrSend says that this machine could not send a packet.
	ErrSend = errors.New("cannot send from this machine")
)

// Clock is the wall clock of a machine. A nil Clock is time.Now.
type Clock func() time.Time

// Now returns the clock's time.
func (c Clock) Now() time.Time {
	if c == nil {
		return time.Now()
	}
	return c()
}

// Source is the way out that packets take, where a machine has several; see package
// source.
type Source interface {
	// Bind makes a socket that is about to connect to target leave by it.
	Bind(fd int, target netip.Addr) error
	// Local is this machine's address for target, where sockets bind as they connect.
	Local(target netip.Addr) (netip.Addr, error)
}

// Client resolves, knocks and probes. The zero Client is ready to use.
type Client struct {
	Clock    Clock         // this machine's
	Resolver *net.Resolver // nil is net.DefaultResolver
	Source   Source        // of packets to servers, not to name servers; nil leaves it to the routes
	// Log gets a debug record for each SYN and each answer (port, answer, rtt);
	// never the secret. Nil logs nothing.
	Log *slog.Logger
}

// Wait waits for d or until ctx ends, and reports whether d passed.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Family is the IP family to use.
type Family string

// The families. With auto the system's own preference decides.
const (
	FamilyAuto Family = "auto"
	Family4    Family = "4"
	Family6    Family = "6"
)

// FamilyOf returns the family of an address.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return Family4
	}
	return Family6
}

// ParseFamily reads "auto", "4" or "6".
func ParseFamily(s string) (Family, error) {
	switch f := Family(s); f {
	case FamilyAuto, Family4, Family6:
		return f, nil
	}
	return "", fmt.Errorf("family %q is not one of auto, 4, 6", Clean(s, 40))
}

// DefaultSSHPort is the SSH port of a host that names none.
const DefaultSSHPort = 22

// maxHost bounds a host's name, in bytes: that of a domain name (RFC 1035).
const maxHost = 255

// CheckHost reports why s cannot be a host's name or address: it must be 1 to
// 255 printable bytes of UTF-8 without white space, and not start with '-',
// which ssh and others would take for an option.
func CheckHost(s string) error {
	switch {
	case s == "":
		return errors.New("a host's name is empty")
	case len(s) > maxHost:
		return fmt.Errorf("host name %s has %d bytes, at most %d are taken", Quote(s), len(s), maxHost)
	case !utf8.ValidString(s):
		return fmt.Errorf("host name %s is not valid UTF-8", Quote(s))
	case strings.HasPrefix(s, "-"):
		return fmt.Errorf("host name %s starts with '-', as options do", Quote(s))
	case strings.ContainsFunc(s, unicode.IsSpace):
		return fmt.Errorf("host name %s holds white space", Quote(s))
	case strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }):
		return fmt.Errorf("host name %s holds a character that does not print", Quote(s))
	}
	return nil
}

// Resolve returns one address of host, for the knocks and the connection alike: resolved twice,
// a name may give two machines. Errors wrap ErrName, or are the cause of ctx's end.
func (c *Client) Resolve(ctx context.Context, host string, family Family) (netip.Addr, error) {
	// The resolver would drop the zone of an address.
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		if Clean(host, len(host)) != host {
			return netip.Addr{}, fmt.Errorf("%w: no such zone of an address as in %q", ErrName, Clean(host, 80))
		}
		if family == Family4 && !addr.Is4() || family == Family6 && addr.Is4() {
			return netip.Addr{}, fmt.Errorf("%w: %s is not an IPv%s address; %s", ErrFamily, addr, family, c.otherFamily(addr, family))
		}
		return addr, nil
	}
	network := "ip" + strings.TrimPrefix(string(family), string(FamilyAuto))
	shown := Clean(host, 80)
	addrs, err := c.lookup(ctx, network, host)
	var dns *net.DNSError
	_ = errors.As(err, &dns)
	var others []netip.Addr
	if err != nil && network != "ip" && ctx.Err() == nil && (dns == nil || dns.IsNotFound) {
		others, _ = c.lookup(ctx, "ip", host)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return netip.Addr{}, context.Cause(ctx)
	}
	switch {
	case len(others) > 0:
		return netip.Addr{}, fmt.Errorf("%w: %q has no IPv%s address; %s", ErrFamily, shown, family, c.otherFamily(others[0].Unmap(), family))
	case dns != nil && dns.IsNotFound:
		return netip.Addr{}, fmt.Errorf("%w: no such host %q; check the spelling", ErrName, shown)
	case ctx.Err() != nil, dns != nil && dns.IsTimeout:
		return netip.Addr{}, fmt.Errorf("%w: the name servers did not answer for %q; check this machine's network", ErrName, shown)
	case dns != nil: // the last part says what: dial udp 192.0.2.53:53: connect: network is unreachable
		reason := dns.Err[strings.LastIndex(dns.Err, ": ")+1:]
		return netip.Addr{}, fmt.Errorf("%w: the name servers cannot be asked for %q: %s", ErrName, shown, Clean(strings.TrimSpace(reason), 200))
	case err != nil:
		return netip.Addr{}, fmt.Errorf("%w: %q: %s", ErrName, shown, Clean(err.Error(), 200))
	case len(addrs) == 0:
		return netip.Addr{}, fmt.Errorf("%w: %q has no address", ErrName, shown)
	}
	return addrs[0].Unmap(), nil
}

// otherFamily says what to change for a host that has addr, and none of the family wanted:
// the source, if that wants it.
func (c *Client) otherFamily(addr netip.Addr, family Family) string {
	if c.Source != nil {
		if _, err := c.Source.Local(addr); err != nil {
			return "choose another --source"
		}
	}
	return fmt.Sprintf("leave out -%s (family in the hosts file)", family)
}

// lookup resolves a name, and closes its connections to name servers when ctx ends: Go's
// resolver would wait for seconds. The system's resolver cannot be interrupted.
func (c *Client) lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	r := cmp.Or(c.Resolver, net.DefaultResolver)
	dial := r.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bound := net.Resolver{PreferGo: r.PreferGo, StrictErrors: r.StrictErrors}
	bound.Dial = func(inner context.Context, network, address string) (net.Conn, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		conn, err := dial(inner, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		}
		return conn, err
	}
	return bound.LookupNetIP(ctx, network, host)
}

// Target is a server, pinned to one address.
type Target struct {
	Host   string         // as the user names it
	Addr   netip.AddrPort // the one address, and the SSH port
	Range  Range
	Secret Secret
	Skew   time.Duration // the server's clock minus this machine's
	Window time.Duration // zero is DefaultWindow
	// Strict says that the gate starts over on a wrong or repeated packet.
	Strict bool
	Gap    time.Duration // between knocks; zero leaves it to the plan
	// SweepGuard is how many wrong ports a minute the gate forgives a source; zero
	// is not known.
	SweepGuard int
}

// Gaps returns the gaps of that many attempts: t.Gap for each where it is set,
// else those of [DefaultGaps], with the widest repeated as needed.
func (t Target) Gaps(attempts int) []time.Duration {
	gaps := slices.Repeat([]time.Duration{cmp.Or(t.Gap, furtherGap)}, attempts)
	if t.Gap == 0 {
		copy(gaps, []time.Duration{firstGap, secondGap, furtherGap, floodGap, furtherGap, floodGap, furtherGap, floodGap})
	}
	return gaps
}

// Sequences returns the sequences that a handshake sends when this machine's
// clock shows now. The first one is that of the server's current hour.
func (t Target) Sequences(now time.Time) []Sequence {
	var all []Sequence
	for _, h := range HoursAt(now.Add(t.Skew)) {
		all = append(all, Derive(h, t.Range, t.Secret))
	}
	return all
}
