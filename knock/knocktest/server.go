package knocktest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"rapport/knock"
)

// DefaultSecret is the secret of a server that was not given one: the article's.
const DefaultSecret = "f00b4r"

// Refusal is what a gate or a router does with the connections it does not want.
type Refusal int

// The ways to refuse.
const (
	Drop  Refusal = iota // say nothing
	Reset                // answer with a TCP reset
	// PortUnreachable answers with ICMP port unreachable. On a link without any
	// delay that comes while connect still holds the socket: the kernel then
	// keeps the error back, over IPv6 until the SYN is repeated after a second.
	// SO_ERROR has it at once.
	PortUnreachable
	AdminProhibited // answer with ICMP administratively prohibited
	HostUnreachable // answer with ICMP host unreachable, in IPv6 address unreachable
)

func (r Refusal) String() string {
	switch r {
	case Reset:
		return "tcp-reset"
	case PortUnreachable:
		return "port-unreachable"
	case AdminProhibited:
		return "admin-prohibited"
	case HostUnreachable:
		return "host-unreachable"
	}
	return "drop"
}

// Guard is what stands between SSH and one of the two IP families.
type Guard int

// The guards.
const (
	Gated     Guard = iota // the article's gate
	Unguarded              // nothing: SSH is open to all
	Shut                   // a firewall that lets no SSH through
)

// Options says what a server differs in from the article's. The zero Options
// is that server, its rules made for this hour.
type Options struct {
	Secret  string        // DefaultSecret when empty
	Range   knock.Range   // knock.DefaultRange when zero
	Window  time.Duration // whole seconds; 5 s when zero
	At      time.Time     // the server's clock when it made its rules; now when zero
	SSHPort int           // 22 when zero
	Refusal Refusal       // what becomes of unwanted TCP
	NoGate  bool          // SSH is open to all: Unguarded in both families
	V4, V6  Guard         // what the families differ in
	NoSSHD  bool          // nothing listens until StartSSHD is called
	SSHD    []string      // lines for sshd_config, stronger than the usual ones

	// Hashed, if not nil, is the server's own idea of what to hash: it gets the
	// text of the article, which is the hour, "-", the secret and a newline, and
	// returns what the rules are made of instead. It may not hold a NUL.
	Hashed func(text string) string

	// CutOff makes a firewall that forgets to let ESTABLISHED connections
	// through: a connection to SSH comes about for the client, and stays dumb.
	CutOff bool

	Router bool // a router stands before the server
	Path   Path // what packets go through between router, which it implies, and server
}

// Server is a host with the article's gate and an sshd behind it. The test
// process and the hosts of [NewClient] reach it over one link.
type Server struct {
	*Host

	// Client4 and Client6 are the addresses from which the test process comes.
	Client4, Client6 netip.Addr

	// What the rules were made of.
	Secret knock.Secret
	Range  knock.Range
	Window time.Duration
	Hour   knock.Hour // Refresh changes it

	SSHPort int
	Router  *Router // nil unless asked for

	options Options
	open    ports // to all, whatever the gate does
	link    *link
	port    string // the server's port on the bridge, unless behind a router
	dir     string // scripts and keys
	extra   int    // addresses that NewAddress gave away
	at      time.Time
	sshd    sshd
	keys    sync.Once
}

// NewServer makes a server, which is gone when the test is over. It ends the
// test as [Need] does where that is not possible.
func NewServer(t testing.TB, o Options) *Server {
	t.Helper()
	s := o.server(t)
	Need(t, append([]string{"iptables", "ip6tables"}, shellPrograms...)...)
	if !o.NoSSHD {
		Need(t, sshPrograms...)
	}

	s.dir = t.TempDir()
	writeScripts(t, s.dir)
	s.link = newLink(t)
	s.Host = newHost(t)
	s.Client4, s.Client6 = s.link.addr4(1), s.link.addr6(1)
	if o.Router || o.Path != (Path{}) {
		s.Router = newRouter(t, s.link)
		s.Router.join(t, s.Host, o.Path)
	} else {
		s.port = s.link.attach(t, s.Host)
	}
	if err := s.gate("setup", s.at, s.open); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == exitKernel {
			Lack(t, "the kernel's recent match (xt_recent)")
		}
		t.Fatal(err)
	}
	s.sshd.extra = o.SSHD
	if !o.NoSSHD {
		s.StartSSHD(t)
	}
	return s
}

