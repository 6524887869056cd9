package pcap_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/knocktest"
	"rapport/knock/pcap"
)

// recording builds a capture.
type recording struct {
	t       testing.TB
	packets []recorded
}

type recorded struct {
	at   time.Time
	data []byte // from the IP header on
	out  bool
}

var (
	client4, server4 = netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("203.0.113.1")
	client6, server6 = netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("2001:db8:1::1")
	natted           = netip.MustParseAddr("198.51.100.77")
	begun            = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
)

const (
	flagSYN, flagRST, flagACK = 2, 4, 16
	ms                        = time.Millisecond
)

// tcp records a packet.
func (r *recording) tcp(at time.Duration, from, to netip.Addr, source, port uint16, seq, ack uint32, flags, ttl byte, out bool) {
	p := knocktest.AppendTCP(nil, knocktest.Packet{From: from, Port: port, SourcePort: source, Flags: flags}, to)
	tcp := 20
	if from.Is4() {
		p[8] = ttl
	} else {
		tcp, p[7] = 40, ttl
	}
	binary.BigEndian.PutUint32(p[tcp+4:], seq)
	binary.BigEndian.PutUint32(p[tcp+8:], ack)
	r.packets = append(r.packets, recorded{begun.Add(at), p, out})
}

// shake records a handshake and SSH with the answer to it, on the client.
func (r *recording) shake(ports []uint16, from, to netip.Addr) {
	for i, port := range append(slices.Clone(ports), 22) {
		r.tcp(time.Duration(i)*10*ms, from, to, 40000+uint16(i), port, uint32(100+i), 0, flagSYN, 64, true)
	}
	r.tcp(80*ms, to, from, 22, 40005, 9, 106, flagSYN|flagACK, 60, false)
}

// frame puts a link layer around a packet.
func (p recorded) frame(link layers.LinkType, vlan bool) []byte {
	kind := []byte{0x08, 0}
	if p.data[0]>>4 == 6 {
		kind = []byte{0x86, 0xdd}
	}
	way := byte(0)
	if p.out {
		way = 4
	}
	var head []byte
	switch link {
	case layers.LinkTypeEthernet:
		head = append(make([]byte, 12), kind...)
		if vlan {
			head = append(append(make([]byte, 12), 0x81, 0, 0, 7), kind...)
		}
	case layers.LinkTypeLinuxSLL:
		head = append([]byte{0, way, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0}, kind...)
	case 276: // SLL2
		head = append(slices.Clone(kind), 0, 0, 0, 0, 0, 2, 0, 1, way, 6, 1, 2, 3, 4, 5, 6, 0, 0)
	}
	return append(head, p.data...)
}

