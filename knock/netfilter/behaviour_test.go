package netfilter_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rapport/knock/netfilter/machine"
)

// behaviour is something that the kernel does. TestMachine asks the machine
// about it, and TestKernelBehaviours the kernel.
type behaviour struct {
	name string
	// nft and iptables are rules. Those of nft are loaded first; "input" stands for
	// a base chain of that hook.
	nft, iptables string
	// packets are lines such as "0.5 syn 22 accept": when it comes, what it is, to
	// which port, perhaps "from" the last number of its address, and the verdict. A
	// verb behind a "<" is an answer to the last packet.
	packets string
}

// v6 reports whether the rules of iptables are those of ip6tables.
func (b behaviour) v6() bool { return strings.Contains(b.iptables, "--mask ffff:") }

const (
	input = "type filter hook input priority 0; policy drop;"
	// lists has the sets that the rules below use.
	lists = "set s { type ipv4_addr; flags dynamic,timeout; size 100; }"
)

func behaviours() []behaviour {
	return []behaviour{
		{"of base chains with the same priority the last one made comes first",
			"table ip one { " + lists + " chain c { " + strings.Replace(input, "drop", "accept", 1) + " add @s { ip saddr } } chain d { " + strings.Replace(input, "drop", "accept", 1) + " ip saddr @s drop } }", "",
			"0 syn 22 accept, 0.1 syn 22 drop"},
		{"a chain of iptables comes before one of nft that was made earlier",
			"table ip one { chain c { " + strings.Replace(input, "drop", "accept", 1) + " meta mark 0x1 drop } }", "-A INPUT -j MARK --set-mark 0x1\n-A INPUT -j ACCEPT",
			"0 syn 22 drop"},
		{"an address that is not on the list fails --rcheck and passes ! --rcheck", "",
			"-A INPUT -p tcp --dport 1 -m recent --name L --set\n-A INPUT -p tcp --dport 2 -m recent --name L ! --rcheck --seconds 1 -j ACCEPT\n-A INPUT -p tcp --dport 3 -m recent --name L --rcheck --seconds 1 -j ACCEPT",
			"0 syn 2 accept, 0.1 syn 3 drop, 0.2 syn 1 drop, 0.3 syn 2 drop, 0.4 syn 3 accept, 1.5 syn 2 accept, 1.6 syn 3 drop"},
		{"! --update stamps an old entry, and matches; on a recent one it does neither", "",
			"-A INPUT -p tcp --dport 1 -m recent --name L --set\n-A INPUT -p tcp --dport 2 -m recent --name L ! --update --seconds 1 -j ACCEPT",
			"0 syn 1 drop, 0.6 syn 2 drop, 1.3 syn 2 accept, 1.5 syn 2 drop, 2.5 syn 2 accept"},
		{"! --set adds, and does not match", "",
			"-A INPUT -p tcp --dport 1 -m recent --name L ! --set -j ACCEPT\n-A INPUT -p tcp --dport 2 -m recent --name L --rcheck -j ACCEPT",
			"0 syn 1 drop, 0.1 syn 2 accept"},
		{"! --remove removes, and does not match; without an entry it matches", "",
			"-A INPUT -p tcp --dport 1 -m recent --name L --set\n-A INPUT -p tcp --dport 2 -m recent --name L ! --remove -j ACCEPT",
			"0 syn 1 drop, 0.1 syn 2 drop, 0.2 syn 2 accept"},
		{"--update does not stamp below its hitcount", "",
			"-A INPUT -p tcp --dport 1 -m recent --name L --set\n-A INPUT -p tcp --dport 2 -m recent --name L --update --hitcount 2 -j ACCEPT",
			"0 syn 1 drop, 0.1 syn 2 drop, 0.2 syn 2 drop, 0.3 syn 1 drop, 0.4 syn 2 accept"},
		{"an entry keeps as many stamps as the highest hitcount of its rules", "",
			"-A INPUT -p tcp --dport 1 -m recent --name L --set\n-A INPUT -p tcp --dport 2 -m recent --name L --rcheck --seconds 1 --hitcount 3 -j ACCEPT",
			"0 syn 1 drop, 0.1 syn 1 drop, 0.2 syn 2 drop, 0.3 syn 1 drop, 0.4 syn 2 accept, 1.2 syn 2 drop"},
		{"a list has the mask of its first rule", "",
			"-A INPUT -p tcp --dport 1 -m recent --name L --mask 255.255.255.0 --set\n-A INPUT -p tcp --dport 2 -m recent --name L --mask 255.255.255.255 --rcheck -j ACCEPT",
			"0 syn 1 drop, 0.1 syn 2 from 3 accept"},
		{"a list of IPv6 has the mask of its first rule too", "",
			"-A INPUT -p tcp --dport 1 -m recent --name L --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --set\n-A INPUT -p tcp --dport 2 -m recent --name L --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:0 ! --update --seconds 2 --hitcount 2 -j ACCEPT",
			"0 syn 1 drop, 0.1 syn 2 from 3 accept, 0.2 syn 2 accept, 0.3 syn 2 drop"},
		{"--reap removes the oldest entry if it is too old", "",
			"-A INPUT -p tcp --dport 1 -m recent --name L --set\n-A INPUT -p tcp --dport 2 -m recent --name L --rcheck --seconds 1 --reap -j ACCEPT\n-A INPUT -p tcp --dport 3 -m recent --name L --rcheck -j ACCEPT",
			"0 syn 1 drop, 0.1 syn 3 accept, 1.3 syn 1 from 3 drop, 1.4 syn 2 from 3 accept, 1.5 syn 3 drop"},
		{"a table of hashlimit that is full drops other packets, also behind a negated rate", "",
			"-P INPUT ACCEPT\n-A INPUT -m hashlimit --hashlimit-name h --hashlimit-upto 1/second --hashlimit-mode srcip --hashlimit-htable-size 1 --hashlimit-htable-max 1 -j ACCEPT",
			"0 syn 22 accept, 0.1 syn 22 from 3 drop, 0.2 syn 22 accept"},
		{"a table of hashlimit has at least one entry for each of its buckets", "",
			"-P INPUT ACCEPT\n-A INPUT -m hashlimit --hashlimit-name h --hashlimit-upto 1/second --hashlimit-mode srcip --hashlimit-htable-size 2 --hashlimit-htable-max 1 -j ACCEPT",
			"0 syn 22 accept, 0.1 syn 22 from 3 accept, 0.2 syn 22 from 4 drop"},
		{"a table of hashlimit has the rate of its first rule", "",
			"-A INPUT -p tcp --dport 1 -m hashlimit --hashlimit-name h --hashlimit-upto 1/minute --hashlimit-burst 2 --hashlimit-mode srcip -j ACCEPT\n-A INPUT -p tcp --dport 2 -m hashlimit --hashlimit-name h --hashlimit-upto 9/second --hashlimit-burst 9 --hashlimit-mode srcip -j ACCEPT",
			"0 syn 2 accept, 0.1 syn 2 accept, 0.5 syn 2 drop, 0.6 syn 1 drop"},
		{"a limit lets its burst through, and then one packet after another", "",
			"-A INPUT -m limit --limit 1/second --limit-burst 2 -j ACCEPT",
			"0 syn 22 accept, 0.1 syn 22 accept, 0.2 syn 22 drop, 1.3 syn 22 accept, 1.5 syn 22 drop"},
		{"a limit of nft does the same",
			"table ip one { chain c { " + input + " limit rate 1/second burst 2 packets accept } }", "",
			"0 syn 22 accept, 0.1 syn 22 accept, 0.2 syn 22 drop, 1.3 syn 22 accept, 1.5 syn 22 drop"},
		{"connlimit counts the connections that the rule has met, not all of the address", "",
			"-P INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -m connlimit --connlimit-above 1 -j DROP",
			"0 syn 1 accept, 0.1 syn 2 accept, 0.2 syn 22 accept, 0.3 syn 22 drop"},
		{"connlimit drops the packet that closes the last connection that counts", "",
			"-P INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -m connlimit --connlimit-above 1 -j DROP",
			"0 syn 22 accept, 0.1 < syn+ack 22 accept, 0.2 sameack 22 accept, 0.3 samerst 22 drop, 0.4 syn 22 accept"},
		{"connlimit adds a connection that it has not met, also one that conntrack knows", "",
			"-P INPUT ACCEPT\n-A INPUT -p tcp --dport 1 -m recent --name L --set\n-A INPUT -p tcp --dport 22 -m recent --name L --rcheck -m connlimit --connlimit-above 1 -j DROP",
			"0 syn 22 by 1 accept, 0.1 syn 1 by 2 accept, 0.2 syn 22 by 3 accept, 0.3 syn 22 by 1 drop"},
		{"connlimit does not add a connection that is assured", "",
			"-P INPUT ACCEPT\n-A INPUT -p tcp --dport 1 -m recent --name L --set\n-A INPUT -p tcp --dport 22 -m recent --name L --rcheck -m connlimit --connlimit-above 1 -j DROP",
			"0 syn 22 by 1 accept, 0.1 < syn+ack 22 by 1 accept, 0.2 ack 22 by 1 accept, 0.3 syn 1 by 2 accept, 0.4 syn 22 by 3 accept, 0.5 ack 22 by 1 accept"},
		{"connlimit checks its list up to the connection of the packet, if that is not assured", "",
			"-P INPUT ACCEPT\n-A INPUT -p tcp --dport 1 -m recent --name L --set\n-A INPUT -p tcp --dport 22 -m connlimit --connlimit-above 1 -m recent --name L --rcheck -j DROP",
			"0 syn 22 by 1 accept, 0.1 syn 22 by 2 accept, 0.2 < rst 22 by 2 accept, 0.3 syn 1 by 3 accept, 0.4 syn 22 by 1 drop"},
		{"connlimit counts a connection that is closed before it was assured", "",
			"-P INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -m connlimit --connlimit-above 1 -j DROP",
			"0 syn 22 by 1 accept, 0.1 < syn+ack 22 by 1 accept, 0.2 rst 22 by 1 accept, 0.3 syn 22 by 2 accept"},
		{"connlimit knows an invalid packet by its own direction, not by that of its connection", "",
			"-P INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -m connlimit --connlimit-above 1 -j DROP",
			"0 syn 22 by 1 accept, 0.1 rst 22 by 1 accept, 0.2 < ack 22 by 1 accept, 0.3 syn 22 by 1 accept, 0.4 syn 22 by 2 drop"},
		{"a full set takes no element: the rule does not match",
			"table ip one { set s { type ipv4_addr; flags dynamic; size 1; } chain c { " + input + " add @s { ip saddr } accept } }", "",
			"0 syn 22 accept, 0.1 syn 22 from 3 drop, 0.2 syn 22 accept"},
		{"an element that was deleted takes room until the kernel collects it",
			"table ip one { set s { type ipv4_addr; flags dynamic; size 1; } chain c { " + input + " tcp dport 2 delete @s { ip saddr } add @s { ip saddr } accept; tcp dport 1 add @s { ip saddr } accept } }", "",
			"0 syn 1 accept, 0.1 syn 2 drop, 2.6 syn 1 accept"},
		{"add does not extend the timeout of an element",
			"table ip one { " + lists + " chain c { " + input + " tcp dport 1 add @s { ip saddr timeout 1s }; tcp dport 2 ip saddr @s accept } }", "",
			"0 syn 1 drop, 0.6 syn 1 drop, 0.7 syn 2 accept, 1.3 syn 2 drop"},
		{"update extends the timeout of an element",
			"table ip one { " + lists + " chain c { " + input + " tcp dport 1 update @s { ip saddr timeout 1s }; tcp dport 2 ip saddr @s accept } }", "",
			"0 syn 1 drop, 0.6 syn 1 drop, 1.3 syn 2 accept, 1.8 syn 2 drop"},
		{"update gives no timeout to an element that has none",
			"table ip one { " + lists + " chain c { " + input + " tcp dport 1 add @s { ip saddr }; tcp dport 2 update @s { ip saddr timeout 1s }; tcp dport 3 ip saddr @s accept } }", "",
			"0 syn 1 drop, 0.1 syn 2 drop, 1.4 syn 3 accept"},
		{"delete of a missing element matches",
			"table ip one { " + lists + " chain c { " + input + " delete @s { ip saddr } accept } }", "",
			"0 syn 22 accept"},
		{"an element has the limit of the rule that made it, also where a rule only looks for it",
			"table ip one { set s { type ipv4_addr; flags dynamic; size 9; } chain c { " + input + " tcp dport 1 add @s { ip saddr limit rate 1/minute burst 2 packets } accept; tcp dport 2 add @s { ip saddr limit rate 9/second burst 9 packets } accept; tcp dport 3 ip saddr @s accept } }", "",
			"0 syn 1 accept, 0.1 syn 2 accept, 0.2 syn 2 drop, 0.3 syn 3 drop"},
		{"an element has the limit of its set",
			"table ip one { set s { type ipv4_addr; flags dynamic; size 9; limit rate 1/minute burst 2 packets; } chain c { " + input + " tcp dport 1 update @s { ip saddr } accept; tcp dport 3 ip saddr @s accept } }", "",
			"0 syn 1 accept, 0.1 syn 1 accept, 0.2 syn 1 drop, 0.3 syn 3 drop, 0.4 syn 1 from 3 accept"},
		{"an element has the limit of the rule that made it in place of that of its set",
			"table ip one { set s { type ipv4_addr; flags dynamic; size 9; limit rate 1/minute burst 1 packets; } chain c { " + input + " tcp dport 1 add @s { ip saddr limit rate 1/minute burst 3 packets } accept; tcp dport 3 ip saddr @s accept } }", "",
			"0 syn 1 accept, 0.1 syn 1 accept, 0.2 syn 3 accept, 0.3 syn 3 drop"},
		{"an element has the count of its set",
			"table ip one { set s { type ipv4_addr; flags dynamic; size 9; ct count over 1; } chain c { " + input + " add @s { ip saddr } drop; accept } }", "",
			"0 syn 22 accept, 0.1 syn 22 drop"},
		{"ct count without over matches up to the number",
			"table ip one { set s { type ipv4_addr; flags dynamic; size 9; } chain c { " + input + " add @s { ip saddr ct count 1 } accept } }", "",
			"0 syn 22 accept, 0.1 syn 22 drop"},
		{"behind goto a chain ends where its caller's would", "",
			"-N A\n-N B\n-A INPUT -p tcp --dport 1 -g A\n-A INPUT -p tcp --dport 2 -j A\n-A INPUT -j ACCEPT\n-A A -g B\n-A A -j ACCEPT\n-A B -p tcp --dport 9",
			"0 syn 1 drop, 0.1 syn 2 accept, 0.2 syn 3 accept"},
		{"a repeated SYN is new",
			"table ip one { chain c { " + input + " ct state new accept } }", "",
			"0 syn 22 accept, 0.1 same 22 accept"},
		{"a bare ACK is new, but in a connection without an answer it is invalid",
			"table ip one { chain c { " + input + " ct state new accept } }", "",
			"0 ack 22 accept, 0.1 syn 22 accept, 0.2 sameack 22 drop"},
		{"SYN and ACK, RST and FIN of an unknown connection are invalid",
			"table ip one { chain c { " + input + " ct state new accept } }", "",
			"0 syn+ack 22 drop, 0.1 rst 22 drop, 0.2 fin+ack 22 drop, 0.3 syn+fin 22 drop, 0.4 udp 22 accept"},
		{"a connection is established once there was an answer, and RST to a SYN ends it",
			"table ip one { chain c { " + input + " tcp dport 2 accept; ct state new tcp flags syn accept; ct state established tcp flags ack accept } }", "",
			"0 syn 22 accept, 0.1 < syn+ack 22 accept, 0.2 sameack 22 accept, 0.3 same 22 drop, 0.4 syn 22 accept, 0.5 < rst 22 accept, 0.6 same 22 accept"},
		{"a packet without a connection has no mark of one: negated or not", "",
			"-A INPUT -m connmark ! --mark 0x1 -j ACCEPT\n-A INPUT -m connmark --mark 0x0 -j ACCEPT",
			"0 syn 22 accept, 0.1 syn+ack 22 drop"},
		{"--restore-mark copies the mark of the connection to the packet", "",
			"-P INPUT ACCEPT\n-A INPUT -p tcp --dport 1 -j CONNMARK --set-mark 0x1\n-A INPUT -p tcp --dport 2 -j MARK --set-mark 0x1\n-A INPUT -j CONNMARK --restore-mark\n-A INPUT -m mark --mark 0x1 -j DROP",
			"0 syn 1 drop, 0.1 syn 2 accept"},
		{"the masks of --save-mark and --restore-mark leave the other bits", "",
			"-P INPUT ACCEPT\n-A INPUT -j MARK --set-mark 0x35\n-A INPUT -j CONNMARK --set-mark 0x2\n-A INPUT -p tcp --dport 1 -j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0xf0\n-A INPUT -p tcp --dport 2 -j CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf\n-A INPUT -p tcp --dport 1 -m connmark --mark 0x32 -j DROP\n-A INPUT -p tcp --dport 2 -m mark --mark 0x32 -j DROP",
			"0 syn 1 drop, 0.1 syn 2 drop, 0.2 syn 3 accept"},
		{"a packet without a connection has no mark to change bits of; it may be set",
			"table ip one { chain r { type filter hook prerouting priority -300; tcp dport 1-3 notrack } chain c { " + input + " tcp dport 1 ct mark set ct mark | 0x1 accept; tcp dport 2 ct mark set meta mark | 0x1 accept; tcp dport 3 meta mark set ct mark & 0x1 accept } }", "",
			"0 syn 1 drop, 0.1 syn 2 accept, 0.2 syn 3 drop"},
		{"bits of a mark are changed",
			"table ip one { chain p { type filter hook prerouting priority -150; tcp dport 1 meta mark set 0x10; meta mark set meta mark & 0xf3 | 0x3; ct mark set meta mark ^ 0x1; tcp dport 3 meta mark set ct mark & 0x2 } chain c { " + input + " tcp dport 1 meta mark 0x13 ct mark 0x12 accept; tcp dport 2 meta mark 0x3 ct mark 0x2 accept; tcp dport 3 meta mark 0x2 accept } }", "",
			"0 syn 1 accept, 0.1 syn 2 accept, 0.2 syn 3 accept, 0.3 syn 4 drop"},
		{"before conntrack every packet is invalid, and untracked behind notrack",
			"table ip one { chain r { type filter hook prerouting priority -300; ct state invalid meta mark set 0x1; tcp dport 2 notrack; tcp dport 2 ct state untracked meta mark set 0x2 } chain c { " + input + " meta mark 0x1 ct state new accept; meta mark 0x2 ct state untracked accept } }", "",
			"0 syn 1 accept, 0.1 syn 2 accept"},
		{"a nat chain is met at -100 whatever its priority",
			"table ip one { chain n { type nat hook prerouting priority 10; tcp dport 1 redirect to :2; } chain f { type filter hook prerouting priority -50; tcp dport 1 drop; } chain c { " + input + " tcp dport 2 accept } }", "",
			"0 syn 1 accept"},
		{"of nat chains only the first that redirects counts",
			"table ip one { chain n { type nat hook prerouting priority -100; tcp dport 1 redirect to :2; } chain o { type nat hook prerouting priority -90; tcp dport 2 redirect to :3; } chain c { " + input + " tcp dport 2 accept } }", "",
			"0 syn 1 accept, 0.1 syn 2 drop"},
		{"later packets of a redirected connection are redirected at -100 too",
			"table ip one { chain n { type nat hook prerouting priority -100; tcp dport 1 redirect to :2; } chain f { type filter hook prerouting priority -150; ct state established tcp dport 1 meta mark set 0x1; } chain c { " + input + " meta mark 0x1 accept; ct state new accept } }", "",
			"0 syn 1 accept, 0.1 < syn+ack 2 accept, 0.2 sameack 1 accept"},
		{"tcp flags ! syn is every packet without SYN; != is every other value",
			"table ip one { chain c { " + input + " tcp dport 1 tcp flags ! syn accept; tcp dport 2 tcp flags != syn accept } }", "",
			"0 ack 1 accept, 0.1 syn+ack 1 drop, 0.2 syn+ack 2 accept, 0.3 syn 2 drop"},
	}
}

