package netfilter_test

import (
	"errors"
	"slices"
	"testing"

	"rapport/knock/netfilter"
)

// What a text does not say is a flaw of its line; what it says is none.
func TestFlaws(t *testing.T) {
	const save = "*filter\n:INPUT DROP [0:0]\n"
	for _, tt := range []struct {
		name, text string
		want       []netfilter.Flaw
	}{
		{"a whole dump", save + "-A INPUT -p tcp -m tcp --dport 65535 -m recent --rcheck --seconds 5 --hitcount 255 --name A -j ACCEPT\nCOMMIT\n", nil},
		{"iptables-save without its end", save + "-A INPUT -j ACCEPT\n", []netfilter.Flaw{{netfilter.CutOff, 3, "the text ends inside table filter, before COMMIT"}}},
		{"iptables -S has no end", "-P INPUT DROP\n-A INPUT -j ACCEPT\n", nil},
		{"nft", "table inet t {\n chain c {\n  tcp dport 22 accept\n }\n}\n", nil},
		{"nft without its end", "table inet t {\n chain c {\n  tcp dport 22 accept\n", []netfilter.Flaw{{netfilter.CutOff, 3, "the text ends inside table inet t"}}},
		{"a port of iptables", save + "-A INPUT -p tcp -m tcp --dport 70000 -j ACCEPT\nCOMMIT\n", []netfilter.Flaw{{netfilter.Impossible, 3, "port 70000 is not within 0-65535"}}},
		{"a negative port", save + "-A INPUT -p tcp -m tcp --dport -5 -j ACCEPT\nCOMMIT\n", []netfilter.Flaw{{netfilter.Impossible, 3, "port -5 is not within 0-65535"}}},
		{"a port of nft", "table inet t {\n chain c {\n  tcp dport 70000 accept\n  tcp dport >= 1024 drop\n }\n}\n", []netfilter.Flaw{{netfilter.Impossible, 3, "port 70000 is not within 0-65535"}}},
		{"seconds", save + "-A INPUT -m recent --rcheck --seconds -5 --name A -j ACCEPT\nCOMMIT\n", []netfilter.Flaw{{netfilter.Impossible, 3, "--seconds -5 is not within 1-4294967295"}}},
		{"hits", save + "-A INPUT -m recent --rcheck --seconds 5 --hitcount 70000 --name A -j ACCEPT\nCOMMIT\n", []netfilter.Flaw{{netfilter.Impossible, 3, "--hitcount 70000 is not within 1-65535"}}},
		{"a script with plain variables", "#!/bin/sh\nIPT=iptables\nPORT=22\n$IPT -A INPUT -p tcp --dport ${PORT} -j ACCEPT\n", nil},
		{"a script with a loop", "#!/bin/sh\nfor p in 1 2 3; do\n  iptables -A INPUT -p tcp --dport $p -j ACCEPT\ndone\niptables -A INPUT -j DROP\n",
			[]netfilter.Flaw{{netfilter.NotFollowed, 3, "the rule is in a for loop, and is read once"}}},
		{"a loop in one line", "#!/bin/sh\nfor p in 1 2 3; do iptables -A INPUT -p tcp --dport $p -j ACCEPT; done\niptables -A INPUT -j DROP\n",
			[]netfilter.Flaw{{netfilter.NotFollowed, 2, "the rule is in a for loop, and is read once"}}},
		{"a variable that is computed", "#!/bin/sh\nNET=$(ip route)\niptables -A INPUT -s $NET -j ACCEPT\n", []netfilter.Flaw{{netfilter.NotFollowed, 3, "the value of $NET is not known"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := netfilter.Read([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Flaws, tt.want) {
				t.Errorf("%+v", r.Flaws)
			}
		})
	}
	if _, err := netfilter.Parse([]byte("\x7fELF\x00\x01" + save)); !errors.Is(err, netfilter.ErrBinary) {
		t.Errorf("binary: %v", err)
	}
}

// A variable with a plain value is that value, as long as it has it.
func TestPlainVariables(t *testing.T) {
	r, err := netfilter.Parse([]byte("PORT=22\niptables -A INPUT -p tcp --dport $PORT -j ACCEPT\nPORT=`cat port`\niptables -A INPUT -p tcp --dport ${PORT} -j ACCEPT\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.Link()
	var ports [][]int
	for rule := range r.Rules {
		ports = append(ports, rule.Ports())
	}
	if len(ports) != 2 || !slices.Equal(ports[0], []int{22}) || len(ports[1]) != 1 || ports[1][0] >= 0 {
		t.Errorf("%v", ports)
	}
}
