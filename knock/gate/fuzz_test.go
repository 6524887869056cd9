package gate_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
)

// prints fails if a text, which may have several lines, has what a terminal
// would act on.
func prints(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) && c != '\n' && c != '\t' }) {
		t.Errorf("%q does not print", s)
	}
}

// FuzzFlagValues: what is taken for five ports, a fault or a forward is one,
// and reads the same again; what is not is refused in one line.
func FuzzFlagValues(f *testing.F) {
	for _, s := range []string{
		"10247,10363,10357,10858,10938", "1 2\t3\n4\u00a05", "0,1,2,3,4", "clock=+3h", "clock=-9223372036854775808ns", "range=10000-11000", "sshd=down", "drop=3",
		"8080=10.0.0.7:80", "8080=[fd00::7]:80", "8080=[fe80::1%$(x)]:80", "8080=[::ffff:10.0.0.7]:80", "\x1b[2J=\u202e",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ports, err := solve.ParsePorts(s); err != nil {
			prints(t, err.Error())
		} else if again, err := solve.ParsePorts(strings.Trim(fmt.Sprint(ports), "[]")); again != ports || err != nil {
			t.Errorf("ports %q are %v", s, ports)
		}
		faults, err := gate.ParseFault(s)
		if err != nil {
			prints(t, err.Error())
		}
		var again gate.Faults
		for _, fault := range faults.List() {
			if err := again.Set(fault); err != nil {
				t.Errorf("fault %q of %q: %v", fault, s, err)
			}
		}
		if again != faults {
			t.Errorf("fault %q is %v, and again %v", s, faults, again)
		}
		forward, err := gate.ParseForward(s)
		if err != nil {
			prints(t, err.Error())
		} else if again, err := gate.ParseForward(fmt.Sprintf("%d=%v", forward.Port, forward.To)); again != forward || err != nil {
			t.Errorf("forward %q is %v", s, forward)
		}
	})
}

// FuzzRules: a server's script is made of what fits into one, and whatever the
// words that go into it, each stays within its comment or its quotes.
func FuzzRules(f *testing.F) {
	f.Add("myserver", "/etc/rapport/secret", "8080=10.0.0.7:80", "f00b4r", 0)
	f.Add("$(id)", "/etc/it's here", "8080=[fd00::7]:80", "'\"$(id)`", 3)
	f.Add("h", "/a", "80=[fe80::1%\x1b[2J]:80", "", 3)
	f.Add("h\nid", "/a\nid", "80=[fe80::1%;id]:80", "", 21)
	f.Fuzz(func(t *testing.T, host, path, forward, secret string, guard int) {
		r := gate.Rules{Format: gate.NFT, Host: host, Range: knock.DefaultRange, SSHPort: 22, Window: 5 * time.Second, ReplayGuard: guard, SecretPath: path}
		if guard%2 == 0 {
			r.Format = gate.IPTables
		}
		if fw, err := gate.ParseForward(forward); err == nil {
			r.Forward = []gate.Forward{fw}
		}
		if s, err := knock.ParseSecret(secret); err == nil {
			r.Embed, r.Secret = true, s
		}
		text, err := r.Script()
		if err != nil {
			prints(t, err.Error())
			return
		}
		plain := r
		plain.Host, plain.SecretPath = "myserver", "/etc/rapport/secret"
		if r.Embed {
			plain.Secret, _ = knock.ParseSecret("f00b4r")
		}
		want, err := plain.Script()
		if err != nil {
			t.Fatal(err)
		}
		quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
		want = strings.NewReplacer("gate for myserver,", "gate for "+host+",", "'/etc/rapport/secret'", quote(path), "'f00b4r'", quote(r.Secret.Reveal())).Replace(want)
		if text != want || strings.Contains(host, "\n") {
			t.Errorf("got\n%s\nwant\n%s", text, want)
		}
	})
}

// FuzzInspect: whatever rules are pasted, an inspection ends, and what it says
// can be shown.
func FuzzInspect(f *testing.F) {
	for _, name := range []string{"article.save", "other_names.save", "native.nft"} {
		f.Add([]byte(rules(f, name)))
	}
	f.Add([]byte("-A x -p tcp --dport 1 -m recent --name \x1b[31m --set\n"))
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		f.Fatal(err)
	}
	hour := knock.HourOf(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := gate.ReadRules(strings.NewReader(string(text)))
		if err != nil {
			prints(t, err.Error())
			return
		}
		p := solve.Puzzle{Secret: secret, Range: knock.DefaultRange, Hour: hour, Past: 1, Future: 1}
		i, err := gate.Inspect(context.Background(), found, p, gate.Known{SSHPort: 22})
		if err != nil {
			prints(t, err.Error())
			return
		}
		for _, s := range append(i.Differs, fmt.Sprint(i.Gate)) {
			prints(t, s)
		}
		for _, p := range i.Problems {
			prints(t, p.Code+p.Summary+p.Fix)
		}
		if m := i.Match(); m != nil && (!m.Range.IsValid() || m.HourOffset < -1 || m.HourOffset > 1) {
			t.Errorf("match %+v", m)
		}
	})
}

// FuzzWatch: what is read of the kernel's tables is addresses and ports that
// were asked for, and nothing that cannot be shown.
func FuzzWatch(f *testing.F) {
	f.Add("src=127.0.0.1 ttl: 64 last_seen: 4297704633 oldest_pkt: 2 4297704630, 4297704633\nsrc=fe80::1%\x1b[2J ttl: 64 last_seen: 1 oldest_pkt: 1 1")
	f.Add("   1: 0100000A:0016 0200000A:C36E 01 00000000:00000000\n 5: 0000000000000000000000000100000A:0016 B80D01200000000000000000070000F0:C371 08")
	f.Add("ipv4     2 tcp      6 119 TIME_WAIT src=10.0.0.2 dst=10.0.0.1 sport=50030 dport=22 src=10.0.0.1 dst=10.0.0.2 sport=22 dport=50030")
	f.Fuzz(func(t *testing.T, text string) {
		var addrs []netip.Addr
		for _, e := range gate.ReadRecent(strings.NewReader(text)) {
			addrs = append(addrs, e.Addr)
		}
		sockets, listening := gate.ReadSockets(strings.NewReader(text), []int{22})
		for _, port := range listening {
			if port != 22 {
				t.Errorf("%q has a listener on port %d", text, port)
			}
		}
		for _, c := range append(sockets, gate.ReadConntrack(strings.NewReader(text), []int{22}, []netip.Addr{netip.MustParseAddr("10.0.0.1")})...) {
			addrs = append(addrs, c.Client.Addr())
			if c.Port != 22 {
				t.Errorf("%q has a connection to port %d", text, c.Port)
			}
		}
		for _, a := range addrs {
			prints(t, a.String())
			if !a.IsValid() {
				t.Errorf("%q has no address", text)
			}
		}
	})
}
