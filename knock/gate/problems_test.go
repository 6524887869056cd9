package gate_test

import (
	"slices"
	"strings"
	"testing"

	"rapport/knock/gate"
	"rapport/knock/solve"
)

func codes(problems []gate.Problem) []string {
	all := []string{}
	for _, p := range problems {
		all = append(all, p.Code)
	}
	return all
}

// swap exchanges a and b in s.
func swap(s, a, b string) string { return strings.NewReplacer(a, b, b, a).Replace(s) }

// Each fault is found in rules that have it, and nothing else is found there.
// The size of the lists is left out: it is the kernel's, not the rules'. What a
// sweep or a bare ACK does to all of these is another test's.
func TestProblems(t *testing.T) {
	both := rules(t, "article.save", "article6.save")
	save, six, nft := rules(t, "article.save"), rules(t, "article6.save"), rules(t, "native.nft")
	script := rules(t, "refresh.sh")
	const (
		established = "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n"
		call        = "-A INPUT -j portknocking\n"
		lo          = "-A INPUT -i lo -j ACCEPT\n"
	)
	known := func(m solve.Candidate) gate.Facts { return gate.Facts{SSHPort: 22, Candidate: &m, ListTotal: 10000} }
	usual := gate.Facts{SSHPort: 22, ListTotal: 10000}
	edit := func(text, old, new string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("no %q to change", old)
		}
		return strings.ReplaceAll(text, old, new)
	}
	withSets := edit(nft, "table inet knocking {\n", `table inet knocking {
	set web { type inet_service; elements = { 20-25, 80,
			     443 }; }
	map to { type inet_service : verdict; elements = { 22 : accept, 443 : accept }; }
`)
	for _, tt := range []struct {
		name  string
		text  string
		known gate.Facts
		want  []string // the codes
	}{
		{"none in the article's", both, usual, nil},
		{"only that IPv6 is not told, in IPv4's alone", save, usual, []string{"v6-not-given"}},
		{"the lists come last", save, gate.Facts{}, []string{"v6-not-given", "list-size"}},
		{"perhaps an old hour", both, gate.Facts{Perhaps: true, Candidate: &solve.Candidate{Hour: solveHour.Add(-3), Offset: -3, Variant: solve.AsGiven}}, []string{"stale-hour", "list-size"}},
		{"none in nft's", nft, usual, nil},
		{"none with the right hour", both, known(solve.Candidate{Hour: solveHour, Variant: solve.AsGiven}), nil},
		{"none where one source may connect", edit(both, lo, lo+"-A INPUT -s 203.0.113.7/32 -p tcp -m tcp --dport 22 -j ACCEPT\n"), usual, nil},
		{"none with a limit on logins before", edit(both, call, "-A INPUT -p tcp -m tcp --dport 22 -m recent --update --seconds 60 --hitcount 4 --name SSH --mask 255.255.255.255 --rsource -j DROP\n"+call), usual, nil},
		{"none where others are served", edit(both, call, "-A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT\n"+call), usual, nil},
		{"none where SSH alone is dropped", edit(edit(both, "INPUT DROP", "INPUT ACCEPT"), "-j portknock_accept\n", "-j portknock_accept\n-A INPUT -p tcp -m tcp --dport 22 -m state --state NEW -j DROP\n"), usual, nil},
		{"none with rejects", edit(both, "-A portknock_accept -m limit", "-A INPUT -p tcp -j REJECT --reject-with tcp-reset\n-A portknock_accept -m limit"), usual, nil},
		{"none with invalid dropped", edit(both, call, "-A INPUT -m conntrack --ctstate INVALID -j DROP\n"+call), usual, nil},

		{"a rule that is not modelled drops some knocks", edit(both, call, "-A INPUT -p tcp -m statistic --mode nth --every 2 --packet 0 -m tcp --dport 10363 -j DROP\n"+call), usual, []string{"handshake-unknown"}},
		{"nft, a rule that is not modelled drops some", edit(nft, "ct state new jump knocks", "meta length 1-59 drop\nct state new jump knocks"), usual, []string{"handshake-unknown"}},
		{"none where one that is not modelled drops others", edit(nft, "ct state new jump knocks", "meta length 1-59 tcp dport 80 drop\nct state new jump knocks"), usual, nil},
		{"a script that accepts SSH", edit(script, "iptables -A INPUT -j portknocking\n", "iptables -A INPUT -j portknocking\niptables -I INPUT -p tcp --dport 22 -j ACCEPT\n"), usual, []string{"ssh-accepted", "flush-refresh"}},
		{"a script that no longer does", edit(script, "iptables -A INPUT -j portknocking\n", "iptables -A INPUT -j portknocking\niptables -I INPUT -p tcp --dport 22 -j ACCEPT\niptables -D INPUT 1\n"), usual, []string{"flush-refresh"}},
		{"established not accepted", edit(both, established, ""), usual, []string{"no-established"}},
		{"established accepted late", edit(both, established, "") + "*filter\n" + established + "COMMIT\n", usual, []string{"no-established"}},
		{"nft, established not accepted", edit(nft, "established : accept, related : accept", "related : accept"), usual, []string{"no-established"}},
		{"SSH accepted before", edit(both, call, "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"SSH accepted with others", edit(both, call, "-A INPUT -p tcp -m state --state NEW -m multiport --dports 20:25,80 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"SSH accepted with its answers", edit(both, call, "-A INPUT -p tcp -m multiport --ports 22,80 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"SSH accepted for all but some", edit(both, call, "-A INPUT ! -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"SSH accepted for all but a set", edit(both, call, "-A INPUT -p tcp -m set ! --match-set blocked src -m tcp --dport 22 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"none where a set may connect", edit(both, call, "-A INPUT -p tcp -m set --match-set admins src -m tcp --dport 22 -j ACCEPT\n"+call), usual, nil},
		{"none where all but a set are dropped", edit(both, call, "-A INPUT -m set ! --match-set country src -j DROP\n"+call), usual, nil},
		{"none with an accept rule for several ports", edit(both, "-m tcp --dport 22 -j portknock_accept", "-m multiport --dports 443,22 -j portknock_accept"), usual, nil},
		{"none at another accepted port", edit(both, "-m tcp --dport 22 -j portknock_accept", "-m multiport --dports 443,22 -j portknock_accept"), gate.Facts{SSHPort: 443, ListTotal: 10000}, nil},
		{"an accept rule for other ports", edit(both, "-m tcp --dport 22 -j portknock_accept", "-m multiport --dports 443,80 -j portknock_accept"), usual, []string{"ssh-port"}},
		{"SSH accepted by the card", edit(both, call, "-A INPUT -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"SSH accepted after", edit(both, "-j portknock_accept\n", "-j portknock_accept\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"), usual, []string{"ssh-accepted"}},
		{"nft, SSH accepted before", edit(nft, "ct state new jump knocks", "tcp dport { 22, 80 } accept\nct state new jump knocks"), usual, []string{"ssh-accepted"}},
		{"nft, SSH accepted by a named set", edit(withSets, "ct state new jump knocks", "tcp dport @web accept\nct state new jump knocks"), usual, []string{"ssh-accepted"}},
		{"nft, SSH accepted by a named map", edit(withSets, "ct state new jump knocks", "tcp dport vmap @to\nct state new jump knocks"), usual, []string{"ssh-accepted"}},
		{"nft, SSH accepted for all but some", edit(nft, "ct state new jump knocks", "ip saddr != 192.0.2.0/24 tcp dport 22 accept\nct state new jump knocks"), usual, []string{"ssh-accepted"}},
		{"nft, none where all but some are dropped", edit(nft, "ct state new jump knocks", "ip saddr != 192.0.2.0/24 drop\nct state new jump knocks"), usual, []string{"some-sources"}},
		{"a gate for some", edit(both, call, "-A INPUT -s 198.51.100.0/24 -j portknocking\n"), usual, []string{"some-sources"}},
		{"SSH dropped for all but some", strings.Replace(both, call, "-A INPUT ! -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -j DROP\n"+call, 1), usual, []string{"some-sources"}},
		{"SSH accepted once a knock was made", edit(both, call, "-A INPUT -p tcp -m recent --rcheck --seconds 5 --name PK_PHASE1 --rsource -m tcp --dport 22 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"nft, SSH accepted once a knock was made", edit(nft, "ct state new jump knocks", "ip saddr @phase1_4 tcp dport 22 accept\nct state new jump knocks"), usual, []string{"ssh-accepted"}},
		{"another port fills the last list", edit(both, call, "-A INPUT -p tcp -m tcp --dport 80 -m recent --set --name PK_PHASE5 --rsource\n"+call), usual, []string{"ssh-accepted"}},
		{"the SSH port fills the last list", edit(both, call, "-A INPUT -p tcp -m tcp --dport 22 -m recent --set --name PK_PHASE5 --rsource\n"+call), usual, []string{"ssh-accepted"}},
		{"SSH accepted by the gate's own chain", edit(both, call, "-A INPUT -p tcp -m tcp --dport 22 -g portknock_accept\n"+call), usual, []string{"ssh-accepted"}},
		{"SSH accepted for all that are not on the last list", edit(both, "--rcheck --seconds 5 --name PK_PHASE5", "! --rcheck --seconds 5 --name PK_PHASE5"), usual, []string{"ssh-accepted"}},
		{"SSH accepted from a source port", edit(both, call, "-A INPUT -p tcp -m tcp --sport 53 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"SSH accepted from source ports of a range", edit(both, call, "-A INPUT -p tcp -m tcp --sport 20:21 --dport 1:1023 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"none with answers of name servers", edit(both, call, "-A INPUT -p udp -m udp --sport 53 -j ACCEPT\n"+call), usual, nil},
		{"none with a source port of one source", edit(both, call, "-A INPUT -s 203.0.113.7/32 -p tcp -m tcp --sport 53 -j ACCEPT\n"+call), usual, nil},
		{"SSH redirected from an accepted port", "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 22\nCOMMIT\n" + edit(both, call, "-A INPUT -p tcp -m conntrack --ctorigdstport 443 -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"SSH accepted where it was redirected", "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n" + edit(both, call, "-A INPUT -m conntrack --ctstate DNAT -j ACCEPT\n"+call), usual, []string{"ssh-accepted"}},
		{"none where a port is redirected to the gated one", "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n" + both, usual, nil},
		{"nft, SSH accepted at the server's address", edit(nft, "ct state new jump knocks", "ip daddr 192.0.2.9 tcp dport 22 accept\nct state new jump knocks"), usual, []string{"ssh-accepted"}},
		{"nft, SSH accepted at an address of a set", edit(nft, "ct state new jump knocks", "ip daddr . tcp dport { 192.0.2.8 . 80, 192.0.2.9 . 22 } accept\nct state new jump knocks"), usual, []string{"ssh-accepted"}},
		{"nft, SSH accepted at an address of IPv6", edit(nft, "ct state new jump knocks", "ip6 daddr 2001:db8::9 tcp dport 22 accept\nct state new jump knocks"), usual, []string{"ssh-accepted"}},
		{"nft, none at a multicast address", edit(nft, "ct state new jump knocks", "ip daddr 224.0.0.251 accept\nct state new jump knocks"), usual, nil},
		{"nft, none with pings accepted", edit(nft, "ct state new jump knocks", "icmp type echo-request accept\nicmpv6 type nd-neighbor-solicit accept\nct state new jump knocks"), usual, nil},
		{"nft, none with many elements in a line", edit(nft, "ct state new jump knocks", "tcp dport { "+strings.Repeat("443, ", 2000)+"80 } accept\nct state new jump knocks"), usual, nil},
		{"none with many addresses in a line", edit(both, call, "-A INPUT -p tcp -m multiport --dports "+strings.Repeat("443,", 2000)+"80 -j ACCEPT\n"+call), usual, nil},
		{"a ping fills the last list", edit(both, call, "-A INPUT -p icmp -m icmp --icmp-type 8 -m recent --set --name PK_PHASE5 --rsource\n"+call), usual, []string{"ssh-accepted"}},
		{"UDP fills the last list", edit(both, call, "-A INPUT -p udp -m udp --dport 53 -m recent --set --name PK_PHASE5 --rsource\n"+call), usual, []string{"ssh-accepted"}},
		{"nft, a ping fills the last list", edit(nft, `iifname "lo" accept`, "ip protocol icmp add @phase5_4 { ip saddr }"), usual, []string{"ssh-accepted"}},
		{"none where a ping fills another list", edit(both, call, "-A INPUT -p icmp -m icmp --icmp-type 8 -m recent --set --name PINGS --rsource\n"+call), usual, nil},
		{"nothing drops SSH", edit(both, "INPUT DROP", "INPUT ACCEPT"), usual, []string{"ssh-not-dropped"}},
		{"nft, nothing drops SSH", edit(nft, "policy drop", "policy accept"), usual, []string{"ssh-not-dropped"}},
		{"the gate after a drop", edit(both, call, "-A INPUT -p tcp -j DROP\n"+call), usual, []string{"gate-after-drop"}},
		{"the gate after a goto to a chain that drops", edit(both, call, "-A INPUT -p tcp -g DROPS\n-A DROPS -p udp -j ACCEPT\n-A DROPS -j DROP\n"+call), usual, []string{"gate-after-drop"}},
		{"nft, the gate after a goto to a chain that drops", edit(edit(nft, "ct state new jump knocks", "tcp dport != 80 goto drops\nct state new jump knocks"), "table inet knocking {\n", "table inet knocking {\n\tchain drops {\n\t\tdrop\n\t}\n"), usual, []string{"gate-after-drop"}},
		{"the gate after a reject of its ports", edit(both, call, "-A INPUT -p tcp -m tcp --dport 10000:65535 -j REJECT --reject-with tcp-reset\n"+call), usual, []string{"gate-after-drop"}},
		{"the accept rule after a drop", edit(both, call, call+"-A INPUT -p tcp -m tcp --dport 22 -j DROP\n"), usual, []string{"gate-after-drop", "no-established"}[:1]},
		{"nft, the gate after a drop", edit(nft, "ct state new jump knocks", "tcp dport != 80 drop\nct state new jump knocks"), usual, []string{"gate-after-drop"}},
		{"a drop in another nft table", nft + "table inet early {\n\tchain c {\n\t\ttype filter hook input priority filter - 10; policy accept;\n\t\tct state new tcp dport 1024-65535 drop\n\t}\n}\n", usual, []string{"gate-after-drop"}},
		{"a drop in raw", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 10000:10999 -j DROP\nCOMMIT\n" + both, usual, []string{"gate-after-drop"}},
		{"knocks accepted before", edit(both, call, "-A INPUT -p tcp -m tcp --dport 1024:65535 -j ACCEPT\n"+call), usual, []string{"gate-after-accept"}},
		{"nobody calls the gate", edit(both, call, ""), usual, []string{"gate-not-called"}},
		{"no accept rule", edit(both, "-j portknock_accept\n", "\n"), usual, []string{"no-door"}},
		{"phases exchanged", swap(both, "--rcheck --seconds 5 --name PK_PHASE1", "--rcheck --seconds 5 --name PK_PHASE2"), usual, []string{"phases-out-of-order"}},
		{"the accept rule too early", edit(both, "--rcheck --seconds 5 --name PK_PHASE5", "--rcheck --seconds 5 --name PK_PHASE4"), usual, []string{"phases-out-of-order"}},
		{"nft, a phase twice", edit(nft, "ip saddr @phase3_4 ", "ip saddr @phase2_4 "), usual, []string{"phases-out-of-order"}},
		{"a window of a second", edit(both, "--rcheck --seconds 5 --name PK_PHASE3", "--rcheck --seconds 1 --name PK_PHASE3"), usual, []string{"window-short"}},
		{"nft, windows of 2 seconds", edit(nft, "timeout 5s", "timeout 2s"), usual, []string{"window-short"}},
		{"an endless accept rule", edit(both, "--rcheck --seconds 5 --name PK_PHASE5", "--rcheck --name PK_PHASE5"), usual, []string{"window-endless"}},
		{"IPv6 open", save + "# Generated by ip6tables-save v1.8.9\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", usual, []string{"v6-without-gate"}},
		{"IPv6 shut", save + "# Generated by ip6tables-save v1.8.9\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n", usual, nil},
		{"IPv4 open", "# Generated by iptables-save v1.8.9\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n" + six, usual, []string{"v4-without-gate"}},
		{"nft without IPv6", ipOnly(nft), usual, []string{"v6-without-gate"}},
		{"IPv6 not refreshed", save + edit(six, "10363", "10364"), usual, []string{"families-differ"}},
		{"an old hour", both, known(solve.Candidate{Hour: solveHour.Add(-3), Offset: -3, Variant: solve.AsGiven}), []string{"stale-hour"}},
		{"a coming hour", both, known(solve.Candidate{Hour: solveHour.Add(1), Offset: 1, Variant: solve.AsGiven}), []string{"hour-ahead"}},
		{"a port twice", edit(both, "10858", "10247"), usual, []string{"repeated-ports"}},
		{"another SSH port", both, gate.Facts{SSHPort: 2222, ListTotal: 10000}, []string{"ssh-port"}},
		{"a list of 100", both, gate.Facts{SSHPort: 22}, []string{"list-size"}},
		{"an nft set of 100", edit(nft, "size 65535", "size 100"), usual, []string{"list-size"}},
		{"a script that flushes", script, usual, []string{"flush-refresh"}},
		{"a script that does not", edit(script, "    iptables -F portknocking\n", ""), usual, nil},
		{"a script that empties lists", edit(script, "    iptables -F portknocking\n", "    echo / > /proc/net/xt_recent/PK_PHASE1\n"), usual, []string{"flush-refresh"}},
		{"a script that flushes something else", edit(script, "iptables -F portknocking", "iptables -F other"), usual, nil},
		{"a script for both families", script + forIPv6(script), usual, []string{"flush-refresh"}},
		{"a script with masks of IPv4 first", edit(script, " --set\n", " --set --mask 255.255.255.255\n") + forIPv6(script), usual, []string{"shared-lists", "flush-refresh"}},
		{"a script with masks of IPv4 last", forIPv6(script) + edit(script, " --set\n", " --set --mask 255.255.255.255\n"), usual, []string{"flush-refresh"}},
		{"a script with masks and lists of each family", edit(script, " --set\n", " --set --mask 255.255.255.255\n") + edit(forIPv6(script), "PK_PHASE", "PK6_PHASE"), usual, []string{"flush-refresh"}},
		{"no gate", rules(t, "nogate.save"), usual, []string{"no-gate"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problems := readRules(t, tt.text).Problems(tt.known)
			got := slices.DeleteFunc(codes(problems), func(c string) bool { return c == "no-sweep-guard" || c == "knocks-not-syn" })
			if !slices.Equal(got, append([]string{}, tt.want...)) {
				t.Errorf("problems %q, want %q", got, tt.want)
			}
			for _, p := range problems {
				if p.Summary == "" || p.Fix == "" || strings.Contains(p.Summary+p.Fix, "\n") {
					t.Errorf("%+v", p)
				}
			}
		})
	}
}

// forIPv6 is a script's text for IPv6.
func forIPv6(script string) string {
	return strings.ReplaceAll(script, "iptables ", "ip6tables ")
}

// ipOnly takes what is of IPv6 out of native.nft.
func ipOnly(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "_6") {
			b.WriteString(line)
		}
	}
	return strings.Replace(b.String(), "table inet", "table ip", 1)
}

// Gates of iptables and of nft are told apart in one text, and that nobody
// passes both.
func TestTwoGates(t *testing.T) {
	both, nft := rules(t, "article.save", "article6.save"), rules(t, "native.nft")
	usual := gate.Facts{SSHPort: 22, ListTotal: 10000}
	for _, tt := range []struct {
		name     string
		text     string
		severity gate.Severity // empty: they are not in each other's way
	}{
		{"other ports", both + strings.ReplaceAll(nft, "10247", "10248"), gate.SeverityError},
		{"the order of the texts", strings.ReplaceAll(nft, "10247", "10248") + both, gate.SeverityError},
		{"the same ports", both + nft, gate.SeverityWarning},
		{"other ports for IPv6", both + strings.ReplaceAll(nft, "10247 update @phase1_6", "10248 update @phase1_6"), gate.SeverityError},
		{"another SSH port", both + strings.ReplaceAll(nft, "tcp dport 22", "tcp dport 443"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := readRules(t, tt.text)
			if f.Kind != gate.FromIPTables || len(f.Gates) != 2 || len(f.Other) != 2 {
				t.Fatalf("%s: %+v and %+v", f.Kind, f.Gates, f.Other)
			}
			if g, o := f.Gates[0], f.Other[0]; g.Chain != "portknocking" || o.Chain != "knocks" || len(g.Also)+len(o.Also) > 0 || !slices.Equal(g.Ports, articlePorts) {
				t.Errorf("%+v\n%+v", g, o)
			}
			problems := f.Problems(usual)
			if tt.severity == "" {
				if slices.Contains(codes(problems), "two-gates") {
					t.Errorf("%+v", problems)
				}
			} else if len(problems) == 0 || problems[0].Code != "two-gates" || problems[0].Severity != tt.severity {
				t.Errorf("%+v", problems)
			}
		})
	}
}
