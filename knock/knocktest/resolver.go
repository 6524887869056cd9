package knocktest

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
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

// Constants of RFC 1035 and 3596.
const (
	typeA, typeAAAA = 1, 28
	classIN         = 1
	flagsAnswer     = 0x8580 // an answer, authoritative, recursion desired and available
	noSuchName      = 3
)

// answerDNS answers a query with one question, in the form of RFC 1035, section
// 4. It returns nil if the query is not valid.
func answerDNS(zone map[string][]netip.Addr, query []byte) []byte {
	const header = 12
	if len(query) < header || binary.BigEndian.Uint16(query[4:]) != 1 {
		return nil
	}
	var labels []string
	end := header
	for {
		if end >= len(query) || end+1+int(query[end]) > len(query) {
			return nil
		}
		n := int(query[end])
		end++
		if n == 0 {
			break
		}
		labels = append(labels, string(query[end:end+n]))
		end += n
	}
	if end+4 > len(query) {
		return nil
	}
	asked := binary.BigEndian.Uint16(query[end:])
	addrs, known := zone[strings.ToLower(strings.Join(labels, "."))]
	if known && len(addrs) == 0 {
		return nil
	}

	flags := uint16(flagsAnswer)
	if !known {
		flags |= noSuchName
	}
	var records []byte
	count := uint16(0)
	for _, a := range addrs {
		if a.Is4() && asked != typeA || a.Is6() && asked != typeAAAA {
			continue
		}
		count++
		records = binary.BigEndian.AppendUint16(records, 0xc000|header) // the name: as in the question
		records = binary.BigEndian.AppendUint16(records, asked)
		records = binary.BigEndian.AppendUint16(records, classIN)
		records = binary.BigEndian.AppendUint32(records, 60) // seconds to live
		records = binary.BigEndian.AppendUint16(records, uint16(a.BitLen()/8))
		records = append(records, a.AsSlice()...)
	}
	a := append([]byte(nil), query[:2]...)
	for _, word := range []uint16{flags, 1, count, 0, 0} { // one question, count answers, nothing else
		a = binary.BigEndian.AppendUint16(a, word)
	}
	a = append(a, query[header:end+4]...)
	return append(a, records...)
}
