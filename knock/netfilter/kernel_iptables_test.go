//go:build linux

package netfilter_test

import (
	"fmt"
	"strconv"
	"strings"
)

// iptables returns the input of iptables-restore with random rules.
func (g *generator) iptables() string {
	var b strings.Builder
	if g.chance(20) {
		b.WriteString("*raw\n:PREROUTING ACCEPT [0:0]\n")
		for range 1 + g.IntN(2) {
			fmt.Fprintf(&b, "-A PREROUTING %s -j CT --notrack\n", g.matches(false))
		}
		b.WriteString("COMMIT\n")
	}
	if g.chance(30) {
		b.WriteString("*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n")
		for range 1 + g.IntN(3) {
			fmt.Fprintf(&b, "-A %s %s %s\n", pick(g, "PREROUTING", "INPUT"), g.matches(true), g.mangle())
		}
		b.WriteString("COMMIT\n")
	}
	if g.chance(25) {
		b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n")
		for range 1 + g.IntN(2) {
			fmt.Fprintf(&b, "-A PREROUTING -p tcp --dport %d %s -j REDIRECT --to-ports %d\n", pick(g, ports...), g.matchesOf(g.remembering), pick(g, ports...))
		}
		b.WriteString("COMMIT\n")
	}
	g.filter(&b)
	return b.String()
}

// filter writes the table filter: chains that call only those behind them.
func (g *generator) filter(b *strings.Builder) {
	g.inFilter = true // texts do not show in which order tables were made
	fmt.Fprintf(b, "*filter\n:INPUT %s [0:0]\n", pick(g, "ACCEPT", "DROP"))
	chains := []string{"INPUT", "ALPHA", "BETA", "GAMMA"}[:1+g.IntN(4)]
	for _, c := range chains[1:] {
		fmt.Fprintf(b, ":%s - [0:0]\n", c)
	}
	for i, c := range chains {
		g.called = i > 0
		for range 2 + g.IntN(5) {
			fmt.Fprintf(b, "-A %s %s%s\n", c, g.matches(true), g.target(chains[i+1:]))
		}
	}
	b.WriteString("COMMIT\n")
}

func (g *generator) target(chains []string) string {
	switch n := g.IntN(10); {
	case n < 3 && len(chains) > 0:
		return " " + pick(g, "-j", "-j", "-g") + " " + pick(g, chains...)
	case n < 5:
		return "" // counts, and changes lists
	case n == 5:
		return " " + g.mangle()
	}
	return " -j " + pick(g, "ACCEPT", "ACCEPT", "DROP", "RETURN", "REJECT")
}

func (g *generator) mangle() string {
	return pick(g, "-j MARK --set-mark 0x1", "-j MARK --set-xmark 0x2/0x3", "-j MARK --or-mark 0x4", "-j MARK --and-mark 0x1", "-j CONNMARK --set-mark 0x1", "-j CONNMARK --save-mark", "-j CONNMARK --restore-mark", "-j CONNMARK --save-mark --nfmask 0x1 --ctmask 0x2", "-j CONNMARK --restore-mark --nfmask 0x2 --ctmask 0x3")
}

// matches returns the conditions of a rule.
func (g *generator) matches(tracked bool) string {
	var all []string
	if g.chance(70) {
		all = append(all, g.protocol())
	}
	if g.chance(15) {
		all = append(all, g.address())
	}
	rest := g.matchesOf(g.remembering)
	if tracked && g.chance(25) {
		rest += " " + pick(g, "-m conntrack --ctstate NEW", "-m conntrack --ctstate RELATED,ESTABLISHED", "-m conntrack ! --ctstate NEW", "-m conntrack --ctstate INVALID", "-m state --state NEW,UNTRACKED", "-m connmark --mark 0x1", "-m connmark ! --mark 0x1/0x1")
	}
	return strings.Join(append(all, rest), " ")
}

// matchesOf returns up to two matches, often one.
func (g *generator) matchesOf(one func() string) string {
	switch g.IntN(6) {
	case 0, 1:
		return ""
	case 2:
		return one() + " " + one()
	}
	return one()
}

