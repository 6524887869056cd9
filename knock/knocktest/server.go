package knocktest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/knock"
)

// DefaultSecret is the secret of a server without Options.Secret: the article's.
const DefaultSecret = "f00b4r"

// Refusal is what a gate or a router does with the connections it does not want.
type Refusal int

// The ways to refuse.
const (
	Drop  Refusal = iota // no answer
	Reset                // answer with a TCP reset
	// PortUnreachable answers with ICMP port unreachable. On a link without delay
	// that comes while connect still holds the socket: the kernel then reports the
	// error later, over IPv6 only after the repeated SYN. SO_ERROR has it at once.
	PortUnreachable
	AdminProhibited // answer with ICMP administratively prohibited
	HostUnreachable // answer with ICMP host unreachable, in IPv6 address unreachable
)

// refusals say for each Refusal its name, and what rules of iptables and
// ip6tables jump to.
var refusals = [...]struct{ name, v4, v6 string }{
	Drop:            {"drop", "DROP", "DROP"},
	Reset:           {"tcp-reset", "REJECT --reject-with tcp-reset", "REJECT --reject-with tcp-reset"},
	PortUnreachable: {"port-unreachable", "REJECT --reject-with icmp-port-unreachable", "REJECT --reject-with icmp6-port-unreachable"},
	AdminProhibited: {"admin-prohibited", "REJECT --reject-with icmp-admin-prohibited", "REJECT --reject-with icmp6-adm-prohibited"},
	HostUnreachable: {"host-unreachable", "REJECT --reject-with icmp-host-unreachable", "REJECT --reject-with icmp6-addr-unreachable"},
}

// String is how gate.sh calls it.
func (r Refusal) String() string { return refusals[r].name }

// Guard is what guards SSH in one IP family.
type Guard int

// The guards.
const (
	Gated     Guard = iota // the article's gate
	Unguarded              // nothing: SSH is open to all
	Shut                   // a firewall that drops SSH
)

// Options says how a server differs from the article's. The zero Options are the
// article's server, with the rules of this hour.
type Options struct {
	Secret  string        // DefaultSecret when empty
	Range   knock.Range   // knock.DefaultRange when zero
	Window  time.Duration // whole seconds; 5 s when zero
	At      time.Time     // the server's clock when it made its rules; now when zero
	SSHPort int           // 22 when zero
	Refusal Refusal       // what happens to unwanted TCP
	NoGate  bool          // SSH is open to all: Unguarded in both families
	V4, V6  Guard         // of IPv4 and IPv6
	NoSSHD  bool          // nothing listens until StartSSHD is called
	SSHD    []string      // lines for sshd_config, before the usual ones

	// Hashed, if not nil, changes the text that the server hashes: it gets the
	// article's, which is the hour, "-", the secret and a newline, and returns the
	// text to hash instead, without NUL.
	Hashed func(text string) string

	// CutOff leaves out the rule for ESTABLISHED connections: the client's
	// connection to SSH is made, and no banner comes.
	CutOff bool

	Router bool // a router is in front of the server
	Path   Path // between router and server; implies Router
}

// Server is a host with the article's gate and an sshd behind it. The test
// process and the hosts of [NewClient] reach it over one link.
type Server struct {
	*Host

	// Client4 and Client6 are the addresses of the test process.
	Client4, Client6 netip.Addr

	// The rules were made with these.
	Secret knock.Secret
	Range  knock.Range
	Window time.Duration
	Hour   knock.Hour // Refresh changes it

	SSHPort int
	Router  *Router // nil unless asked for

	options Options
	open    openPorts
	link    *link
	port    string // the server's port on the bridge, unless behind a router
	dir     string // scripts and keys
	extra   int    // addresses that NewAddress has used
	at      time.Time
	sshd    sshd
	keys    sync.Once
}

// NewServer makes a server, which exists until the test ends. Where that is not
// possible it ends the test as [Need] does.
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
	o.Secret = cmp.Or(o.Secret, DefaultSecret)
	o.Range = cmp.Or(o.Range, knock.DefaultRange)
	o.Window = cmp.Or(o.Window, knock.DefaultWindow)
	o.SSHPort = cmp.Or(o.SSHPort, knock.DefaultSSHPort)
	if o.Window < time.Second || o.Window%time.Second != 0 {
		t.Fatalf("window %v: the recent match counts whole seconds", o.Window)
	}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if o.NoGate {
		o.V4, o.V6 = Unguarded, Unguarded
	}
	return &Server{
		Secret: NewSecret(t, o.Secret), Range: o.Range, Window: o.Window, Hour: knock.HourOf(o.At),
		SSHPort: o.SSHPort, options: o, at: o.At,
	}
}

// families returns the IP families with this guard: "", "4", "6" or "46".
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

// Refresh runs the article's refresh with the clock at the given time: it makes the
// rules of its hour and forgets every address's phase.
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
func (s *Server) gate(action string, at time.Time, open openPorts) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := s.Command(ctx, "sh", s.dir+"/gate.sh", action)
	cmd.Env = append(cmd.Env,
		"SECRET="+s.Secret.Reveal(), // the environment needs no quoting
		fmt.Sprintf("AT=@%d", at.Unix()),
		fmt.Sprintf("BOTTOM=%d", s.Range.Bottom()),
		fmt.Sprintf("TOP=%d", s.Range.Top()),
		fmt.Sprintf("WINDOW=%d", s.Window/time.Second),
		fmt.Sprintf("SSH_PORT=%d", s.SSHPort),
		"GATED="+s.options.families(Gated),
		"UNGUARDED="+s.options.families(Unguarded),
		"REFUSE="+s.options.Refusal.String(),
		"OPEN_TCP="+strings.Join(open.tcp, ","),
		"OPEN_UDP="+strings.Join(open.udp, ","),
		fmt.Sprintf("CUT_OFF=%v", s.options.CutOff),
	)
	if s.options.Hashed != nil {
		text := knock.HourOf(at).String() + "-" + s.Secret.Reveal() + "\n"
		cmd.Env = append(cmd.Env, "HASHED="+s.options.Hashed(text))
	}
	_, err := try(cmd)
	return err
}

// openPorts are ports that everybody may use, at most 15 of each kind.
type openPorts struct{ tcp, udp []string }

// file returns the path of one of the server's files.
func (s *Server) file(name string) string { return s.dir + "/" + name }
