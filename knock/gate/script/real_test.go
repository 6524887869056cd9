package script_test

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

func TestRulesOpenAndShut(t *testing.T) {
	t.Parallel()
	both(t, func(r *script.Rules) { r.Window = 2 * time.Second }, func(t *testing.T, g *gated) {
		for _, addr := range g.addresses() {
			if p := g.from(addr); !p.opens() {
				t.Fatalf("%v: ssh is to be open before setup", addr)
			}
		}
		g.run("setup")
		if out := g.run("status"); !strings.Contains(out, "2026-11-22-08") {
			t.Errorf("status:\n%s", out)
		}
		for _, addr := range g.addresses() {
			p := g.from(addr)
			t.Run(addr.String(), func(t *testing.T) {
				t.Parallel()
				own := *g
				own.t = t
				opensAndShuts(t, &own, p)
			})
		}
	})
}

// opensAndShuts knocks at one address of a server whose window is short, and waits for the
// window's end. The peer has not knocked.
func opensAndShuts(t *testing.T, g *gated, p peer) {
	addr := p.to
	if p.opens() {
		t.Error("open without a handshake")
	}
	if r := g.knocks(addr, at); !r.Opened || r.Before.State != knock.SSHFiltered || len(r.Attempts) != 1 {
		t.Errorf("%+v", r)
	}
	if p.opens() {
		t.Error("open to another address than the one that knocked")
	}
	var c knock.Client
	knocktest.Eventually(t, "ssh is shut again", func() bool {
		r, err := c.Probe(t.Context(), "server", g.SSHAddr(addr), knock.Options{Timeout: 500 * time.Millisecond})
		return err == nil && r.SSH.State == knock.SSHFiltered
	})
	ports := g.sequence(at.Add(-time.Hour))
	p.knock(ports[:]...)
	if p.opens() {
		t.Error("the last hour's ports open after the grace")
	}
}

func TestRulesOpenToTheArticlesClient(t *testing.T) {
	knocktest.Long(t)
	each(t, nil, func(t *testing.T, g *gated) {
		g.run("setup")
		script := knocktest.ArticleClient(t, g.Server)
		for _, addr := range g.addresses() {
			ctx, cancel := context.WithTimeout(t.Context(), knocktest.Patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, script, addr.String(), fmt.Sprint(g.SSHPort))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, _ := bufio.NewReader(out).ReadString('\n')
			cancel()
			_ = cmd.Wait() // was killed
			if !strings.HasPrefix(line, "SSH-2.0-OpenSSH") {
				t.Errorf("%v: the article's client reads %q", addr, line)
			}
		}
	})
}

// A server with the article's own rules moves over by setup; nothing of the
// article's jumps stays in front of or behind the new one.
func TestRulesReplaceTheArticles(t *testing.T) {
	t.Parallel()
	g := install(t, knocktest.NewServer(t, knocktest.Options{At: at}), script.IPTables, nil)
	g.run("setup")
	for _, addr := range g.addresses() {
		if r := g.knocks(addr, at); !r.Opened {
			t.Errorf("%v: %+v", addr, r)
		}
	}
	if rules := g.loaded(); strings.Count(rules, "-A INPUT -j portknock") != 2 || strings.Count(rules, "-A INPUT -m recent") != 0 {
		t.Errorf("jumps:\n%s", rules)
	}
	g.run("remove")
	if rules := g.loaded(); strings.Contains(rules, "portknock") {
		t.Errorf("left behind:\n%s", rules)
	}
}

// Rules that were saved and loaded again, as netfilter-persistent does at boot,
// work, let only the one address of IPv6 in, and can be renewed and removed.
func TestRulesSavedAndRestored(t *testing.T) {
	knocktest.Long(t)
	g := install(t, knocktest.NewServer(t, knocktest.Options{At: at, NoGate: true}), script.IPTables, nil)
	before := g.loaded()
	g.run("setup")
	ports := g.sequence(at)
	for _, action := range []string{"status", "refresh", "setup"} {
		g.Server.Run(t, "sh", "-c", `for t in iptables ip6tables; do
			$t-save >"$0"; $t -F; $t -X; $t-restore "$0"
		done`, g.Dir+"/saved")
		g.run(action)
		for _, addr := range g.addresses() {
			p, neighbour := g.from(addr), g.from(addr)
			p.knock(ports[:]...)
			if neighbour.opens() || !p.opens() {
				t.Errorf("%s, %v: want it open to whom knocked, and nobody else", action, addr)
			}
		}
	}
	g.run("remove")
	if after := g.loaded(); after != before {
		t.Errorf("remove leaves\n%s\nof\n%s", after, before)
	}
}

