//go:build linux

package netfilter_test

import (
	"fmt"
	"slices"
	"strings"
)

// nft returns a table of nft with random rules.
func (g *generator) nft(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n", name)
	kind := "ipv4_addr"
	if g.v6 {
		kind = "ipv6_addr"
	}
	size := fmt.Sprint(1 + g.IntN(3))
	for _, s := range []string{
		"timed { type " + kind + "; flags dynamic,timeout; timeout " + pick(g, "1s", "2s") + "; size 1000; }",
		"paired { type " + kind + " . inet_service; flags dynamic,timeout; timeout 2s; size 1000; }",
		"small { type " + kind + "; flags dynamic; size " + size + "; }",
		"limited { type " + kind + "; flags dynamic; size 1000; }",
		"mixed { type " + kind + "; flags dynamic,timeout; size 1000; }",
		"fixed { type " + kind + "; flags interval; elements = { " + g.net() + " } }",
		"wanted { type inet_service; elements = { 22, 1001 } }",
	} {
		b.WriteString("\tset " + s + "\n")
	}
	fmt.Fprintf(&b, "\tmap ways { type inet_service : verdict; elements = { 22 : accept, 1000 : drop, 1001 : jump beta, 1002 : goto beta } }\n")
	chains := []string{"alpha", "beta"}
	for i := 1; i >= 0; i-- {
		fmt.Fprintf(&b, "\tchain %s {\n", chains[i])
		g.nftRules(&b, 2+g.IntN(3), chains[i+1:])
		b.WriteString("\t}\n")
	}
	for i := range 1 + g.IntN(2) {
		fmt.Fprintf(&b, "\tchain input%d {\n\t\ttype filter hook input priority %d; policy %s;\n", i, pick(g, 0, 0, -10, 10), pick(g, "accept", "drop"))
		g.nftRules(&b, 3+g.IntN(5), chains)
		b.WriteString("\t}\n")
	}
	if g.chance(40) {
		priority := pick(g, -300, -150, 0)
		fmt.Fprintf(&b, "\tchain early {\n\t\ttype filter hook prerouting priority %d; policy accept;\n", priority)
		if priority == -300 && g.chance(50) {
			fmt.Fprintf(&b, "\t\ttcp dport %d %s counter notrack\n", pick(g, ports...), g.nftMatch())
		}
		g.nftRules(&b, 1+g.IntN(3), nil)
		b.WriteString("\t}\n")
	}
	if g.chance(25) {
		fmt.Fprintf(&b, "\tchain nat {\n\t\ttype nat hook prerouting priority %d; policy accept;\n", pick(g, -100, -110, 10))
		fmt.Fprintf(&b, "\t\ttcp dport %d %s counter redirect to :%d\n\t}\n", pick(g, ports...), g.nftMatch(), pick(g, ports...))
	}
	b.WriteString("}\n")
	return b.String()
}

func (g *generator) nftRules(b *strings.Builder, n int, chains []string) {
	for range n {
		b.WriteString("\t\t" + g.nftRule(chains) + "\n")
	}
}

func (g *generator) nftRule(chains []string) string {
	var parts []string
	if g.chance(70) {
		parts = append(parts, g.nftPort())
	}
	for range g.IntN(3) {
		match := g.nftMatch()
		if slices.Contains(parts, onlyTCP) && strings.HasSuffix(match, "@limited") {
			continue
		}
		parts = append(parts, match)
	}
	if len(chains) == 2 && g.chance(8) {
		return strings.Join(append(parts, pick(g, "tcp dport vmap @ways", "tcp dport vmap { 22 : accept, 1000-1001 : jump beta }", "ct state vmap { established : accept, invalid : drop, new : jump alpha }")), " ")
	}
	if g.chance(10) { // before the counter: it fails without a connection
		parts = append(parts, pick(g, "meta mark set 0x1", "meta mark set 0x2", "ct mark set 0x1", "ct mark set meta mark", "meta mark set ct mark", "meta mark set meta mark or 0x1", "ct mark set ct mark and 0x1", "meta mark set ct mark xor 0x3"))
	}
	parts = append(parts, "counter")
	switch n := g.IntN(10); {
	case n < 3 && len(chains) > 0:
		parts = append(parts, pick(g, "jump", "jump", "goto"), pick(g, chains...))
	case n < 6:
	default:
		parts = append(parts, pick(g, "accept", "accept", "drop", "return", "reject"))
	}
	return strings.Join(parts, " ")
}