// server returns the server to be made, defaults filled in.
func (o Options) server(t testing.TB) *Server {
	t.Helper()
	if o.Secret == "" {
		o.Secret = DefaultSecret
	}
	secret, err := knock.ParseSecret(o.Secret)
	if err != nil {
		t.Fatal(err)
	}
	if !o.Range.IsValid() {
		o.Range = knock.DefaultRange
	}
	if o.Window == 0 {
		o.Window = 5 * time.Second
	}
	if o.Window < time.Second || o.Window%time.Second != 0 {
		t.Fatalf("window %v: the recent match counts whole seconds", o.Window)
	}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if o.SSHPort == 0 {
		o.SSHPort = 22
	}
	if o.NoGate {
		o.V4, o.V6 = Unguarded, Unguarded
	}
	return &Server{
		Secret: secret, Range: o.Range, Window: o.Window, Hour: knock.HourOf(o.At),
		SSHPort: o.SSHPort, options: o, at: o.At,
	}
}

// families names the IP families, of "46", that are guarded so.
func (o Options) families(g Guard) (f string) {
	if o.V4 == g {
		f += "4"
	}
	if o.V6 == g {
		f += "6"
	}
	return f
}

// SSHAddr returns the SSH port at one of the server's addresses.
func (s *Server) SSHAddr(a netip.Addr) netip.AddrPort {
	return netip.AddrPortFrom(a, uint16(s.SSHPort))
}

// Refresh runs the article's refresh as at the time given: the rules are made
// for its hour, and every address is back where it started.
func (s *Server) Refresh(t testing.TB, at time.Time) {
	t.Helper()
	if err := s.gate("refresh", at, s.open); err != nil {
		t.Fatal(err)
	}
	s.at, s.Hour = at, knock.HourOf(at)
}

// Ports returns the five ports of an hour by the article's shell function.
func (s *Server) Ports(t testing.TB, h knock.Hour) [knock.Knocks]uint16 {
	t.Helper()
	return ShellPorts(t, Derivation{h, s.Range, s.Secret})[0]
}

// gate runs an action of gate.sh on the server.
func (s *Server) gate(action string, at time.Time, open ports) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cutOff := "no"
	if s.options.CutOff {
		cutOff = "yes"
	}
	cmd := s.Command(ctx, "sh", s.dir+"/gate.sh", action)
	cmd.Env = append(cmd.Env,
		"SECRET="+s.Secret.Reveal(), // by the environment, where nothing needs quoting
		fmt.Sprintf("AT=@%d", at.Unix()),
		fmt.Sprintf("BOTTOM=%d", s.Range.Bottom()),
		fmt.Sprintf("TOP=%d", s.Range.Top()),
		fmt.Sprintf("WINDOW=%d", s.Window/time.Second),
		fmt.Sprintf("SSH_PORT=%d", s.SSHPort),
		"GATED="+s.options.families(Gated),
		"UNGUARDED="+s.options.families(Unguarded),
		"REFUSE="+s.options.Refusal.String(),
		"OPEN_TCP="+open.tcp.String(),
		"OPEN_UDP="+open.udp.String(),
		"CUT_OFF="+cutOff,
	)
	if s.options.Hashed != nil {
		text := knock.HourOf(at).String() + "-" + s.Secret.Reveal() + "\n"
		cmd.Env = append(cmd.Env, "HASHED="+s.options.Hashed(text))
	}
	_, err := try(cmd)
	return err
}

// file returns the path of a file of the server's.
func (s *Server) file(name string) string { return s.dir + "/" + name }

// write writes a file of the server's.
func (s *Server) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
