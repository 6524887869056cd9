package knocktest

import (
	"cmp"
	"context"
	"crypto/md5"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Phases is a gate that is not the article's. Zero values are the article's.
type Phases struct {
	Knocks   int        // how many
	Order    []int      // of the knocks, from 1
	Protocol string     // of the knocks, "udp"
	SSHPort  int        // that it opens
	Forward  netip.Addr // the host of an inner network that it forwards SSH to
	Front    []string   // rules that stand in front of it, in the words of iptables
}

// ServePhases sets up the gate on a server that is Shut in both families.
func (s *Server) ServePhases(t testing.TB, p Phases) {
	t.Helper()
	p.Knocks = cmp.Or(p.Knocks, 5)
	protocol, ssh := cmp.Or(p.Protocol, "tcp"), cmp.Or(p.SSHPort, s.SSHPort)
	ports := s.manyPorts(p.Knocks)
	window := s.Window / time.Second
	s.AddRule(t, "-N phases")
	for k := 1; k <= p.Knocks; k++ {
		port, after := ports[k-1], ""
		if p.Order != nil {
			port = ports[p.Order[k-1]-1]
		}
		s.AddRule(t, fmt.Sprintf("-N into_phase%d", k))
		if k > 1 {
			after = fmt.Sprintf(" -m recent --rcheck --name PHASE%d --seconds %d", k-1, window)
			s.AddRule(t, fmt.Sprintf("-A into_phase%d -m recent --name PHASE%d --remove", k, k-1))
		}
		s.AddRule(t, fmt.Sprintf("-A into_phase%d -m recent --name PHASE%d --set", k, k))
		s.AddRule(t, fmt.Sprintf("-A phases -p %s --dport %d -m state --state NEW%s -j into_phase%d", protocol, port, after, k))
	}
	open := fmt.Sprintf(" -p tcp --dport %d -m state --state NEW -m recent --rcheck --name PHASE%d --seconds %d -j ", ssh, p.Knocks, window)
	if p.Forward.IsValid() {
		s.Run(t, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
		s.Run(t, "sh", "-c", "iptables -w -t nat -A PREROUTING"+open+"DNAT --to-destination "+p.Forward.String())
	} else {
		s.AddRule(t, "-A phases"+open+"ACCEPT")
	}
	s.AddRule(t, "-I INPUT -j phases")
	for _, rule := range p.Front {
		s.AddRule(t, "-I INPUT "+rule)
	}
}

// manyPorts are the first n ports of the server's hour, by the article's formula.
func (s *Server) manyPorts(n int) (ports []int) {
	sum := md5.Sum([]byte(s.Hour.String() + "-" + s.Secret.Reveal() + "\n"))
	size := big.NewInt(int64(s.Range.Size()))
	for num := new(big.Int).SetBytes(sum[:]); len(ports) < n; {
		var port big.Int
		num.DivMod(num, size, &port)
		ports = append(ports, int(port.Int64())+s.Range.Bottom())
	}
	return ports
}

// ServePort serves a TCP port of the server to everybody. The gate sees the packets
// to it too, unless first is set: then a rule in front of the gate accepts them.
func (s *Server) ServePort(t testing.TB, port int, first bool, handle func(net.Conn)) {
	t.Helper()
	serve(t, s.listen(t, port), handle)
	rule := "-A portknocking"
	if first {
		rule = "-I INPUT"
	}
	s.AddRule(t, fmt.Sprintf("%s -p tcp --dport %d -j ACCEPT", rule, port))
}

// RefusePort makes the server refuse one TCP port. The gate sees the packets to it
// too, unless first is set.
func (s *Server) RefusePort(t testing.TB, port int, first bool, how Refusal) {
	t.Helper()
	rule := "-A portknocking"
	if first {
		rule = "-I INPUT"
	}
	s.rules(t, how, fmt.Sprintf("%s -p tcp --dport %d -j", rule, port))
}

// SayAfter returns a service that says the text after a while, and then reads until
// the client hangs up.
func SayAfter(d time.Duration, text string) func(net.Conn) {
	return func(c net.Conn) {
		time.Sleep(d)
		Say(text)(c)
		Hold(c)
	}
}

// ForgetPhases makes the article's gate, or that of [Phases], forget who knocked, as
// the end of the window does. It reports false where the gate is another, or its
// lists cannot be written.
func (s *Server) ForgetPhases() bool {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	out, err := try(s.Command(ctx, "sh", "-c", `
for list in /proc/net/xt_recent/PK_PHASE* /proc/net/xt_recent/PHASE*; do
	if test -e "$list"; then echo / > "$list" && found=yes; fi
done
echo "$found"`))
	return err == nil && strings.TrimSpace(out) == "yes"
}