// onlyTCP is not listed by nft if only conditions stand between it and a port of TCP.
// What is before it then matters for those that count packets, as in the set limited.
const onlyTCP = "meta l4proto tcp"

func (g *generator) nftPort() string {
	port := pick(g, ports...)
	switch g.IntN(8) {
	case 0:
		return fmt.Sprintf("udp dport %d", port)
	case 1:
		return pick(g, "tcp dport 1000-1001", "tcp dport { 22, 1000-1001 }", "tcp dport != { 22, 1000 }", "tcp dport > 1000", "tcp dport <= 22", "tcp dport @wanted", "tcp dport != @wanted")
	case 2:
		return pick(g, onlyTCP, "th dport 1000", "meta l4proto { tcp, udp }", "meta l4proto != udp")
	case 3:
		return pick(g, "tcp flags syn", "tcp flags & (fin | syn | rst | ack) == syn", "tcp flags & syn != 0", "tcp flags ! syn", "tcp flags syn / fin,syn,rst,ack", "tcp flags == ack", "tcp flags != syn", "tcp flags { syn, ack }", "tcp flags syn,ack")
	}
	return fmt.Sprintf("tcp dport %d", port)
}

func (g *generator) net() string {
	if g.v6 {
		return "fd09::/112"
	}
	return "10.9.0.0/24"
}

// nftMatch returns a condition or a statement that remembers.
func (g *generator) nftMatch() string {
	from, one, many := "ip saddr", "10.9.0.2", "{ 10.9.0.2, 10.9.1.0/24 }"
	if g.v6 {
		from, one, many = "ip6 saddr", "fd09::2", "{ fd09::2, fd09::1:0/112 }"
	}
	verb, not := pick(g, "add", "update", "update"), pick(g, "", "", "!= ")
	// Not ct count: when the kernel collects an element with its last connection decides
	// too much.
	switch g.IntN(16) {
	case 0:
		return pick(g, from+" "+one, from+" != "+one, from+" "+many, from+" != "+many, from+" "+not+"@fixed", from+" & "+map[bool]string{false: "255.255.0.255 == 10.9.0.2", true: "ffff::ffff == fd09::2"}[g.v6])
	case 1:
		return pick(g, "ct state new", "ct state != new", "ct state { established, related }", "ct state new,established", "ct state invalid", "ct state untracked", "ct mark 0x1", "ct mark != 0x1")
	case 2:
		return pick(g, "meta mark 0x1", "meta mark != 0x1", "meta mark & 0x2 == 0x2", `iifname "eth0"`, `iifname != "eth0"`, `iif "lo"`, "fib daddr type local", "meta nfproto ipv4")
	case 3:
		return fmt.Sprintf("limit rate %s%s burst %d packets", pick(g, "", "over "), pick(g, "1/second", "3/second", "30/minute"), 1+g.IntN(4))
	case 4:
		return fmt.Sprintf("%s @limited { %s limit rate %s%s burst %d packets }", pick(g, "add", "update"), from, pick(g, "", "over "), pick(g, "1/second", "30/minute"), 1+g.IntN(4))
	case 6:
		return verb + " @small { " + from + " }"
	case 7:
		return pick(g, "delete @timed { "+from+" }", "delete @small { "+from+" }", "delete @paired { "+from+" . tcp dport }")
	case 8:
		return fmt.Sprintf("%s @mixed { %s%s }", verb, from, pick(g, "", " timeout 1s", " timeout 2s"))
	case 9:
		return fmt.Sprintf("%s @paired { %s . %s%s }", verb, from, pick(g, "tcp dport", "1000", "1001", "22"), pick(g, "", " timeout 1s"))
	case 10:
		return from + " . tcp dport " + not + "@paired"
	case 11:
		return from + " " + not + "@" + pick(g, "small", "mixed", "limited")
	case 12, 13:
		return from + " " + not + "@timed"
	}
	return verb + " @timed { " + from + pick(g, "", "", " timeout 1s") + " }"
}
