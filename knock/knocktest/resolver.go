package knocktest

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// NewResolver returns a resolver that asks a name server on loopback, which
// knows the names given, as in "server.example.org", and ends with the test.
// A name has the addresses of its list, of one family or both. For a name with an
// empty list there is no answer, as if the name server were down; other names do
// not exist. It needs no namespace.
func NewResolver(t testing.TB, names map[string][]netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	zone := map[string][]netip.Addr{}
	for name, addrs := range names {
		zone[strings.ToLower(strings.TrimSuffix(name, "."))] = addrs
	}
	answerUDP(t, conn, func(query []byte) []byte { return answerDNS(zone, query) })
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
		},
	}
}

// answerDNS answers a query with one question, nil if the query is not valid.
func answerDNS(zone map[string][]netip.Addr, query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	addrs, known := zone[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]
	if known && len(addrs) == 0 {
		return nil
	}
	m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, true, true, nil
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addrs {
		record := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			record.Body = &dnsmessage.AResource{A: a.As4()}
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			record.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			continue
		}
		m.Answers = append(m.Answers, record)
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}
