package trace_test

import (
	"net/netip"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/gate/trace"
)

// Whom rules shut out: by single addresses, networks, sets and lists of whom they let in.
func TestWhoIsShutOut(t *testing.T) {
	article := rules(t, "article.save")
	in := func(rules ...string) string {
		return strings.Replace(article, "-A INPUT", strings.Join(rules, "\n")+"\n-A INPUT", 1)
	}
	for _, tt := range []struct {
		name    string
		text    string
		from    string
		shut    string // Shut.Named
		most    bool
		network bool // the neighbours of from are shut out too
		by      string
	}{
		{"nobody", article, "203.0.113.9", "", false, false, ""},
		{"one address", in("-A INPUT -s 203.0.113.9/32 -p tcp -m tcp --dport 22 -j DROP"), "203.0.113.9", "203.0.113.9/32", false, false, "-s 203.0.113.9/32"},
		{"an address next to others", in("-A INPUT -s 203.0.113.9/32 -j DROP", "-A INPUT -s 203.0.113.8/32 -j DROP", "-A INPUT -s 203.0.113.11/32 -j DROP"), "203.0.113.9", "203.0.113.9/32 203.0.113.8/32 203.0.113.11/32", false, false, "-s 203.0.113.9/32"},
		{"a network", in("-A INPUT -s 203.0.113.0/24 -j DROP"), "203.0.113.9", "203.0.113.0/24", false, true, "-s 203.0.113.0/24"},
		{"all but a network", in("-A INPUT ! -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -j DROP"), "203.0.113.9", "", true, true, "! -s 198.51.100.0/24"},
		{"a list of networks that leads to the gate", in("-N LIST", "-A LIST -s 198.51.100.0/24 -j RETURN", "-A LIST -j DROP", "-A INPUT -p tcp -m tcp --dport 22 -j LIST"), "203.0.113.9", "", true, true, "-s 198.51.100.0/24"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := readRules(t, tt.text)
			r := trace.Request{Family: knock.Family4}
			all, err := trace.Anyone(f, r)
			if err != nil || !all.Opened {
				t.Fatalf("%v, opened %v", err, all.Opened)
			}
			var named []string
			s := trace.ShutOut(f, r)
			for _, p := range s.Named {
				named = append(named, p.String())
			}
			if got := strings.Join(named, " "); got != tt.shut || s.Most != tt.most || s.More {
				t.Errorf("shut out %q, most %v, more %v", got, s.Most, s.More)
			}
			plays := func(a netip.Addr) trace.Trace {
				r.From = a
				played, err := trace.Run(f, r)
				if err != nil {
					t.Fatal(err)
				}
				return played
			}
			from := netip.MustParseAddr(tt.from)
			here, near := plays(from), 0
			for _, a := range trace.Neighbours(from) {
				if plays(a).Opened {
					near++
				}
			}
			if (near == 0) != tt.network || here.Opened != (tt.by == "") {
				t.Errorf("%d neighbours get in, opened %v", near, here.Opened)
			}
			if i, h := here.Parts(all); i >= 0 != (tt.by != "") || h != nil && !strings.Contains(h.Text, tt.by) {
				t.Errorf("packet %d, rule %+v", i, h)
			}
		})
	}
}

// Some firewalls ban thousands.
func TestManyAreShutOut(t *testing.T) {
	var bans strings.Builder
	for i := range 300 {
		bans.WriteString("-A INPUT -s " + netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String() + " -j DROP\n")
	}
	f := readRules(t, strings.Replace(rules(t, "article.save"), "-A INPUT", bans.String()+"-A INPUT", 1))
	s := trace.ShutOut(f, trace.Request{Family: knock.Family4})
	if len(s.Named) == 0 || !s.More || s.Most {
		t.Errorf("%d named, more %v, most %v", len(s.Named), s.More, s.Most)
	}
	if got := s.Names(); got != "203.0.113.0, 203.0.113.1, 203.0.113.2, 203.0.113.3, others" {
		t.Errorf("they are %s", got)
	}
}
