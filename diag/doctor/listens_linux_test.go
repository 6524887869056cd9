package doctor

import (
	"net"
	"net/netip"
	"testing"
)

func TestNothingListens(t *testing.T) {
	for _, tt := range []struct {
		network, at, asked string
		nothing            bool
	}{
		{"tcp4", "127.0.0.1", "127.0.0.1", false},
		{"tcp4", "127.0.0.1", "127.0.0.2", true},
		{"tcp4", "0.0.0.0", "127.0.0.1", false},
		{"tcp4", "0.0.0.0", "::1", true},
		{"tcp6", "::1", "::1", false},
		{"tcp6", "::1", "127.0.0.1", true},
		{"tcp6", "::", "::1", false},
		{"tcp", "::", "127.0.0.1", false},
	} {
		l, err := net.Listen(tt.network, net.JoinHostPort(tt.at, "0"))
		if err != nil {
			t.Fatal(err)
		}
		asked := netip.AddrPortFrom(netip.MustParseAddr(tt.asked), l.Addr().(*net.TCPAddr).AddrPort().Port())
		if got := nothingListens(asked); got != tt.nothing {
			t.Errorf("listening at %v, nothing at %v: %v", l.Addr(), asked, got)
		}
		l.Close()
		if !nothingListens(asked) {
			t.Errorf("nothing listens any more, and something at %v", asked)
		}
	}
}

func TestListensInWhatIsNotUnderstood(t *testing.T) {
	const titles = "  sl  local_address rem_address   st\n"
	at := netip.MustParseAddrPort("192.0.2.1:22")
	for rows, want := range map[string]bool{
		"": false,
		"   0: 010200C0:0016 00000000:0000 01 rest\n": false, // established
		"   0: xyz:0016 00000000:0000 0A rest\n":      true,
		"   0: 010200C0:0016\n":                       true,
	} {
		if got := listensIn(titles+rows, at); got != want {
			t.Errorf("%q: %v", rows, got)
		}
	}
}