func TestRulesTenTimesAreOnce(t *testing.T) {
	knocktest.Long(t)
	all := func(r *script.Rules) {
		r.ReplayGuard, r.OneShot, r.Log = 2, true, true
		r.Forward = []script.Forward{
			{Port: 8080, To: netip.MustParseAddrPort("10.0.0.7:80")},
			{Port: 8080, To: netip.MustParseAddrPort("[fd00::7]:80")},
		}
	}
	each(t, all, func(t *testing.T, g *gated) {
		before := g.loaded()
		g.run("setup")
		once := g.loaded()
		for _, shell := range shells {
			knocktest.Need(t, shell[0])
			g.Shell = shell
			for range 3 {
				g.run("setup")
				g.run("refresh")
			}
			g.setClock(at.Add(time.Hour))
			g.run("refresh")
			if out, err := g.Try("status"); err != nil || !strings.Contains(out, "2026-11-22-09") {
				t.Errorf("%v: %v\n%s", shell, err, out)
			}
			g.setClock(at)
			if out, err := g.Try("status"); err == nil {
				t.Errorf("%v: status does not see that the rules are of another hour:\n%s", shell, out)
			}
			g.run("refresh")
			if now := g.loaded(); now != once {
				t.Fatalf("%v changes the rules from\n%s\nto\n%s", shell, once, now)
			}
		}
		g.run("remove")
		if after := g.loaded(); after != before {
			t.Errorf("remove leaves\n%s\nof\n%s", after, before)
		}
		g.run("remove")
		if out, err := g.Try("refresh"); err == nil || !strings.Contains(out, "run setup") {
			t.Errorf("refresh after remove: %v, %s", err, out)
		}
	})
}

// The handshake of the last hour goes on, wherever in it the refresh comes.
func TestRulesRefreshUnderAHandshake(t *testing.T) {
	knocktest.Long(t)
	turn := knock.HourOf(at).End()
	// A refresh takes longer than the usual window on a busy machine.
	each(t, func(r *script.Rules) { r.Window = 20 * time.Second }, func(t *testing.T, g *gated) {
		g.run("setup")
		ports := g.sequence(at)
		tries, opened, step := 0, 0, 1
		if !knocktest.RunsLong() {
			step = 5
		}
		for i := 0; i < 20; i += step {
			tries++
			p := g.from(g.addresses()[i%2])
			g.setClock(turn.Add(-time.Second))
			g.run("refresh")
			k := i / 2 % (knock.Knocks + 1)
			p.knock(ports[:k]...)
			g.setClock(turn)
			if i < 10 {
				g.run("refresh")
				p.knock(ports[k:]...)
			} else { // at the same time
				refreshed := make(chan struct{})
				go func() {
					defer close(refreshed)
					_, _ = g.Try("refresh")
				}()
				p.knock(ports[k:]...)
				<-refreshed
			}
			if p.opens() {
				opened++
			}
		}
		if opened != tries {
			t.Errorf("%d of %d handshakes opened", opened, tries)
		}
		// The grace over, only the new hour's are taken.
		g.setClock(turn.Add(script.DefaultGrace))
		g.run("refresh")
		p := g.from(g.Addr4)
		p.knock(ports[:]...)
		if p.opens() {
			t.Error("the last hour's ports open after the grace")
		}
		ports = g.sequence(turn)
		p.knock(ports[:]...)
		if !p.opens() {
			t.Error("the new hour's ports do not open")
		}
	})
}