// saved returns the rules of iptables as iptables-restore reads them.
func (b behaviour) saved() string {
	if b.iptables == "" {
		return ""
	}
	policy, rules := "DROP", b.iptables
	if rest, ok := strings.CutPrefix(rules, "-P INPUT ACCEPT\n"); ok {
		policy, rules = "ACCEPT", rest
	}
	chains := ""
	for strings.HasPrefix(rules, "-N ") {
		var line string
		line, rules, _ = strings.Cut(rules, "\n")
		chains += ":" + strings.TrimPrefix(line, "-N ") + " - [0:0]\n"
	}
	tool := "iptables"
	if b.v6() {
		tool = "ip6tables"
	}
	return "# Generated by " + tool + "-save\n*filter\n:INPUT " + policy + " [0:0]\n" + chains + rules + "\nCOMMIT\n"
}

// listed returns the rules of nft in lines, as nft wants them.
func (b behaviour) listed() string {
	body, ok := strings.CutSuffix(b.nft, " } }")
	if !ok {
		return ""
	}
	return strings.NewReplacer("; } chain ", "\n}\nchain ", " } chain ", "\n}\nchain ", "; ", "\n").Replace(body) + "\n}\n}\n"
}

// visit is a packet of a behaviour, and what is to become of it.
type visit struct {
	packet machine.Packet
	answer bool // sent by the host
	at     time.Duration
	want   machine.Verdict
}

