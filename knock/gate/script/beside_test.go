package script_test

import (
	"strings"
	"testing"

	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// Rules of others stay, whatever they are called and say.
func TestRulesLeaveOthersAlone(t *testing.T) {
	each(t, nil, func(t *testing.T, g *gated) {
		g.Server.Run(t, "sh", "-ec", `for t in iptables ip6tables; do
			for c in portknockd portknock my_portknocking; do $t -N $c; $t -A $c -m comment --comment "-j portknocking" -j RETURN; done
			$t -A INPUT -p tcp --dport 4444 -m comment --comment "was -j portknock_input here" -j ACCEPT
			$t -A INPUT -p tcp --dport 4445 -j LOG --log-prefix "-g portknock_input "
			$t -A INPUT -j portknockd
			$t -A FORWARD -j portknock
		done
		nft add table inet portknockd
		nft add chain inet portknockd portknocking
		nft add set inet portknockd phase1_4 '{ type ipv4_addr; }'`)
		foreign := func() string {
			var all []string
			for line := range strings.Lines(g.Server.Run(t, "sh", "-c", "iptables-save; ip6tables-save; nft list table inet portknockd")) {
				if strings.HasPrefix(line, ":") {
					line, _, _ = strings.Cut(line, " ")
				}
				if !strings.HasPrefix(line, "#") && (strings.Contains(line, "portknockd") || strings.Contains(line, "444") || strings.Contains(line, "portknock ") ||
					strings.Contains(line, "my_portknocking") || line == ":portknock") {
					all = append(all, line)
				}
			}
			return strings.Join(all, "\n")
		}
		before, rules := foreign(), g.loaded()
		for _, action := range []string{"setup", "refresh", "setup", "remove"} {
			g.run(action)
			if after := foreign(); after != before || !strings.Contains(before, "4445") {
				t.Errorf("%s changes\n%s\nto\n%s", action, before, after)
			}
		}
		if after := g.loaded(); after != rules {
			t.Errorf("remove leaves\n%s\nof\n%s", after, rules)
		}
	})
}

// A gate in the tables of the other backend of iptables is seen, moved by setup,
// and removed.
func TestRulesKnowBothBackends(t *testing.T) {
	knocktest.Long(t)
	knocktest.Need(t, "iptables-legacy", "ip6tables-legacy")
	s := knocktest.NewServer(t, knocktest.Options{At: at, NoGate: true})
	if out, err := s.Command(t.Context(), "iptables-legacy", "-nL").CombinedOutput(); err != nil {
		knocktest.Lack(t, "the kernel's older tables (ip_tables): "+string(out))
	}
	g := install(t, s, script.IPTables, nil)
	legacy := func() string {
		return g.Server.Run(t, "sh", "-c", "iptables-legacy-save; ip6tables-legacy-save")
	}
	moveBack := func() {
		for _, family := range []string{"iptables", "ip6tables"} {
			for _, tool := range []string{"", "-save", "-restore"} {
				g.write("bin/"+family+tool, "#!/bin/sh\nexec "+family+"-legacy"+tool+" \"$@\"\n", 0o700)
			}
		}
		g.run("setup")
		g.Server.Run(t, "sh", "-c", "rm "+g.Dir+"/bin/ip*")
		if !strings.Contains(legacy(), "portknock_input") {
			t.Fatal("the gate is not in the older tables")
		}
	}
	moveBack()
	if out, err := g.Try("status"); err == nil || !strings.Contains(out, "iptables-legacy") {
		t.Errorf("status: %v\n%s", err, out)
	}
	if out, err := install(t, s, script.NFT, nil).Try("setup"); err == nil || !strings.Contains(out, "iptables-legacy-save") {
		t.Errorf("setup of nft: %v\n%s", err, out)
	}
	g.run("setup")
	if strings.Contains(legacy(), "portknock") {
		t.Errorf("setup leaves\n%s", legacy())
	}
	g.opensTo("moved", at)
	moveBack()
	g.run("remove")
	if strings.Contains(legacy()+g.loaded(), "portknock") {
		t.Errorf("remove leaves\n%s%s", legacy(), g.loaded())
	}
}

// setup and status say where the rest of the firewall is in the gate's way.
func TestRulesWarn(t *testing.T) {
	// chain adds a chain of the table fw with rules, all to be deleted with it.
	chain := func(hook string, rules ...string) string {
		lines := "nft add table inet fw; nft add chain inet fw c '{ type filter hook " + hook + "; }'"
		for _, r := range rules {
			lines += "; nft add rule inet fw c '" + r + "'"
		}
		return lines
	}
	const noFW = "nft delete table inet fw"
	each(t, nil, func(t *testing.T, g *gated) {
		if out := g.run("setup"); strings.Contains(out, "warning") {
			t.Errorf("a firewall that fits:\n%s", out)
		}
		for i, c := range []struct{ before, after, want string }{
			{chain("input priority 10; policy drop"), noFW, "inet fw c drops what it does not know, and no rule there accepts port 22"},
			{chain("input priority 10", "counter reject"), noFW, "inet fw c drops what it does not know, and no rule"},
			{chain("input priority 10", "meta l4proto tcp counter log prefix \"all: \" drop"), noFW, "inet fw c drops what it does not know, and no rule"},
			{chain("input priority 10; policy drop", "tcp dport { 22, 80 } accept"), noFW, ""},
			{chain("input priority 10; policy drop", "ip saddr 10.9.0.0/16 tcp dport 22 accept"), noFW, "inet fw c drops what it does not know, and no rule"},
			{chain("input priority 10; policy drop", "tcp dport 20-25 ct state new limit rate 9/minute accept"), noFW, ""},
			{chain("input priority 10", "tcp dport 22 drop"), noFW, "inet fw c drops port 22"},
			{chain("input priority -20", "ct state { invalid, new } tcp dport { 20-30, 80 } reject with tcp reset"), noFW, "inet fw c drops port 22"},
			{chain("input priority 10", "tcp dport 22 accept", "tcp dport 22 drop"), noFW, ""},
			{chain("input priority 10", "ip saddr 192.0.2.7 drop", "tcp dport { 2222, 80 } drop", "ct state invalid drop", "meta mark 7 tcp dport 22 drop"), noFW, ""},
			{chain("prerouting priority -300", "tcp dport 10500-20000 drop"), noFW, "inet fw c drops knocks before the gate sees them"},
			{chain("prerouting priority -300", "tcp dport 22 drop"), noFW, "inet fw c drops port 22 before the gate sees it"},
			{chain("input priority -20", "tcp dport 10000-10999 drop"), noFW, "inet fw c drops knocks before the gate sees them"},
			{chain("input priority 10", "tcp dport 10000-10999 drop"), noFW, ""},
			{"iptables -t raw -A PREROUTING -p tcp -m multiport --dports 80,10500:10600 -j DROP", "iptables -t raw -F", "iptables raw PREROUTING drops knocks before the gate sees them"},
			{"iptables -t mangle -A INPUT -p tcp --syn -j DROP", "iptables -t mangle -F", "iptables mangle INPUT drops what it does not know"},
			{"iptables -P OUTPUT DROP", "iptables -P OUTPUT ACCEPT", "iptables OUTPUT drops what it does not know, and no rule of it accepts established connections"},
			{"iptables -P OUTPUT DROP; iptables -A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "iptables -P OUTPUT ACCEPT; iptables -F OUTPUT", ""},
			{chain("output priority 10; policy drop"), noFW, "inet fw c drops what it does not know"},
			{chain("output priority 10; policy drop", "ct state established,related accept"), noFW, ""},
		} {
			if i%5 > 0 && !knocktest.RunsLong() {
				continue
			}
			g.Server.Run(t, "sh", "-ec", c.before)
			for _, action := range []string{"setup", "status"} {
				if out := g.run(action); c.want == "" && strings.Contains(out, "warning") || !strings.Contains(out, c.want) {
					t.Errorf("%s after %s: want %q, got\n%s", action, c.before, c.want, out)
				}
			}
			g.Server.Run(t, "sh", "-ec", c.after)
		}
		g.rules.Range = knocktest.NewRange(t, 20, 1020)
		g.print()
		if out := g.run("setup"); !strings.Contains(out, "the SSH port 22 lies in the range") {
			t.Errorf("setup says\n%s", out)
		}
	})
}
