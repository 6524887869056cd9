package knocktest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Limit is how many SYNs of one address pass.
type Limit struct {
	Rate  string // as iptables writes it: "2/sec"
	Burst int    // that pass at once
	How   Refusal
}

// LimitSYNs limits the SYNs that each address sends to the server, in front of its
// other rules.
func (s *Server) LimitSYNs(t testing.TB, l Limit) { s.Host.limitSYNs(t, "INPUT", l) }

// LimitSYNs limits the SYNs that each address sends through the router.
func (r *Router) LimitSYNs(t testing.TB, l Limit) { r.Host.limitSYNs(t, "FORWARD", l) }

func (h *Host) limitSYNs(t testing.TB, chain string, l Limit) {
	t.Helper()
	h.rules(t, l.How, "-I "+chain+" -p tcp --syn -m hashlimit --hashlimit-above "+l.Rate+
		" --hashlimit-burst "+strconv.Itoa(l.Burst)+" --hashlimit-mode srcip --hashlimit-name syns -j")
}

// LimitConnections drops the SYNs of an address that has more connections through
// the router than most. One that nobody answers counts until forget is over.
func (r *Router) LimitConnections(t testing.TB, most int, forget time.Duration) {
	t.Helper()
	r.Run(t, "sh", "-c", fmt.Sprintf("echo %d > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent", forget/time.Second))
	r.rules(t, Drop, "-I FORWARD -p tcp --syn -m connlimit --connlimit-above "+strconv.Itoa(most)+" --connlimit-saddr -j")
}

// ProxySYNs makes the router answer every SYN itself, and open a connection to the
// server only when the client has acknowledged the answer.
func (r *Router) ProxySYNs(t testing.TB) {
	t.Helper()
	r.Run(t, "sh", "-c", "echo 0 > /proc/sys/net/netfilter/nf_conntrack_tcp_loose")
	for _, table := range tables {
		for _, rule := range []string{
			"-t raw -A PREROUTING -i eth0 -p tcp --syn -j CT --notrack",
			"-A FORWARD -i eth0 -p tcp -m state --state INVALID,UNTRACKED -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460",
			"-A FORWARD -m state --state INVALID -j DROP",
		} {
			r.Run(t, table, append([]string{"-w"}, strings.Fields(rule)...)...)
		}
	}
}

// Ban is what makes a server ignore an address, as fail2ban, psad and portsentry do.
type Ban struct {
	SYNs  int     // after so many in a minute; 0 is no limit
	Traps []int   // at the first packet to one of these TCP ports
	How   Refusal // what then happens to its packets
	Only  int     // the TCP port that the ban is for; all when 0
}

// BanScanners bans the addresses that do what b says, for a minute. Its rules stand
// in front of the others, and see connections that were made before.
func (s *Server) BanScanners(t testing.TB, b Ban) {
	t.Helper()
	what := ""
	if b.How != Drop {
		what = " -p tcp"
	}
	if b.Only > 0 {
		what = fmt.Sprintf(" -p tcp --dport %d", b.Only)
	}
	for _, trap := range b.Traps {
		s.rules(t, Drop, fmt.Sprintf("-I INPUT -p tcp --dport %d -m recent --name BANNED --set -j", trap))
	}
	if b.SYNs > 0 {
		s.rules(t, Drop, "-N scanners")
		s.rules(t, Drop, "-A scanners -m recent --name BANNED --set")
		s.rules(t, Drop, "-I INPUT -p tcp --syn -m recent --name SCANNERS --set")
		s.rules(t, Drop, fmt.Sprintf("-I INPUT -p tcp --syn -m recent --name SCANNERS --update --seconds 60 --hitcount %d -g scanners", b.SYNs))
	}
	s.rules(t, b.How, "-I INPUT"+what+" -m recent --name BANNED --rcheck --seconds 60 -j")
}

// Banned reports whether the server has banned anybody since LiftBan.
func (s *Server) Banned(t testing.TB) bool {
	t.Helper()
	return strings.Contains(s.Run(t, "cat", "/proc/net/xt_recent/BANNED"), "src=")
}

// LiftBan makes the server forget whom it banned, as the end of the ban does.
func (s *Server) LiftBan(t testing.TB) {
	t.Helper()
	s.Run(t, "sh", "-c", "echo / > /proc/net/xt_recent/BANNED; echo / > /proc/net/xt_recent/SCANNERS || true")
}

// rules adds a rule to both families. One that ends in -j gets the refusal as its
// target.
func (h *Host) rules(t testing.TB, how Refusal, rule string) {
	t.Helper()
	for i, verdict := range [...]string{refusals[how].v4, refusals[how].v6} {
		line := rule
		if strings.HasSuffix(rule, " -j") {
			line += " " + verdict
		}
		h.Run(t, tables[i], append([]string{"-w"}, strings.Fields(line)...)...)
	}
}

// AddRule adds a rule, in the words of iptables, to the host's rules of both families.
func (h *Host) AddRule(t testing.TB, rule string) {
	t.Helper()
	h.rules(t, Drop, rule)
}
