package trace_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"rapport/knock/gate/trace"
	"rapport/knock/netfilter/machine"
)

// What a rule does to packets for one address of the server is left open, unless that
// address is given, or makes no difference.
func TestDestinationIsLeftOpen(t *testing.T) {
	save, nft := rules(t, "article.save"), rules(t, "native.nft")
	const call, jump = "-A INPUT -j portknocking\n", "type filter hook input priority"
	before := func(rule string) string { return strings.Replace(save, call, rule+"\n"+call, 1) }
	own, other := "192.0.2.7", "192.0.2.8"
	for name, tt := range map[string]struct {
		text, line             string
		open, toOwn, toAnother machine.Truth
	}{
		"a knock is dropped":      {before("-A INPUT -d 192.0.2.7/32 -p tcp -m tcp --dport 10357 -j DROP"), "-A INPUT -d", machine.Unknown, machine.No, machine.Yes},
		"SSH is accepted":         {strings.Replace(save, "--dport 10858", "--dport 10859", 1) + "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT ! -d 192.0.2.7/32 -p tcp -j DROP\nCOMMIT\n", "-A INPUT ! -d", machine.No, machine.No, machine.No},
		"all to others is gone":   {before("-A INPUT ! -d 192.0.2.7/32 -j DROP"), "-A INPUT ! -d", machine.Unknown, machine.Yes, machine.No},
		"another port":            {before("-A INPUT -d 192.0.2.7/32 -p tcp -m tcp --dport 443 -j ACCEPT"), "", machine.Yes, machine.Yes, machine.Yes},
		"nft: a knock is dropped": {nft + "table inet other {\n\tchain input {\n\t\t" + jump + " -200; policy accept;\n\t\tip daddr 192.0.2.0/29 tcp dport 10357 drop\n\t}\n}\n", "ip daddr", machine.Unknown, machine.No, machine.Yes},
	} {
		t.Run(name, func(t *testing.T) {
			f := readRules(t, tt.text)
			for to, want := range map[string]machine.Truth{"": tt.open, own: tt.toOwn, other: tt.toAnother} {
				r := handshakeOf(time.Millisecond)
				if to != "" {
					if err := r.SetTo(to); err != nil {
						t.Fatal(err)
					}
				}
				got, err := trace.Run(f, r)
				if err != nil || got.Opens() != want {
					t.Errorf("to %q: %v, want %v, %v", to, got.Opens(), want, err)
				}
				if to == "" && want == machine.Unknown && (len(got.Unmodelled) == 0 || got.Unmodelled[0].Line != lineOf(t, tt.text, tt.line) || !strings.Contains(got.Unmodelled[0].Why, "--to")) {
					t.Errorf("the rule is not named: %+v", got.Unmodelled)
				}
			}
		})
	}
	if _, err := trace.Run(readRules(t, save), trace.Request{From: netip.MustParseAddr("192.0.2.9"), To: netip.MustParseAddr("2001:db8::1")}); err == nil {
		t.Error("from IPv4 to IPv6: no error")
	}
}

// A phase that depends on a rule which is not modelled is told with its doubt.
func TestPhaseInDoubt(t *testing.T) {
	text := rules(t, "article.save")
	const call = "-A INPUT -j portknocking"
	text = strings.Replace(text, call, "-A INPUT -p tcp -m tcp --dport 10357 -m ttl --ttl-lt 65 -j DROP\n"+call, 1)
	got, err := trace.Run(readRules(t, text), handshakeOf(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range got.Packets {
		if p.PhaseUnsure != (i >= 2) {
			t.Errorf("packet %d: phases %d -> %d, unsure %v", i+1, p.PhaseBefore, p.PhaseAfter, p.PhaseUnsure)
		}
	}
	var b strings.Builder
	got.Print(&b, false)
	if !strings.Contains(b.String(), "phase 1 -> 2  ") || !strings.Contains(b.String(), "phase 2 -> 3?  ") {
		t.Error(b.String())
	}
}
