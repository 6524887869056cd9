package dryrun_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/audit"
	"rapport/knock/gate/script"
	"rapport/knock/gate/script/dryrun"
	"rapport/knock/knocktest"
)

func TestMain(m *testing.M) { knocktest.Main(m) }

// at is the server's time, away from the hour change; graced is within the grace time.
var (
	at     = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	graced = time.Date(2026, 11, 22, 9, 0, 10, 0, time.UTC)
)

// plain is what a user gets without any option.
func plain(f script.Format) script.Rules {
	return script.Rules{
		Format: f, Host: "server", Range: knock.DefaultRange, SSHPort: 22, Window: knock.DefaultWindow,
		Grace: script.DefaultGrace, SweepGuard: script.DefaultSweepGuard, SecretPath: script.DefaultSecretPath,
	}
}

// options are changes of the plain rules.
var options = []struct {
	name   string
	now    time.Time
	change func(*script.Rules)
}{
	{"plain", at, func(*script.Rules) {}},
	{"one-shot, log", at, func(r *script.Rules) { r.OneShot, r.Log = true, true }},
	{"replay guard, in the grace time", graced, func(r *script.Rules) { r.ReplayGuard = 1 }},
	{"forward", at, func(r *script.Rules) {
		r.Forward = []script.Forward{
			{Port: 8080, To: netip.MustParseAddrPort("10.0.0.7:80")},
			{Port: 8080, To: netip.MustParseAddrPort("[fd00::7]:80")},
		}
	}},
	{"no sweep guard, other window", at, func(r *script.Rules) { r.SweepGuard, r.Window = 0, 9*time.Second }},
	{"a window of an hour", at, func(r *script.Rules) { r.Window = time.Hour }},
	{"no grace, ssh in the range", graced, func(r *script.Rules) { r.Grace = 0; r.Range, _ = knock.NewRange(10, 1009) }},
}

// each runs a test for both formats with all options, or in a short run with half of them.
func each(t *testing.T, test func(t *testing.T, r script.Rules, now time.Time)) {
	for _, f := range []script.Format{script.IPTables, script.NFT} {
		for i, o := range options {
			if i%2 > 0 && !knocktest.RunsLong() {
				continue
			}
			t.Run(string(f)+" "+o.name, func(t *testing.T) {
				r := plain(f)
				o.change(&r)
				test(t, r, o.now)
			})
		}
	}
}

// gates returns the gates in rules without what only their texts differ in.
func gates(t *testing.T, text string) []gate.Gate {
	t.Helper()
	f, err := gate.ReadRules(strings.NewReader(text))
	if err != nil || len(f.Other) > 0 {
		t.Fatalf("%v, %d other gates in\n%s", err, len(f.Other), text)
	}
	return f.Gates
}

// A kernel on which setup has run lists the same gate.
func TestSetupLoadsWhatAKernelHas(t *testing.T) {
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft", "md5sum")
	each(t, func(t *testing.T, r script.Rules, now time.Time) {
		t.Parallel()
		s := knocktest.NewServer(t, knocktest.Options{At: now, NoGate: true, NoSSHD: true})
		c := s.NewScript(t)
		r.SecretPath = c.SecretPath()
		text, err := r.Script()
		if err != nil {
			t.Fatal(err)
		}
		c.Install(t, text)
		c.Run(t, "setup")
		real := s.Run(t, "nft", "list", "ruleset")
		if r.Format == script.IPTables {
			real = s.Run(t, "iptables-save") + s.Run(t, "ip6tables-save")
		}
		dry, err := dryrun.Setup(t.Context(), r, s.Secret, now)
		if err != nil {
			t.Fatal(err)
		}
		want, got := gates(t, real), gates(t, dry)
		if len(want) != 2 || len(want[0].Ports) != knock.Knocks || want[0].SweepGuard != r.SweepGuard {
			t.Fatalf("no gates in\n%s", real)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(gate.Gate{})); diff != "" {
			t.Errorf("-kernel +dry run\n%s\n%s\n%s", diff, real, dry)
		}
	})
}

func TestCheckPassesWhatIsPrinted(t *testing.T) {
	each(t, func(t *testing.T, r script.Rules, now time.Time) {
		if err := dryrun.Check(t.Context(), r, now); err != nil {
			t.Error(err)
		}
	})
	for _, f := range []script.Format{script.IPTables, script.NFT} {
		r := plain(f)
		r.NoDrop = true
		if err := dryrun.Check(t.Context(), r, at); err != nil {
			t.Errorf("%s, no drop: %v", f, err)
		}
	}
}