// visits parses the packets.
func (b behaviour) visits(t *testing.T) (all []visit) {
	port, net := 40000, "10.9.0."
	if b.v6() {
		net = "fd09::"
	}
	for line := range strings.SplitSeq(b.packets, ", ") {
		words := strings.Fields(line)
		at, err := time.ParseDuration(words[0] + "s")
		if err != nil {
			t.Fatal(err)
		}
		v := visit{at: at, want: machine.Verdict(words[len(words)-1])}
		if v.answer = words[1] == "<"; v.answer {
			words = words[1:]
		}
		kind, again := strings.CutPrefix(words[1], "same")
		if kind == "" {
			kind = "syn"
		}
		if port += 1; again || v.answer {
			port--
		}
		v.packet = machine.Packet{Proto: machine.TCP, Src: netip.MustParseAddr(net + "2"), Dst: netip.MustParseAddr(net + "1"), SrcPort: port, In: "eth0"}
		fmt.Sscan(words[2], &v.packet.DstPort)
		switch words[3] {
		case "from":
			v.packet.Src = netip.MustParseAddr(net + words[4])
		case "by":
			fmt.Sscan(words[4], &v.packet.SrcPort)
		}
		for name := range strings.SplitSeq(kind, "+") {
			v.packet.Flags |= map[string]machine.Flags{"syn": machine.SYN, "ack": machine.ACK, "rst": machine.RST, "fin": machine.FIN}[name]
		}
		if kind == "udp" {
			v.packet.Proto = machine.UDP
		}
		if v.answer {
			v.packet.Src, v.packet.Dst, v.packet.SrcPort, v.packet.DstPort = v.packet.Dst, v.packet.Src, v.packet.DstPort, v.packet.SrcPort
			v.packet.In, v.packet.Out = "", "eth0"
		}
		all = append(all, v)
	}
	return all
}

// The machine does what the kernel does.
func TestMachine(t *testing.T) {
	for _, b := range behaviours() {
		t.Run(b.name, func(t *testing.T) {
			m := parse(t, b.saved()+b.listed()).NewMachine()
			m.Tracing = true
			for _, v := range b.visits(t) {
				play := m.Deliver
				if v.answer {
					play = m.Send
				}
				if r := play(v.packet, v.at); r.Verdict != v.want {
					t.Errorf("at %v, port %d: %s, want %s\n%v", v.at, v.packet.DstPort, r.Verdict, v.want, r.Trace)
				}
			}
		})
	}
}
