package knocktest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ports are the ports of services that everybody may use.
type ports struct{ tcp, udp portList }

// portList is a list of ports. Its String is for iptables' multiport match.
type portList []int

func (l portList) String() string {
	texts := make([]string, len(l))
	for i, p := range l {
		texts[i] = strconv.Itoa(p)
	}
	return strings.Join(texts, ",")
}

// OpenTCP opens TCP ports of the server to everybody, before the gate's rules. At
// most 15 can be open.
func (s *Server) OpenTCP(t testing.TB, list ...int) {
	t.Helper()
	s.openPorts(t, ports{tcp: list})
}

// openPorts opens ports, now and at each refresh.
func (s *Server) openPorts(t testing.TB, more ports) {
	t.Helper()
	if err := s.gate("open", s.at, more); err != nil {
		t.Fatal(err)
	}
	s.open.tcp = slices.Concat(s.open.tcp, more.tcp)
	s.open.udp = slices.Concat(s.open.udp, more.udp)
}
