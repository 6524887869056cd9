package knocktest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ports are the ports of services that everybody may use.
type ports struct{ tcp, udp portList }

// portList is written as iptables' multiport match wants it.
type portList []int

func (l portList) String() string {
	texts := make([]string, len(l))
	for i, p := range l {
		texts[i] = strconv.Itoa(p)
	}
	return strings.Join(texts, ",")
}

// OpenTCP lets everybody through to TCP ports of the server, before the gate
// sees the packets. No more than 15 can be open.
func (s *Server) OpenTCP(t testing.TB, list ...int) {
	t.Helper()
	s.openPorts(t, ports{tcp: list})
}

// openPorts opens ports, now and whenever the rules are made anew.
func (s *Server) openPorts(t testing.TB, more ports) {
	t.Helper()
	if err := s.gate("open", s.at, more); err != nil {
		t.Fatal(err)
	}
	s.open.tcp = slices.Concat(s.open.tcp, more.tcp)
	s.open.udp = slices.Concat(s.open.udp, more.udp)
}
