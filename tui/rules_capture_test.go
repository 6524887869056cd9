package tui

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"rapport/knock"
	"rapport/knock/knocktest"
	"rapport/tui/rules"
	"rapport/tui/ui"
)

// recording is a capture that a test makes.
type recording struct {
	t testing.TB
	bytes.Buffer
	*pcapgo.Writer
}

func record(t testing.TB) *recording {
	t.Helper()
	r := &recording{t: t}
	r.Writer = pcapgo.NewWriterNanos(&r.Buffer)
	if err := r.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	return r
}

// add records a SYN, or with ack the answer to one.
func (r *recording) add(at time.Time, from, to netip.AddrPort, seq uint32, ack bool, ttl uint8) {
	r.t.Helper()
	ip := layers.IPv4{Version: 4, TTL: ttl, Protocol: layers.IPProtocolTCP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
	tcp := layers.TCP{SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(to.Port()), Seq: seq, SYN: true}
	if ack {
		tcp.Seq, tcp.ACK, tcp.Ack = 9, true, seq+1
	}
	if err := tcp.SetNetworkLayerForChecksum(&ip); err != nil {
		r.t.Fatal(err)
	}
	link := layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, &link, &ip, &tcp); err != nil {
		r.t.Fatal(err)
	}
	n := len(b.Bytes())
	if err := r.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: n, Length: n}, b.Bytes()); err != nil {
		r.t.Fatal(err)
	}
}

// sent is a knock, or SSH as the sixth, that a client behind NAT sends.
type sent struct {
	after time.Duration // the beginning of the handshake
	delay time.Duration // on the way to the server; 0: it is lost
}

// capturedSides are captures of both sides: a handshake that opens SSH, one whose third
// knock is lost, one whose fourth knock is overtaken, and one that is too slow. The
// server's clock is 41 s ahead.
func capturedSides(t testing.TB) (client, server []byte) {
	t.Helper()
	const skew, ms = 41 * time.Second, time.Millisecond
	c, s := record(t), record(t)
	here, there := netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("203.0.113.7")
	outside := netip.MustParseAddr("198.51.100.77")
	five := knock.Derive(knock.HourOf(noon), knock.DefaultRange, knocktest.NewSecret(t, "f00b4r")).Ports()
	ports := append(slices.Clone(five[:]), 22)
	usual := func() (all [6]sent) {
		for k := range all {
			all[k] = sent{time.Duration(k) * 12 * ms, 8 * ms}
		}
		return all
	}
	opened, lost, overtaken, slow := usual(), usual(), usual(), usual()
	lost[2].delay = 0
	overtaken[3].delay = 29 * ms
	for k := 2; k < len(slow); k++ {
		slow[k].after += 6 * time.Second
	}
	for n, shake := range [][6]sent{opened, lost, overtaken, slow} {
		began := noon.Add(time.Duration(n-5) * time.Minute)
		for k, p := range shake {
			seq, source := uint32(100*n+k), uint16(40000+10*n+k)
			at, to := began.Add(p.after), netip.AddrPortFrom(there, ports[k])
			c.add(at, netip.AddrPortFrom(here, source), to, seq, false, 64)
			if p.delay == 0 {
				continue
			}
			arrived := at.Add(p.delay + skew)
			s.add(arrived, netip.AddrPortFrom(outside, source+9000), to, seq, false, 52)
			if n == 0 && k == knock.Knocks {
				s.add(arrived.Add(ms/5), to, netip.AddrPortFrom(outside, source+9000), seq, true, 64)
				c.add(at.Add(2*p.delay), to, netip.AddrPortFrom(here, source), seq, true, 52)
			}
		}
	}
	return c.Bytes(), s.Bytes()
}