func (g *generator) protocol() string {
	port := strconv.Itoa(pick(g, ports...))
	switch g.IntN(10) {
	case 0:
		return "-p udp -m udp --dport " + port
	case 1:
		return "-p tcp --dport " + pick(g, "1000:1001", ":22", "1001:")
	case 2:
		return "-p tcp ! --dport " + port
	case 3:
		return "-p tcp -m multiport " + pick(g, "", "! ") + pick(g, "--dports 22,1000", "--ports 1000:1001,22", "--sports 40000:40010,1000")
	case 4:
		return "-p tcp " + pick(g, "--syn", "! --syn", "--tcp-flags SYN,ACK ACK", "--tcp-flags ALL SYN", "--tcp-flags ALL NONE", "! --tcp-flags SYN,RST SYN")
	case 5:
		return pick(g, "-p tcp", "! -p udp", "! -p tcp", "-p udp")
	}
	return "-p tcp -m tcp --dport " + port
}

func (g *generator) address() string {
	host, one, net, run := "10.9.0.1", "10.9.0.2", "10.9.0.0/24", "10.9.0.2-10.9.0.3"
	if g.v6 {
		host, one, net, run = "fd09::1", "fd09::2", "fd09::/112", "fd09::2-fd09::3"
	}
	return pick(g, "-s "+one, "! -s "+net, "-s "+net, "-d "+host, "-m iprange --src-range "+run, "-m iprange ! --src-range "+run,
		"-i eth0", "-i eth+", "-i lo", "! -i lo", "! -i eth0", "-m addrtype --dst-type LOCAL", "-m addrtype ! --dst-type LOCAL", "-m addrtype --dst-type MULTICAST")
}

// remembering returns a match that remembers packets, or reads a mark.
func (g *generator) remembering() string {
	switch n := g.IntN(10); {
	case n == 0:
		return fmt.Sprintf("-m limit --limit %s --limit-burst %d", pick(g, "1/second", "3/second", "30/minute"), 1+g.IntN(4))
	case n == 1:
		return g.hashlimit()
	case n == 2 && !g.called: // a packet must not meet it twice: it checks its list once in a jiffy
		return pick(g, "", "", "-m conntrack --ctstate NEW ") + "-m connlimit " + pick(g, "--connlimit-above 2", "--connlimit-upto 3", "--connlimit-above 3 --connlimit-mask 24")
	case n == 3:
		return "-m mark " + pick(g, "--mark 0x1", "! --mark 0x1", "--mark 0x2/0x2")
	}
	return g.recent()
}

func (g *generator) hashlimit() string {
	g.hashes++
	name := g.hashes
	if g.inFilter && g.chance(20) {
		name = 0 // the rate is that of the first rule
	}
	s := fmt.Sprintf("-m hashlimit --hashlimit-name h%d %s %s --hashlimit-burst %d --hashlimit-htable-expire 60000", name, pick(g, "--hashlimit-upto", "--hashlimit-above"),
		pick(g, "1/second", "2/second", "30/minute"), 2+g.IntN(4))
	if g.chance(80) {
		s += " --hashlimit-mode " + pick(g, "srcip", "srcip", "dstip", "srcip,dstport", "dstport", "srcip --hashlimit-srcmask 24")
	}
	if g.chance(30) {
		s += fmt.Sprintf(" --hashlimit-htable-size %d --hashlimit-htable-max %d", 1+g.IntN(2), 1+g.IntN(3))
	}
	return s
}

func (g *generator) recent() string {
	list := pick(g, "ONE", "ONE", "TWO", "THREE")
	if g.inFilter && g.chance(20) {
		list = "MASKED" // by the mask of the first rule
	}
	s := "-m recent --name " + list + " "
	if g.chance(15) {
		s += "! "
	}
	mode := pick(g, "--set", "--set", "--set", "--rcheck", "--rcheck", "--rcheck", "--update", "--update", "--remove")
	s += mode
	if mode == "--rcheck" || mode == "--update" {
		if g.chance(70) {
			s += " --seconds " + pick(g, "1", "2")
			if g.chance(20) {
				s += " --reap"
			}
		}
		if g.chance(35) {
			s += " --hitcount " + pick(g, "1", "2", "3", "5")
		}
	}
	if g.chance(10) {
		s += " --rdest"
	}
	if list == "MASKED" && g.chance(70) {
		s += " --mask " + map[bool]string{false: "255.255.255.0", true: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:0"}[g.v6]
	}
	return s
}
