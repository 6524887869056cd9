package script_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// replaceGate sets a gate up, and writes the script of one with another range.
func (g *gated) replaceGate() {
	g.t.Helper()
	g.run("setup")
	g.rules.Range = knocktest.NewRange(g.t, g.Range.Bottom()+20000, g.Range.Bottom()+20999)
	g.print()
}

// opensTo fails unless SSH is open after the handshake of a time, and only then.
func (g *gated) opensTo(why string, now time.Time) {
	g.t.Helper()
	ports := g.sequence(now)
	for _, addr := range g.addresses() {
		p := g.from(addr)
		if p.opens() {
			g.t.Errorf("%s, %v: ssh is open without a knock", why, addr)
		}
		if p.knock(ports[:]...); !p.opens() {
			g.t.Errorf("%s, %v: the handshake does not open", why, addr)
		}
	}
}

// The gate that comes back has the ports of the hour in which it does.
func TestRulesBringBackTheHour(t *testing.T) {
	knocktest.Long(t)
	each(t, nil, func(t *testing.T, g *gated) {
		g.replaceGate()
		g.run("setup", "--confirm", "2")
		next := at.Add(time.Hour)
		g.setClock(next)
		knocktest.Eventually(t, "nothing waits", func() bool { out, _ := g.Try("status"); return !strings.Contains(out, "waits to be confirmed") })
		g.opensTo("after the time to confirm", next)
		// The file is the newer script's still, and the timer runs it.
		next = next.Add(time.Hour)
		g.setClock(next)
		g.run("refresh")
		g.opensTo("after a refresh", next)
		if out, _ := g.Try("status"); !strings.Contains(out, "loaded by another script") {
			t.Errorf("status:\n%s", out)
		}
	})
}

// What was to undo a setup may have been killed: then the next action does it.
func TestRulesUndoIsNotForgotten(t *testing.T) {
	each(t, nil, func(t *testing.T, g *gated) {
		before := g.loaded()
		for _, action := range []string{"refresh", "confirm"} {
			g.setClock(at)
			g.run("setup", "--confirm", "5")
			if out, err := g.Try("setup"); err == nil || !strings.Contains(out, "a setup waits to be confirmed") {
				t.Errorf("setup while another one waits: %v, %s", err, out)
			}
			g.setClock(at.Add(6 * time.Second)) // for the script; what waits has its own seconds
			if out, err := g.Try(action); (err == nil) != (action == "refresh") || g.loaded() != before {
				t.Errorf("%s, too late: %v, %s\nloaded:\n%s", action, err, out, g.loaded())
			}
		}
	})
}

// Whatever fails in setup --confirm, what was there before is there again.
func TestRulesRestoreAfterAFailure(t *testing.T) {
	knocktest.Long(t)
	failing := map[script.Format][]string{script.IPTables: {"iptables-restore", "ip6tables-restore"}, script.NFT: {"nft"}}
	each(t, nil, func(t *testing.T, g *gated) {
		tool := func(name string) string { return filepath.Join(g.Dir, "bin", name) }
		run := filepath.Join(g.Dir, "run", "rapport-gate")
		try := func(why string, before string) {
			t.Helper()
			out, err := g.Try("setup", "--confirm", "600")
			if err == nil || g.loaded() != before {
				t.Errorf("%s: %v, %s\nloaded:\n%s\nbefore:\n%s", why, err, out, g.loaded(), before)
			}
			if _, err := os.Stat(filepath.Join(run, string(g.rules.Format)+".undo.id")); err == nil {
				t.Errorf("%s: it waits to be confirmed", why)
			}
		}
		all := func(when string) {
			before := g.loaded()
			for _, name := range failing[g.rules.Format] {
				// It fails once, on rules of a range that is not the first one's.
				g.write("bin/"+name, "#!/bin/sh\nt=$(cat)\ncase $1:$t in --noflush:*dport\\ 300*|-f:*dport\\ 300*) exit 1 ;; esac\n"+
					"[ -n \"$t\" ] && printf '%s\\n' \"$t\" | exec /usr/sbin/"+name+" \"$@\"\nexec /usr/sbin/"+name+" \"$@\"\n", 0o700)
				try(when+": "+name+" fails", before)
				if err := os.Remove(tool(name)); err != nil {
					t.Fatal(err)
				}
			}
			full := filepath.Join(run, string(g.rules.Format)+".undo.id.new")
			if err := os.Symlink("/dev/full", full); err != nil {
				t.Fatal(err)
			}
			try(when+": /run is full", before)
			if err := os.Remove(full); err != nil {
				t.Fatal(err)
			}
		}
		ports := g.rules.Range
		g.rules.Range = knocktest.NewRange(t, 30000, 30999)
		g.print()
		g.run("setup")
		g.run("remove") // so that the folder is there
		all("no gate")
		if err := os.RemoveAll(filepath.Dir(run)); err != nil {
			t.Fatal(err)
		}
		g.write("run", "not a folder", 0o600)
		try("nothing can be written", g.loaded())
		if err := os.Remove(filepath.Join(g.Dir, "run")); err != nil {
			t.Fatal(err)
		}
		g.rules.Range = ports
		g.print()
		g.run("setup")
		g.rules.Range = knocktest.NewRange(t, 30000, 30999)
		g.print()
		all("a gate")
		g.opensTo("after failures", at)
	})
}

// Actions at the same time come one after the other.
func TestRulesOneActionAtATime(t *testing.T) {
	each(t, nil, func(t *testing.T, g *gated) {
		g.run("setup")
		once := g.loaded()
		var group sync.WaitGroup
		for _, action := range []string{"setup", "refresh", "setup", "setup"} {
			group.Go(func() {
				if out, err := g.Try(action); err != nil {
					t.Errorf("%s: %v\n%s", action, err, out)
				}
			})
		}
		group.Wait()
		if now := g.loaded(); now != once {
			t.Errorf("got\n%s\nwant\n%s", now, once)
		}
	})
}

// What another firewall flushes comes back with the next refresh, but not what
// remove has taken away.
func TestRulesRefreshHeals(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	both(t, nil, func(t *testing.T, g *gated) {
		g.run("setup")
		flushes := []string{
			"nft flush ruleset; iptables -F; ip6tables -F",
			"nft flush table inet portknock; for t in iptables ip6tables; do $t -F portknock_ssh; $t -F portknocking; done",
			"nft flush chain inet portknock knocking; for t in iptables ip6tables; do $t -F portknocking; done",
		}
		for _, flush := range flushes {
			g.Server.Run(t, "sh", "-c", "{ "+flush+"; } 2>/dev/null; :")
			if out, err := g.Try("status"); err == nil {
				t.Errorf("after %s status sees nothing:\n%s", flush, out)
			}
			g.run("refresh")
			g.run("status")
			g.opensTo("after "+flush, at)
		}
		g.run("remove")
		before := g.loaded()
		if out, err := g.Try("refresh"); err == nil || g.loaded() != before {
			t.Errorf("refresh after remove: %v\n%s", err, out)
		}
	})
}
