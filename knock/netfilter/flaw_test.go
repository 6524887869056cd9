package netfilter_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
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
		{"a byte order mark", "\uFEFF" + save + "-A INPUT -j ACCEPT\n", []netfilter.Flaw{{netfilter.CutOff, 3, "the text ends inside table filter, before COMMIT"}}},
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
		{"a loop over both tools", "#!/bin/sh\nfor t in iptables ip6tables; do\n  $t -A INPUT -j DROP\ndone\n", []netfilter.Flaw{{netfilter.NotFollowed, 3, "the rule is in a for loop, and is read once"}}},
		{"a condition", "#!/bin/sh\nif [ -e /etc/ssh ]; then\n  iptables -A INPUT -j ACCEPT\nfi\niptables -A INPUT -j DROP\n", []netfilter.Flaw{{netfilter.NotFollowed, 3, "the rule stands under if, and is read as if it were reached"}}},
		{"a function", "#!/bin/sh\nadd () {\n  iptables -A INPUT -j ACCEPT\n}\nadd\niptables -A INPUT -j DROP\n", nil},
		{"a function that deletes", "#!/bin/sh\niptables -A INPUT -j ACCEPT\nstop() {\n  iptables -D INPUT -j ACCEPT\n}\n", []netfilter.Flaw{{netfilter.NotFollowed, 4, "-D stands in a block, and is not followed"}}},
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

// What a script takes away again is not there, nor what stands behind its end.
func TestScriptsThatTakeRulesAway(t *testing.T) {
	const accept = "iptables -A INPUT -p tcp --dport 22 -j ACCEPT\n"
	long := "iptables -A INPUT -p tcp -m multiport --dports 80" + strings.Repeat(",\\\n443", 2000) + " -j DROP\n"
	for _, tt := range []struct {
		name, text string
		lines      []int // of the rules that are left
	}{
		{"delete", accept + "iptables -D INPUT -p tcp --dport 22 -j ACCEPT\n", nil},
		{"delete a rule that stands twice", accept + accept + "iptables -D INPUT -p tcp --dport 22 -j ACCEPT 2>/dev/null || true\n", []int{2}},
		{"delete another rule", accept + "iptables -D INPUT -p tcp --dport 23 -j ACCEPT\niptables -D FORWARD 1\n", []int{1}},
		{"delete by number", accept + "iptables -A INPUT -j DROP\niptables -D INPUT 1\niptables -D INPUT 7\niptables -D INPUT 0\n", []int{2}},
		{"replace", accept + "iptables -R INPUT 1 -p tcp --dport 22 -j DROP\n", []int{2}},
		{"flush a chain", accept + "iptables -A FORWARD -j DROP\niptables -F INPUT\n", []int{2}},
		{"flush all", accept + "iptables -F\niptables -A INPUT -j DROP\n", []int{3}},
		{"flush in a function", accept + "stop() {\n iptables -F\n}\n", []int{1}},
		{"exit", accept + "exit 0\n" + accept, []int{1}},
		{"exit in a block", accept + "if [ -e /x ]; then\n exit 1\nfi\niptables -A INPUT -j DROP\n", []int{1, 5}},
		{"a long line", long, []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := netfilter.Parse([]byte("#!/bin/sh\n" + tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var lines []int
			for rule := range r.Rules {
				lines = append(lines, rule.Line-1)
			}
			if slices.Sort(lines); !slices.Equal(lines, tt.lines) {
				t.Errorf("%v", lines)
			}
		})
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

// What is not modelled is shown as it was written, and takes no other words with it.
func TestUnmodelledWords(t *testing.T) {
	for text, want := range map[string]string{
		`meta hour "00:00" tcp dport 22 accept`:                     `meta hour "00:00"`,
		`meta hour "00:00"-"03:00" tcp dport 22 accept`:             `meta hour "00:00" - "03:00"`,
		`ct helper "ftp" iifname "v0" tcp dport 22 accept`:          `ct helper "ftp"`,
		`tcp dport 22 limit name "some" accept`:                     `limit name some`,
		`tcp dport 22 counter name "some" accept`:                   "",
		`counter name "some" tcp dport 22 quota name "some" accept`: "quota",
	} {
		r, err := netfilter.Parse([]byte("table inet t {\n chain c {\n  " + text + "\n }\n}\n"))
		if err != nil {
			t.Fatal(err)
		}
		r.Link()
		for rule := range r.Rules {
			if got := strings.Join(rule.Unmodelled(), ", "); got != want || !slices.Equal(rule.Ports(), []int{22}) || rule.Verdict != machine.Accept {
				t.Errorf("%s: %q, ports %v, %v", text, got, rule.Ports(), rule.Verdict)
			}
		}
	}
}

// A mark that a statement sets to something that is not modelled is not guessed.
func TestVagueMark(t *testing.T) {
	for _, to := range []string{"ip saddr map { 192.0.2.1 : 0x5 }", "numgen inc mod 2", "meta mark << 1", "ct mark & 0x1"} {
		for want, rule := range map[machine.Verdict]string{machine.Undecided: "meta mark 0x5 accept", machine.Drop: "meta mark set 0x4; meta mark 0x5 accept"} {
			if to == "ct mark & 0x1" { // which is modelled
				want = machine.Drop
			}
			r := parse(t, "table ip one { chain c { type filter hook input priority 0; policy drop; meta mark set "+to+"; "+rule+"; } }")
			p := machine.Packet{Proto: machine.TCP, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), DstPort: 22, Flags: machine.SYN}
			if got := r.NewMachine().Deliver(p, 0); got.Verdict != want {
				t.Errorf("mark set to %s, then %s: %v, want %v", to, rule, got.Verdict, want)
			}
		}
	}
}
