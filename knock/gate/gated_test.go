package gate_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/knocktest"
)

// at is the server's time and the client's, away from the turn of the hour.
var at = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// formats are the two scripts.
var formats = []gate.Format{gate.IPTables, gate.NFT}

// each runs a test with the script of either format, side by side, on a server
// whose SSH was open so far, in a firewall that drops what it does not know.
func each(t *testing.T, change func(*gate.Rules), test func(t *testing.T, g *gated)) {
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			test(t, install(t, knocktest.NewServer(t, knocktest.Options{At: at, NoGate: true}), f, change))
		})
	}
}

// gated is a server with the script, not yet run.
type gated struct {
	*knocktest.Server
	t      *testing.T
	rules  gate.Rules
	dir    string
	shell  []string // what runs the script
	source byte     // the last of the addresses of from
}

// install writes the script and its secret to a server. Its window is the
// default one, unless changed.
func install(t *testing.T, s *knocktest.Server, f gate.Format, change func(*gate.Rules)) *gated {
	t.Helper()
	knocktest.Need(t, "iptables-restore", "ip6tables-restore", "nft", "md5sum")
	g := &gated{Server: s, t: t, dir: t.TempDir(), shell: []string{"sh"}, source: 100}
	g.rules = gate.Rules{
		Format: f, Host: "server", Range: s.Range, SSHPort: s.SSHPort, Window: 5 * time.Second,
		Grace: gate.DefaultGrace, SecretPath: g.dir + "/secret", Secret: s.Secret,
	}
	if change != nil {
		change(&g.rules)
	}
	g.write("secret", s.Secret.Reveal()+"\n", 0o600)
	// The server's clock stands still at what the file at says.
	g.write("bin/date", "#!/bin/sh\nexec /bin/date -d \"@$(cat "+g.dir+"/at)\" \"$@\"\n", 0o700)
	g.setClock(at)
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
	g.write("gate", text, 0o700)
}

func (g *gated) write(name, text string, mode os.FileMode) {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gated) setClock(to time.Time) { g.write("at", fmt.Sprint(to.Unix()), 0o600) }

// try runs an action of the script on the server; its output holds both streams.
func (g *gated) try(action ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := slices.Concat(g.shell[1:], []string{g.dir + "/gate"}, action)
	cmd := g.Command(ctx, g.shell[0], args...)
	cmd.Env = append(cmd.Env, "PATH="+g.dir+"/bin:"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run is try for what must succeed.
func (g *gated) run(action ...string) string {
	g.t.Helper()
	out, err := g.try(action...)
	if err != nil {
		g.t.Fatalf("%v: %v\n%s", action, err, out)
	}
	return out
}

// loaded returns all rules of the server, without counters.
func (g *gated) loaded() string {
	g.t.Helper()
	var rules []string
	for _, save := range []string{"iptables-save", "ip6tables-save"} {
		for line := range strings.Lines(g.Run(g.t, save)) {
			if strings.HasPrefix(line, "-A") || strings.HasPrefix(line, ":portknock") {
				rules = append(rules, line)
			}
		}
	}
	rules = append(rules, g.Run(g.t, "sh", "-c", "nft -s list table inet portknock 2>/dev/null || :"))
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
	addr, bits := g.Client4, "24"
	if to.Is6() {
		addr, bits = g.Client6, "64"
	}
	device := deviceOf(g.t, addr)
	raw := addr.AsSlice()
	g.source++
	raw[len(raw)-1] = g.source
	addr, _ = netip.AddrFromSlice(raw)
	args := []string{"addr", "add", addr.String() + "/" + bits, "dev", device}
	if to.Is6() {
		args = append(args, "nodad", "preferred_lft", "0") // not for those who do not ask for it
	}
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		g.t.Fatalf("ip %v: %v\n%s", args, err, out)
	}
	return peer{g, addr, to}
}

// deviceOf names the test process's interface that has the address.
func deviceOf(t *testing.T, addr netip.Addr) string {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == addr {
				return i.Name
			}
		}
	}
	t.Fatalf("no interface has %v", addr)
	return ""
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
	_ = c.SetDeadline(time.Now().Add(patience))
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.HasPrefix(line, greeting)
}

// opens reports whether SSH is open to the peer.
func (p peer) opens() bool { return p.gets(p.g.SSHPort, "SSH-") }

// addresses are the server's, one of each family.
func (g *gated) addresses() []netip.Addr { return []netip.Addr{g.Addr4, g.Addr6} }