func TestRulesStopAReplay(t *testing.T) {
	knocktest.Long(t)
	guarded := func(r *script.Rules) { r.ReplayGuard = 1 }
	t.Parallel()
	both(t, guarded, func(t *testing.T, g *gated) {
		g.run("setup")
		for _, addr := range g.addresses() {
			g.setClock(at)
			g.run("refresh")
			owner, other := g.from(addr), g.from(addr)
			ports := g.sequence(at)
			for _, try := range []struct {
				p    peer
				want bool
				why  string
			}{
				{owner, true, "the first handshake"},
				{other, false, "a replay from another address"},
				{owner, true, "again from the same address"},
			} {
				g.run("refresh") // within the hour it forgives nothing
				try.p.knock(ports[:]...)
				if try.p.opens() != try.want {
					t.Errorf("%v: %s: opens %v", addr, try.why, !try.want)
				}
			}
			// The grace gives no second chance to a sequence that was used.
			g.setClock(knock.HourOf(at).End())
			g.run("refresh")
			other.knock(ports[:]...)
			if other.opens() {
				t.Errorf("%v: a replay within the grace opens", addr)
			}
			ports = g.sequence(knock.HourOf(at).End())
			other.knock(ports[:]...)
			if !other.opens() {
				t.Errorf("%v: the guard does not start anew with the hour", addr)
			}
		}
		g.setClock(at.Add(3 * time.Hour))
		g.run("refresh")
		if rules := g.Server.Run(t, "nft", "list", "sets"); strings.Contains(rules, "2026112208") {
			t.Errorf("sets of past hours stay:\n%s", rules)
		}
	})
}

func TestRulesOneShot(t *testing.T) {
	each(t, func(r *script.Rules) { r.OneShot = true }, func(t *testing.T, g *gated) {
		g.run("setup")
		ports := g.sequence(at)
		for _, addr := range g.addresses() {
			p := g.from(addr)
			p.knock(ports[:]...)
			if !p.opens() || p.opens() {
				t.Errorf("%v: want open once, then shut", addr)
			}
		}
	})
}

// A door that shuts behind the first connection, where later looks are on their
// way before the first one's answer comes, and where packets get lost: it is the
// connection handed on that went through it.
func TestRulesOneShotOnABadNetwork(t *testing.T) {
	knocktest.Long(t)
	for _, f := range formats {
		for name, path := range map[string]knocktest.Path{
			"far":   {Delay: 300 * time.Millisecond},
			"lossy": {Delay: 40 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.1, Seed: 7},
		} {
			t.Run(string(f)+" "+name, func(t *testing.T) {
				t.Parallel()
				s := knocktest.NewServer(t, knocktest.Options{At: at, NoGate: true, Router: true, Path: path})
				g := install(t, s, f, func(r *script.Rules) { r.OneShot = true })
				g.run("setup")
				c := knock.Client{Clock: func() time.Time { return at }}
				to := knock.Target{Host: "server", Addr: g.SSHAddr(g.Addr4), Range: g.Range, Secret: g.Secret}
				for range 3 {
					r, err := c.Knock(t.Context(), to, knock.Options{KeepConn: true}, nil)
					if err != nil || !r.Opened {
						t.Fatalf("%+v, %v", r, err)
					}
					_ = r.Conn.SetDeadline(time.Now().Add(knocktest.Patience))
					line, err := bufio.NewReader(r.Conn).ReadString('\n')
					if err != nil || !strings.HasPrefix(line, "SSH-") {
						t.Errorf("the connection handed on gives %q, %v", line, err)
					}
					r.Conn.Close()
				}
			})
		}
	}
}

func TestRulesForward(t *testing.T) {
	t.Parallel()
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			s := knocktest.NewServer(t, knocktest.Options{At: at, NoGate: true})
			inner := knocktest.NewClient(t, s)
			g := install(t, s, f, func(r *script.Rules) {
				r.Forward = []script.Forward{
					{Port: 8080, To: netip.AddrPortFrom(inner.Addr4, 80)},
					{Port: 8080, To: netip.AddrPortFrom(inner.Addr6, 80)},
				}
			})
			knocktest.Need(t, "nc")
			g.Server.Run(t, "sh", "-c", `cd /proc/sys/net
				echo 0 >ipv4/conf/all/send_redirects; echo 0 >ipv4/conf/eth0/send_redirects
				echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding`)
			if f == script.IPTables {
				g.Server.Run(t, "sh", "-c", "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP")
			}
			g.run("setup")
			ports := g.sequence(at)
			for _, addr := range g.addresses() {
				p := g.from(addr)
				// All are on one link: answers must go back through the server.
				inner.Run(t, "ip", "route", "add", p.addr.String(), "via", addr.String())
				bind := map[bool]string{true: "-4", false: "-6"}[addr.Is4()]
				inner.Run(t, "sh", "-c", "while :; do echo inner | nc "+bind+" -N -l 80 || exit; done >/dev/null 2>&1 &")
				if p.gets(8080, "inner") {
					t.Errorf("%v: forwarded without a handshake", addr)
				}
				knocktest.Eventually(t, "the port is forwarded to "+addr.String(), func() bool {
					p.knock(ports[:]...)
					return p.gets(8080, "inner")
				})
			}
		})
	}
}