// write writes the capture in a format.
func (r *recording) write(link layers.LinkType, vlan, ng bool) []byte {
	r.t.Helper()
	var b bytes.Buffer
	var put func(gopacket.CaptureInfo, []byte) error
	end := func() error { return nil }
	if ng {
		w, err := pcapgo.NewNgWriter(&b, link)
		if err != nil {
			r.t.Fatal(err)
		}
		put, end = w.WritePacket, w.Flush
	} else {
		w := pcapgo.NewWriterNanos(&b)
		if err := w.WriteFileHeader(65535, link); err != nil {
			r.t.Fatal(err)
		}
		put = w.WritePacket
	}
	for _, p := range r.packets {
		f := p.frame(link, vlan)
		if err := put(gopacket.CaptureInfo{Timestamp: p.at, CaptureLength: len(f), Length: len(f)}, f); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := end(); err != nil {
		r.t.Fatal(err)
	}
	return b.Bytes()
}

func read(t testing.TB, data []byte) *pcap.Capture {
	t.Helper()
	c, err := pcap.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func options(t testing.TB) pcap.Options {
	return pcap.Options{Target: knock.Target{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, Addr: netip.AddrPortFrom(netip.Addr{}, 22), Window: 5 * time.Second}}
}

func analyze(t testing.TB, captures ...*pcap.Capture) pcap.Report {
	t.Helper()
	r, err := pcap.Analyze(context.Background(), captures, options(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ports(t testing.TB, offset int) []uint16 {
	o := options(t)
	p := knock.Derive(knock.HourOf(begun).Add(offset), o.Range, o.Secret).Ports()
	return p[:]
}

func codes(c arrivals.Client) (all []arrivals.Code) {
	for _, f := range c.Findings {
		all = append(all, f.Code)
	}
	return all
}

// TestLinks: each link layer and format, with IPv4 and IPv6.
func TestLinks(t *testing.T) {
	for _, link := range []struct {
		layers.LinkType
		vlan bool
	}{{layers.LinkTypeEthernet, false}, {layers.LinkTypeEthernet, true}, {layers.LinkTypeLinuxSLL, false}, {276, false}, {layers.LinkTypeRaw, false}} {
		for _, ng := range []bool{false, true} {
			for _, ends := range [][2]netip.Addr{{client4, server4}, {client6, server6}} {
				r := &recording{t: t}
				r.shake(ports(t, 0), ends[0], ends[1])
				got := analyze(t, read(t, r.write(link.LinkType, link.vlan, ng)))
				if len(got.Clients) != 1 || !got.Clients[0].In || got.Clients[0].Addr != ends[0] || got.Clients[0].Phase != 5 ||
					len(got.Notes) != 0 || got.Captures[0].Side != pcap.Client || !got.Right() {
					t.Errorf("link %v, vlan %v, ng %v, %v: %+v", link.LinkType, link.vlan, ng, ends, got)
				}
			}
		}
	}
}

// TestBothSides: a client behind NAT whose third knock is lost, on the wrong hour's
// sequence never; the server's clock is 41 s ahead.
func TestBothSides(t *testing.T) {
	const skew, delay = 41 * time.Second, 12 * ms
	c, s := &recording{t: t}, &recording{t: t}
	five := ports(t, 0)
	for i, port := range append(slices.Clone(five), 22) {
		at := time.Duration(i) * 10 * ms
		c.tcp(at, client4, server4, 40000+uint16(i), port, uint32(7000+i), 0, flagSYN, 64, true)
		if i != 2 {
			s.tcp(at+skew+delay, natted, server4, 61000+uint16(i), port, uint32(7000+i), 0, flagSYN, 52, false)
		}
	}
	// Something on the way resets the connection to SSH.
	c.tcp(55*ms, server4, client4, 22, 40005, 0, 7006, flagRST|flagACK, 61, false)
	for range 2 {
		s.tcp(90*ms+skew, natted, server4, 61099, 9, 1, 0, flagSYN, 52, false)
	}
	// An answer from the server shows how far the clocks are apart.
	c.tcp(90*ms-delay, client4, server4, 40099, 9, 1, 0, flagSYN, 64, true)
	s.tcp(90*ms+skew, server4, natted, 9, 61099, 0, 2, flagRST|flagACK, 64, true)
	c.tcp(90*ms+delay, server4, client4, 9, 40099, 0, 2, flagRST|flagACK, 52, false)

	for _, swap := range []bool{false, true} {
		one, two := read(t, c.write(layers.LinkTypeEthernet, false, false)), read(t, s.write(layers.LinkTypeEthernet, false, true))
		if swap {
			one, two = two, one
		}
		r := analyze(t, one, two)
		var text strings.Builder
		r.Print(&text)
		if len(r.Clients) != 1 {
			t.Fatalf("swapped %v: %s", swap, &text)
		}
		got := r.Clients[0]
		if got.Addr != client4 || !slices.Equal(codes(got), []arrivals.Code{arrivals.KnockLost}) || got.Findings[0].Knocks[0] != 3 {
			t.Errorf("swapped %v: %s", swap, &text)
		}
		if off := time.Duration(r.Clock.Offset); r.Clock.Uncertainty == nil || (off-skew).Abs() > time.Duration(*r.Clock.Uncertainty) || time.Duration(*r.Clock.Uncertainty) > 2*delay {
			t.Errorf("clock %+v", r.Clock)
		}
		if k := got.SSH[0]; !k.Between || k.Answer != arrivals.Refused {
			t.Errorf("the answer of SSH: %+v", k)
		}
		for _, words := range []string{"3rd knock left the client and never arrived", "from 198.51.100.77", "+41.0", "not by the server"} {
			if !strings.Contains(text.String(), words) {
				t.Errorf("no %q in\n%s", words, &text)
			}
		}
		if out, err := json.Marshal(r); err != nil || strings.Contains(string(out), "f00b4r") || !strings.Contains(string(out), `"code":"knock-lost"`) {
			t.Errorf("%v %s", err, out)
		}
	}
}

// TestOtherRange: a range that nobody would guess is solved for.
func TestOtherRange(t *testing.T) {
	odd, err := knock.NewRange(12345, 23456)
	if err != nil {
		t.Fatal(err)
	}
	five := knock.Derive(knock.HourOf(begun).Add(-2), odd, options(t).Secret).Ports()
	r := &recording{t: t}
	r.shake(five[:], client4, server4)
	got := analyze(t, read(t, r.write(layers.LinkTypeEthernet, false, false)))
	if len(got.Clients) != 1 || !slices.Equal(codes(got.Clients[0]), []arrivals.Code{arrivals.HourBehind, arrivals.RangeDiffers}) || got.Clients[0].Candidate.Range != odd {
		t.Errorf("%+v", got.Clients)
	}
}

// TestDamaged: a capture that ends anywhere is read as far as it goes, and says so in
// one line; what is no capture is refused.
func TestDamaged(t *testing.T) {
	r := &recording{t: t}
	r.shake(ports(t, 0), client4, server4)
	for _, ng := range []bool{false, true} {
		whole := r.write(layers.LinkTypeEthernet, false, ng)
		if !pcap.IsCapture(whole[:4]) {
			t.Errorf("ng %v: % x does not begin a capture", ng, whole[:4])
		}
		for n := 0; n < len(whole); n += 7 {
			c, err := pcap.Read(bytes.NewReader(whole[:n]))
			if err != nil {
				knocktest.Printable(t, err.Error())
				continue
			}
			if c.Cut != nil {
				knocktest.Printable(t, c.Cut.Error())
			}
			analyze(t, c)
		}
		c := read(t, whole[:len(whole)-10])
		if c.Cut == nil || !strings.Contains(analyze(t, c).Notes[0], "was not read to its end") {
			t.Errorf("ng %v: a cut capture is %+v", ng, c)
		}
	}
	for text, begins := range map[string]bool{"": false, "\x1f\x8b\x08": true, "hello, world, this is no capture at all": false} {
		if _, err := pcap.Read(strings.NewReader(text)); err == nil || pcap.IsCapture([]byte(text)) != begins {
			t.Errorf("%q is a capture: %v", text, err)
		}
	}
	if _, err := pcap.ReadFile(t.Context(), t.TempDir()+"/none"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
}

// TestNothing: without a handshake the report says how to record one.
func TestNothing(t *testing.T) {
	r := &recording{t: t}
	r.tcp(0, client4, server4, 40000, 443, 1, 0, flagSYN, 64, true)
	got := analyze(t, read(t, r.write(layers.LinkTypeEthernet, false, false)))
	var text strings.Builder
	got.Print(&text)
	if got.Found() || got.Others != 1 || strings.Count(text.String(), "tcpdump -i any") != 2 {
		t.Errorf("%s", &text)
	}
}

// FuzzRead: no input makes the reader panic or say anything unprintable.
func FuzzRead(f *testing.F) {
	r := &recording{t: f}
	r.shake(ports(f, 0), client4, server4)
	r.shake(ports(f, -1), client6, server6)
	for _, link := range []layers.LinkType{layers.LinkTypeEthernet, layers.LinkTypeLinuxSLL, 276, layers.LinkTypeRaw} {
		f.Add(r.write(link, false, false), r.write(link, false, true))
	}
	o := options(f)
	f.Fuzz(func(t *testing.T, one, two []byte) {
		var all []*pcap.Capture
		for _, data := range [][]byte{one, two} {
			c, err := pcap.Read(bytes.NewReader(data))
			if err != nil {
				knocktest.Printable(t, err.Error())
				return
			}
			all = append(all, c)
		}
		got, err := pcap.Analyze(context.Background(), all, o)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		got.Print(&text)
		for line := range strings.Lines(text.String()) {
			knocktest.Printable(t, strings.TrimSuffix(line, "\n"))
		}
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkRead reads a capture of a flood.
func BenchmarkRead(b *testing.B) {
	r := &recording{t: b}
	for i := range 100_000 {
		src := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		r.tcp(time.Duration(i)*100*time.Microsecond, src, server4, 1024, uint16(10000+i%1000), uint32(i), 0, flagSYN, 50, false)
	}
	data := r.write(layers.LinkTypeEthernet, false, false)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if got := analyze(b, read(b, data)); got.Captures[0].SYNs != 100_000 {
			b.Fatal(fmt.Sprint(got.Captures))
		}
	}
}

func TestMain(m *testing.M) { os.Exit(m.Run()) }
