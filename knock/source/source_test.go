package source_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/knocktest"
	"rapport/knock/report"
	"rapport/knock/source"
)

func TestParse(t *testing.T) {
	knocktest.Need(t)
	for s, want := range map[string]knock.Family{"127.0.0.1": knock.Family4, "::ffff:127.0.0.1": knock.Family4, "::1": knock.Family6, "lo": knock.FamilyAuto} {
		if got, err := source.Parse(s); err != nil || got.Family() != want || s != "::ffff:127.0.0.1" && got.String() != s {
			t.Errorf("%s: %v, family %s, %v", s, got, got.Family(), err)
		}
	}
	for _, s := range []string{"", "nosuch0", "10.0.0.0/8", "\x1b[31m"} {
		_, err := source.Parse(s)
		if err == nil {
			t.Errorf("%q is a source", s)
		}
		knocktest.OneLine(t, err)
	}
}

// knockFrom makes a handshake with the server at addr.
func knockFrom(t *testing.T, s *knocktest.Server, addr netip.Addr, from knock.Source) (knock.Report, error) {
	t.Helper()
	target := knock.Target{Host: "h", Addr: s.SSHAddr(addr), Range: s.Range, Secret: s.Secret}
	return (&knock.Client{Source: from}).Knock(t.Context(), target, knock.Options{Gaps: target.Gaps(2)}, nil)
}

// Where the routes send knocks and SSH from two addresses, the gate opens for the one and
// not for the other: a warning says so. From one source it opens.
func TestSourceKeepsKnocksAndSSHTogether(t *testing.T) {
	t.Parallel()
	for _, family := range []knock.Family{knock.Family4, knock.Family6} {
		t.Run("v"+string(family), func(t *testing.T) {
			t.Parallel()
			s := knocktest.NewServer(t, knocktest.Options{})
			addr, first := s.Addr4, s.Client4
			if family == knock.Family6 {
				addr, first = s.Addr6, s.Client6
			}
			second := s.SplitRoute(t, addr, knocktest.Within(s.Range))
			r, err := knockFrom(t, s, addr, nil)
			if err != nil || r.Opened {
				t.Fatalf("opened %v from two addresses, %v", r.Opened, err)
			}
			if w := report.RouteWarning(r); !strings.Contains(w, "SSH left from "+first.String()+", knocks from "+second.String()+"; ") {
				t.Errorf("warning: %q", w)
			}
			for _, from := range []netip.Addr{first, second} {
				r, err := knockFrom(t, s, addr, source.Source{Addr: from})
				if err != nil || !r.Opened || !slices.Equal(r.Sources(), []netip.Addr{from}) || report.RouteWarning(r) != "" {
					t.Errorf("from %s: opened %v from %v, %v", from, r.Opened, r.Sources(), err)
				}
			}
		})
	}
}

// An interface is used even where the routes say another; an address of the other family,
// or of another machine, is an error of one line.
func TestInterfaceAndWrongAddresses(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{})
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	link := ""
	for _, i := range all {
		addrs, _ := i.Addrs()
		if slices.ContainsFunc(addrs, func(a net.Addr) bool { return a.String() == s.Client4.String()+"/24" }) {
			link = i.Name
		}
	}
	if r, err := knockFrom(t, s, s.Addr4, source.Source{Interface: link}); err != nil || !r.Opened || r.From != s.Client4 {
		t.Errorf("by %s: opened %v from %s, %v", link, r.Opened, r.From, err)
	}
	s.Refresh(t, s.Hour.Start()) // shuts it again
	if r, _ := knockFrom(t, s, s.Addr4, source.Source{Interface: "lo"}); r.Opened {
		t.Error("opened by loopback")
	}
	for _, tt := range []struct {
		from source.Source
		want string
	}{
		{source.Source{Addr: s.Client6}, "are of two IP families"},
		{source.Source{Addr: netip.MustParseAddr("192.0.2.1")}, "from 192.0.2.1: bind: cannot assign requested address; it is no address of this machine"},
		{source.Source{Interface: "nosuch0"}, "from nosuch0: "},
	} {
		_, err := knockFrom(t, s, s.Addr4, tt.from)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("from %s: %v", tt.from, err)
		}
		knocktest.OneLine(t, err)
	}
}