// A hole that a template could have is found, and so is what the sandbox cannot run.
func TestCheckRefuses(t *testing.T) {
	for _, tt := range []struct {
		name     string
		format   script.Format
		old, new string
		refused  bool
		want     string
	}{
		{"SSH is not dropped", script.IPTables, "echo '-A portknock_ssh -j DROP'", ":", true, "at no-knock: SSH at port 22 opens without a knock: "},
		{"SSH is not dropped", script.NFT, "counter drop", "counter accept", true, "at no-knock: SSH at port 22 opens without a knock: "},
		{"IPv6 is left out", script.NFT, "families='4 6'", "families='4'", true, "1 of 2 families"},
		{"the last knock counts alone", script.IPTables, `*) echo "$rule $before -g portknock_into_phase$n" ;;`, `*) echo "$rule -g portknock_into_phase$n" ;;`, true, "at reordered: knocks 1 and 2 exchanged open SSH too"},
		{"wrong ports do not count", script.NFT, "!= @own goto wrong_$family", "!= @own return", true, "at sweep: a sweep of 10000-10999 opens SSH"},
		{"sessions end", script.NFT, "policy accept; }", "policy drop; }", true, ""},
		{"the tool refuses a rule", script.IPTables, "-j DROP'", "-j drop'", false, "setup of the script does not run here: iptables-restore: no chain for the rule -j drop"},
		{"a command is not known", script.NFT, "prepare() {", "prepare() {\n    curl -s example.org", false, "the script calls curl, which is not known here"},
		{"a file is written", script.NFT, "prepare() {", "prepare() {\n    echo x >/etc/passwd", false, "the script writes to /etc/passwd"},
		{"another program is started", script.NFT, "prepare() {", "prepare() {\n    exec sh", false, "the script calls exec"},
		{"setup ends early", script.NFT, "prepare() {", "prepare() {\n    die 'no reason'", false, "rapport-gate: no reason"},
		{"it is no script", script.NFT, "prepare() {", "prepare() { (", false, "setup of the script does not run here: "},
	} {
		t.Run(string(tt.format)+": "+tt.name, func(t *testing.T) {
			r := plain(tt.format)
			text, err := r.Script()
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(text, tt.old, tt.new, 1)
			if changed == text {
				t.Fatalf("the script does not hold %q", tt.old)
			}
			err = dryrun.CheckText(t.Context(), r, changed, at)
			if err == nil || errors.Is(err, dryrun.ErrRefused) != tt.refused || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("refused %v, %v", errors.Is(err, dryrun.ErrRefused), err)
			}
		})
	}
}

// A run ends with its context, also one that would not end.
func TestSetupEndsWithItsContext(t *testing.T) {
	r := plain(script.NFT)
	text, err := r.Script()
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
	err = dryrun.CheckText(ctx, r, strings.Replace(text, "prepare() {", "prepare() {\n    while :; do :; done", 1), at)
	if !errors.Is(err, why) {
		t.Error(err)
	}
}

// An audit of a printed script is one of the rules that it loads, with the secret that
// is known; a script that was changed is left as it is.
func TestLoaded(t *testing.T) {
	for _, f := range []script.Format{script.IPTables, script.NFT} {
		text, err := plain(f).Script()
		if err != nil {
			t.Fatal(err)
		}
		request := func(text string) audit.Request {
			found, err := gate.ReadRules(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			q, err := dryrun.Loaded(t.Context(), audit.Request{Findings: found, Secret: knocktest.NewSecret(t, "f00b4r"), Hour: knock.HourOf(at), Names: []string{"handshake"}})
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
		q := request(text)
		g, _ := q.Findings.Gate()
		want := knock.Derive(knock.HourOf(at), knock.DefaultRange, q.Secret).Ports()
		if got, ok := g.Sequence(); !ok || got != want || q.Findings.Kind != gate.FromScript || len(q.Names) != 1 {
			t.Errorf("%s: ports %v, want %v; %+v", f, got, want, q.Findings.Kind)
		}
		q = request(text + "# mine\n")
		if p := q.Findings.Printed; p == nil || p.Changed != strings.Count(text, "\n")+1 {
			t.Errorf("%s: a changed script: %+v", f, p)
		}
	}
}