// captureFiles writes captures of both sides, and what is none.
func captureFiles(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	client, server := capturedSides(t)
	r := record(t)
	r.add(noon, netip.MustParseAddrPort("192.168.1.5:40000"), netip.MustParseAddrPort("203.0.113.7:443"), 1, false, 64)
	for name, text := range map[string][]byte{
		"client.pcap": client, "server.cap": server, "cut.pcap": client[:len(client)-100], "other.pcap": r.Bytes(),
		"text.pcap": []byte("no capture at all"), "client.gz": {0x1f, 0x8b, 8, 0}, "notes.txt": []byte("nothing\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loading returns the Rules screen with files loaded one after the other.
func loading(t *testing.T, m *app, paths ...string) *app {
	t.Helper()
	for _, path := range paths {
		m = unfolded(t, tell(m, press("l"), tea.KeyMsg{Type: tea.KeyCtrlU}, paste(path)), enter)
	}
	return m
}

// Captures of both sides at every size, without colours, in colours, and in ASCII.
func TestCaptureGoldenScreens(t *testing.T) {
	now, dir := noon, captureFiles(t)
	both := loading(t, tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("c")),
		filepath.Join(dir, "client.pcap"), filepath.Join(dir, "server.cap"))
	for _, l := range looks {
		r := lipgloss.NewRenderer(io.Discard)
		r.SetColorProfile(l.profile)
		both.Theme = ui.NewTheme(r, l.ascii, ui.Dark)
		for _, s := range sizes {
			atSize(t, both, s, "rules-capture", l)
		}
	}
	fits(t, both)
}

// Each side alone, every handshake, masked ports, and the help.
func TestCaptureViews(t *testing.T) {
	dir := captureFiles(t)
	client, server := filepath.Join(dir, "client.pcap"), filepath.Join(dir, "server.cap")
	for _, tt := range []struct {
		name  string
		paths []string
		then  []tea.Msg
		want  []string
	}{
		{"client", []string{client}, []tea.Msg{home}, []string{"1st 10247", "left", "l other side", "got in", "1 of 4"}},
		{"server", []string{server}, nil, []string{"3rd", "never arrived", "phase 2", "2 of 4", "3rd knock never arrived", "fix: knock again"}},
		{"opened", []string{server, client}, []tea.Msg{home}, []string{"left arrived", "192.168.1.5 to 203.0.113.7", "phase 5", "got in", "arrives from 198.51.100.77", "+41.000 s"}},
		{"lost", []string{client, server}, nil, []string{"3rd 10357 24.0 ms ", "lost", "3rd knock left the client and never arrived"}},
		{"reordered", []string{client, server}, []tea.Msg{down}, []string{"reordered", "5th knock arrived before the 4th", "fix: leave more time"}},
		{"late", []string{client, server}, []tea.Msg{down, down}, []string{"late", "3rd knock came", "the window is 5s", "4 of 4"}},
		{"masked", []string{client, server}, []tea.Msg{press("m")}, []string{"3rd ***** 24.0 ms"}},
		{"help", []string{client, server}, []tea.Msg{press("?")}, []string{"it left and never arrived: lost", "choose a handshake"}},
		{"cut", []string{filepath.Join(dir, "cut.pcap")}, nil, []string{"was not read to its end"}},
		{"tcpdump", nil, nil, []string{"l loads captures too: rapport pcap --tcpdump myserver"}},
		{"forgotten", []string{client}, []tea.Msg{press("c")}, []string{"nothing yet"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := noon
			m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("c"))
			m = tell(loading(t, m, tt.paths...), tt.then...)
			shows(t, m, tt.want...)
			if view := m.View(); tt.name == "masked" && (strings.Contains(view, "10357") || strings.Contains(view, "10247")) {
				t.Errorf("a port shows:\n%s", view)
			}
		})
	}
}

// What cannot be shown is said in one line with what to do, and what was shown stays.
func TestCaptureErrors(t *testing.T) {
	dir := captureFiles(t)
	for _, tt := range []struct {
		file, want string
	}{
		{"text.pcap", "this is no capture: give a file that tcpdump -w or Wireshark wrote"},
		{"client.gz", "the capture is compressed: gunzip it first"},
		{"other.pcap", "no handshake is in there: rapport pcap --tcpdump myserver says how to record one"},
		{"none.pcap", "cannot read the capture"},
	} {
		now := noon
		m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("c"))
		shows(t, loading(t, m, filepath.Join(dir, tt.file)), "path", tt.want)
		if m.rules.Step != rules.Naming {
			t.Errorf("%s: the path cannot be changed", tt.file)
		}
	}
	now := noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("c"))
	m = loading(t, m, filepath.Join(dir, "client.pcap"))
	for file, want := range map[string]string{
		"notes.txt": "this is no capture", "none": "cannot read the capture", "client.pcap": "give that of the other side",
	} {
		m = loading(t, m, filepath.Join(dir, file))
		shows(t, m, "the capture of the other side", want)
		m = tell(m, esc)
		shows(t, m, "client.pcap", "2 of 4")
	}
	shows(t, loading(t, m, filepath.Join(dir, "server.cap")), "client.pcap", "server.cap", "lost")
}

// esc cancels the reading of a capture, and leaves what was shown before.
func TestCaptureCancels(t *testing.T) {
	dir, now := captureFiles(t), noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("c"))
	begin := func(name string) {
		m = tell(m, press("l"), paste(filepath.Join(dir, name)), enter)
		if m.rules.Job == nil {
			t.Fatalf("no job reads %s:\n%s", name, m.View())
		}
		m = tell(m, esc)
		if m.rules.Job != nil {
			t.Errorf("%s is read on", name)
		}
	}
	begin("client.pcap")
	shows(t, m, "the server's rules")
	m = loading(t, m, filepath.Join(dir, "client.pcap"))
	begin("server.cap")
	shows(t, m, "client.pcap", "cancelled", "2 of 4")
}