// A session that began before there were any rules, so that nobody kept track
// of it, outlives setup, whoever speaks next.
func TestRulesKeepSessions(t *testing.T) {
	knocktest.NeedLogin(t) // sshd does not come to the key exchange without root
	each(t, nil, func(t *testing.T, g *gated) {
		g.Server.Run(t, "sh", "-c", `for t in iptables ip6tables; do $t -P INPUT ACCEPT; $t -F; $t -X; done
			nft flush ruleset`)
		for _, addr := range g.addresses() {
			p := g.from(addr)
			c, err := p.dial(g.SSHPort, knocktest.Patience)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(knocktest.Patience))
			r := bufio.NewReader(c)
			if _, err := r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			g.run("setup")
			if _, err := fmt.Fprint(c, "SSH-2.0-Go\r\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Peek(100); err != nil { // the key exchange
				t.Errorf("%v: the session is cut off: %v", addr, err)
			}
			g.run("remove")
		}
	})
}

func TestRulesDeadMansSwitch(t *testing.T) {
	each(t, nil, func(t *testing.T, g *gated) {
		before := g.loaded()
		if out := g.run("setup", "--confirm", "1"); !strings.Contains(out, "confirm") {
			t.Errorf("setup says %q", out)
		}
		knocktest.Eventually(t, "the rules go away again", func() bool { return g.loaded() == before })
		knocktest.Eventually(t, "nothing is left to confirm", func() bool { _, err := g.Try("confirm"); return err != nil })
		confirmed := false
		for n := 3; n < 100 && !confirmed; n *= 2 { // a busy machine is late to confirm
			g.run("setup", "--confirm", fmt.Sprint(n))
			_, err := g.Try("confirm")
			confirmed = err == nil
			time.Sleep(time.Duration(n+1) * time.Second)
		}
		if !confirmed || g.loaded() == before {
			t.Errorf("confirmed: %v, and the rules go away", confirmed)
		}
	})
}

// --no-drop leaves it to the rest of the firewall: by the verdict accept in
// iptables, by a mark in nft.
func TestRulesNoDrop(t *testing.T) {
	each(t, func(r *script.Rules) { r.NoDrop = true }, func(t *testing.T, g *gated) {
		g.run("setup")
		if !g.from(g.Addr4).opens() {
			t.Error("ssh is shut though the rest of the firewall accepts it")
		}
		rest := "for t in iptables ip6tables; do $t -D INPUT -m state --state NEW -p tcp --dport 22 -j ACCEPT; done"
		if g.rules.Format == script.NFT {
			rest += "; for t in iptables ip6tables; do $t -A INPUT -m mark --mark 0x4b4e4f43 -j ACCEPT; done"
		}
		g.Server.Run(t, "sh", "-c", rest)
		if g.from(g.Addr4).opens() {
			t.Error("ssh is open though nothing accepts it")
		}
		if r := g.knocks(g.Addr4, at); !r.Opened {
			t.Errorf("%+v", r)
		}
	})
}

// The secret is not to lie about.
func TestRulesWantTheSecretPrivate(t *testing.T) {
	each(t, nil, func(t *testing.T, g *gated) {
		before := g.loaded()
		refused := func(why, file string, mode os.FileMode) {
			t.Helper()
			if err := os.Chmod(filepath.Join(g.Dir, file), mode); err != nil {
				t.Fatal(err)
			}
			out, err := g.Try("setup")
			if err == nil || !strings.Contains(out, why) || strings.Contains(out, g.Secret.Reveal()) || g.loaded() != before {
				t.Errorf("%s %o: %v\n%s", file, mode, err, out)
			}
		}
		refused("for root alone", "secret", 0o644)
		refused("for root alone", "secret", 0o620)
		g.write("secret", "", 0o600)
		refused("is empty", "secret", 0o600)
		g.rules.Embed = true
		g.print()
		refused("for root alone", "gate", 0o755)
		if err := os.Chmod(filepath.Join(g.Dir, "gate"), 0o700); err != nil {
			t.Fatal(err)
		}
		g.run("setup")
		if r := g.knocks(g.Addr4, at); !r.Opened {
			t.Errorf("%+v", r)
		}
	})
}

