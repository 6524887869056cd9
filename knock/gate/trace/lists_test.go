package trace_test

import (
	"net/netip"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/gate/trace"
)

const (
	setBan = `
table inet guard {
	set banned {
		type ipv4_addr
		flags timeout
		elements = { 203.0.113.9 timeout 10m expires 8m2s, 198.51.100.0/24 timeout 1h expires 30m }
	}
	chain in {
		type filter hook input priority -5; policy accept;
		%s
		tcp dport 22 ip saddr @banned drop
	}
}
`
	byIPSet = "-A INPUT -p tcp -m tcp --dport 22 -m set --match-set f2b-sshd src -j REJECT --reject-with icmp-port-unreachable"
)

// Which lists rules ask for, and whom those shut out that the text shows.
func TestLists(t *testing.T) {
	article := rules(t, "article.save")
	in := func(rule string) string { return strings.Replace(article, "-A INPUT", rule+"\n-A INPUT", 1) }
	members := "create f2b-sshd hash:ip family inet hashsize 1024 maxelem 65536 timeout 600\nadd f2b-sshd 203.0.113.9 timeout 480\nadd f2b-sshd 198.51.100.7 timeout 20\n"
	client := netip.MustParseAddr("203.0.113.9")
	for _, tt := range []struct {
		name, text string
		lists      string // their kinds and names
		held, shut bool   // the client
	}{
		{"no list", article, "", false, false},
		{"a recent list", in("-A INPUT -m recent --rcheck --seconds 600 --name BAN --mask 255.255.255.255 --rsource -j DROP"), "recent BAN", false, false},
		{"a recent list for the mail", in("-A INPUT -p tcp -m tcp --dport 25 -m recent --rcheck --seconds 600 --name BAN --mask 255.255.255.255 --rsource -j DROP"), "", false, false},
		{"an ipset", in(byIPSet), "ipset f2b-sshd", false, false},
		{"an ipset, and its members before", members + in(byIPSet), "", false, true},
		{"an ipset, and its members behind", in(byIPSet) + members, "", false, true},
		{"an ipset without members", in(byIPSet) + "create f2b-sshd hash:ip family inet\n", "", false, false},
		{"an ipset to which a rule adds", in("-A INPUT -p tcp -m tcp --dport 23 -j SET --add-set f2b-sshd src\n"+byIPSet) + members, "ipset f2b-sshd", false, false},
		{"an ipset from which a rule removes", in("-A INPUT -p tcp -m tcp --dport 23 -j SET --del-set f2b-sshd src\n"+byIPSet) + members, "ipset f2b-sshd", false, false},
		{"an ipset with exceptions", in(byIPSet) + members + "add f2b-sshd 203.0.113.0/24 nomatch\n", "ipset f2b-sshd", false, false},
		{"a set of nft", article + strings.Replace(setBan, "%s", "", 1), "", false, true},
		{"a set of nft to which a rule adds", article + strings.Replace(setBan, "%s", "tcp dport 23 add @banned { ip saddr timeout 10m }", 1), "nft inet guard banned", true, false},
		{"a set of nft with a range", article + strings.Replace(strings.Replace(setBan, "%s", "tcp dport 23 add @banned { ip saddr timeout 10m }", 1), "203.0.113.9 timeout", "203.0.113.1-203.0.113.20 timeout", 1), "nft inet guard banned", true, false},
		{"a set of nft with others", article + strings.Replace(strings.Replace(setBan, "%s", "tcp dport 23 add @banned { ip saddr timeout 10m }", 1), "203.0.113.9 timeout", "203.0.113.10-203.0.113.20 timeout", 1), "nft inet guard banned", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := readRules(t, tt.text)
			var names []string
			held := false
			for _, l := range trace.Lists(f, knock.Family4) {
				names = append(names, string(l.Kind)+" "+l.Name)
				held = held || l.Has(client) != nil
				if l.Line == 0 || l.Shown != (l.Kind == trace.NFTSet) {
					t.Errorf("%s: line %d, shown %v", l.Name, l.Line, l.Shown)
				}
			}
			if got := strings.Join(names, ", "); got != tt.lists || held != tt.held {
				t.Errorf("lists %q, holds the client %v, want %q, %v", got, held, tt.lists, tt.held)
			}
			r := trace.Request{Family: knock.Family4, From: client}
			here, err := trace.Run(f, r)
			if err != nil || len(here.Unmodelled) == 0 && here.Opened == tt.shut {
				t.Errorf("opened to the client: %v, %v", here.Opened, err)
			}
		})
	}
}
