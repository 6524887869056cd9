package script_test

import (
	"bufio"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// at is the server's time and the client's, away from the hour change.
var at = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// formats are the two scripts.
var formats = []script.Format{script.IPTables, script.NFT}

// each runs a test beside other tests, with the script of nft, and in a long run with that
// of iptables too.
func each(t *testing.T, change func(*script.Rules), test func(t *testing.T, g *gated)) {
	t.Parallel()
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			if f == script.IPTables {
				knocktest.Long(t)
			}
			with(t, f, change, test)
		})
	}
}

// both runs a test with the script of either format, side by side.
func both(t *testing.T, change func(*script.Rules), test func(t *testing.T, g *gated)) {
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) { with(t, f, change, test) })
	}
}

// with runs a test with the script of a format, beside other tests, on a server whose SSH
// was open so far, in a firewall that drops what it does not know.
func with(t *testing.T, f script.Format, change func(*script.Rules), test func(t *testing.T, g *gated)) {
	t.Parallel()
	test(t, install(t, knocktest.NewServer(t, knocktest.Options{At: at, NoGate: true}), f, change))
}

// gated is a server with the script, not yet run.
type gated struct {
	*knocktest.Server
	*knocktest.Script
	t     testing.TB
	rules script.Rules
}

// install writes the script and its secret to a server. Its window is the
// default one, unless changed.
func install(t testing.TB, s *knocktest.Server, f script.Format, change func(*script.Rules)) *gated {
	t.Helper()
	knocktest.Need(t, "iptables-restore", "ip6tables-restore", "nft", "md5sum")
	g := &gated{Server: s, Script: s.NewScript(t), t: t}
	g.rules = script.Rules{
		Format: f, Host: "server", Range: s.Range, SSHPort: s.SSHPort, Window: 5 * time.Second,
		Grace: script.DefaultGrace, SweepGuard: script.DefaultSweepGuard, SecretPath: g.SecretPath(), Secret: s.Secret,
	}
	if change != nil {
		change(&g.rules)
	}
	g.rules.SweepGuard = min(g.rules.SweepGuard, script.MaxSweepGuard(g.rules.Range))
	g.print()
	return g
}

// print writes the script as rules have it now.
func (g *gated) print() {
	g.t.Helper()
	text, err := g.rules.Script()
	if err != nil {
		g.t.Fatal(err)
	}
	g.Install(g.t, text)
}

func (g *gated) write(name, text string, mode os.FileMode) {
	g.t.Helper()
	g.Write(g.t, name, text, mode)
}

func (g *gated) setClock(to time.Time) {
	g.t.Helper()
	g.SetClock(g.t, to)
}

// run runs an action of the script that must succeed.
func (g *gated) run(action ...string) string {
	g.t.Helper()
	return g.Script.Run(g.t, action...)
}

// loaded returns all rules of the server, without counters.
func (g *gated) loaded() string {
	g.t.Helper()
	var rules []string
	for _, save := range []string{"iptables-save", "ip6tables-save"} {
		for line := range strings.Lines(g.Server.Run(g.t, save)) {
			if strings.HasPrefix(line, "-A") || strings.HasPrefix(line, ":portknock") {
				rules = append(rules, line)
			}
		}
	}
	rules = append(rules, g.Server.Run(g.t, "sh", "-c", "nft -s list table inet portknock 2>/dev/null || :"))
	return strings.Join(rules, "")
}

// knocks is rapport's own client.
func (g *gated) knocks(addr netip.Addr, now time.Time) knock.Report {
	g.t.Helper()
	c := knock.Client{Clock: func() time.Time { return now }}
	to := knock.Target{Host: "server", Addr: g.SSHAddr(addr), Range: g.Range, Secret: g.Secret}
	r, err := c.Knock(g.t.Context(), to, knock.Options{}, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// sequence returns the ports of the hour of a time.
func (g *gated) sequence(now time.Time) [knock.Knocks]uint16 {
	return knock.Derive(knock.HourOf(now), g.Range, g.Secret).Ports()
}

// peer is a client with an address of its own, of the family of to.
type peer struct {
	g        *gated
	addr, to netip.Addr
}

// from returns a client that has not been there before.
func (g *gated) from(to netip.Addr) peer {
	g.t.Helper()
	return peer{g, g.NewAddress(g.t, to), to}
}

// dial connects from the peer's address.
func (p peer) dial(port int, wait time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: wait, LocalAddr: &net.TCPAddr{IP: p.addr.AsSlice()}}
	return d.Dial("tcp", netip.AddrPortFrom(p.to, uint16(port)).String())
}

// knock sends one SYN to each port, in order.
func (p peer) knock(ports ...uint16) {
	for _, port := range ports {
		if c, err := p.dial(int(port), 50*time.Millisecond); err == nil {
			c.Close()
		}
	}
}

// gets reports whether the port greets the peer with a line that starts so.
func (p peer) gets(port int, greeting string) bool {
	c, err := p.dial(port, 1500*time.Millisecond)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(knocktest.Patience))
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.HasPrefix(line, greeting)
}

// opens reports whether SSH is open to the peer.
func (p peer) opens() bool { return p.gets(p.g.SSHPort, "SSH-") }

// addresses are the server's, one of each family.
func (g *gated) addresses() []netip.Addr { return []netip.Addr{g.Addr4, g.Addr6} }