// What was there before comes back when nothing confirms: an older gate with
// other ports, or the article's. SSH is shut all the while.
func TestRulesBringTheOldGateBack(t *testing.T) {
	t.Parallel()
	for _, f := range formats {
		for name, options := range map[string]knocktest.Options{"an older gate": {At: at, NoGate: true}, "the article's": {At: at}} {
			if f == script.NFT && !options.NoGate {
				continue
			}
			t.Run(string(f)+", "+name, func(t *testing.T) {
				if f == script.IPTables && options.NoGate {
					knocktest.Long(t)
				}
				t.Parallel()
				g := install(t, knocktest.NewServer(t, options), f, func(r *script.Rules) {
					r.Log, r.ReplayGuard, r.Window = true, 2, 6*time.Second
					r.Forward = []script.Forward{{Port: 8080, To: netip.MustParseAddrPort("10.0.0.7:80")}}
				})
				if options.NoGate {
					g.Shell = []string{"busybox", "sh"}
					knocktest.Need(t, g.Shell[0])
					g.run("setup")
				}
				before := g.loaded()
				bottom := g.Range.Bottom() + 20000
				g.rules.Log, g.rules.ReplayGuard, g.rules.OneShot = false, 0, true
				g.rules.Range = knocktest.NewRange(t, bottom, bottom+999)
				g.rules.Forward[0].Port = 8081
				g.print()
				p := g.from(g.Addr4)
				p.knock(1) // so that the address has been there
				open := make(chan int)
				stop := make(chan struct{})
				go func() {
					n := 0
					for {
						select {
						case <-stop:
							open <- n
							return
						default:
						}
						if c, err := p.dial(g.SSHPort, 20*time.Millisecond); err == nil {
							c.Close()
							n++
						}
					}
				}()
				if out := g.run("setup", "--confirm", "600"); !strings.Contains(out, "before comes back") {
					t.Errorf("setup says %q", out)
				}
				if g.loaded() == before {
					t.Error("setup changes nothing")
				}
				g.run("setup", "--confirm", "1") // what was loaded before the first counts
				knocktest.Eventually(t, "the old rules come back", func() bool { return g.loaded() == before })
				knocktest.Eventually(t, "nothing is left to confirm", func() bool { _, err := g.Try("confirm"); return err != nil })
				close(stop)
				if n := <-open; n > 0 {
					t.Errorf("ssh was open %d times", n)
				}
				for _, addr := range g.addresses() {
					if r := g.knocks(addr, at); !r.Opened {
						t.Errorf("%v: %+v", addr, r)
					}
				}
			})
		}
	}
}

// The gate of one format does not go on top of the other's.
func TestRulesRefuseTheOtherFormat(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{At: at, NoGate: true})
	ip, nft := install(t, s, script.IPTables, nil), install(t, s, script.NFT, nil)
	for _, pair := range []struct {
		first, second *gated
		says          string
	}{{ip, nft, "the gate of iptables is loaded"}, {nft, ip, "the gate of nft is loaded"}} {
		pair.first.run("setup")
		before := pair.first.loaded()
		for _, action := range [][]string{{"setup"}, {"setup", "--confirm", "1"}} {
			if out, err := pair.second.Try(action...); err == nil || !strings.Contains(out, pair.says) || strings.Count(out, "\n") != 1 || pair.first.loaded() != before {
				t.Errorf("%v: %v\n%s", action, err, out)
			}
		}
		if out, err := pair.second.Try("status"); err == nil || !strings.Contains(out, pair.says) {
			t.Errorf("status: %v\n%s", err, out)
		}
		pair.first.run("status")
		pair.first.run("remove")
	}
	// Both, as they can still come about.
	ip.run("setup")
	saved := s.Run(t, "iptables-save")
	ip.run("remove")
	nft.run("setup")
	cmd := s.Command(t.Context(), "iptables-restore")
	cmd.Stdin = strings.NewReader(saved)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, g := range []*gated{ip, nft} {
		if out, err := g.Try("status"); err == nil || !strings.Contains(out, "must pass both gates") {
			t.Errorf("status of %s: %v\n%s", g.rules.Format, err, out)
		}
	}
	// The article's is one of iptables too.
	old := knocktest.NewServer(t, knocktest.Options{At: at})
	if out, err := install(t, old, script.NFT, nil).Try("setup"); err == nil || !strings.Contains(out, "the gate of iptables is loaded") {
		t.Errorf("beside the article's: %v\n%s", err, out)
	}
}
