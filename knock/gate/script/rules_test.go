package script_test

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// plain is what a user gets without any flag.
func plain(f script.Format) script.Rules {
	return script.Rules{
		Format: f, Host: "server", Range: knock.DefaultRange, SSHPort: 22, Window: 5 * time.Second,
		Grace: script.DefaultGrace, SweepGuard: script.DefaultSweepGuard, SecretPath: script.DefaultSecretPath,
	}
}

// variants are scripts without any option, with one, with two, and with all.
func variants(t *testing.T) (all []script.Rules) {
	odd, err := knock.ParseSecret(`it's"$(odd)\`)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		for options := range uint(1 << 7) {
			if n := bits.OnesCount(options); n > 2 && n < 7 {
				continue // the parts do not know more of each other
			}
			on := func(bit int) bool { return options>>bit&1 == 1 }
			r := plain(f)
			r.OneShot, r.Log, r.NoDrop, r.Embed = on(0), on(1), on(2), on(3)
			if on(3) {
				r.Secret = odd
			}
			if on(4) {
				r.ReplayGuard, r.Grace = 3, 0
			}
			if on(5) {
				r.Forward = []script.Forward{{Port: 80, To: netip.MustParseAddrPort("[fd00::7]:8080")}}
			}
			if on(6) {
				r.SweepGuard = 0
			}
			all = append(all, r)
		}
	}
	return all
}

func TestRulesPassShellcheck(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "shellcheck")
	dir := t.TempDir()
	for i, r := range variants(t) {
		if i%15 < 14 && !knocktest.RunsLong() {
			continue // of 60, which include those with all options
		}
		text, err := r.Script()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%d.sh", dir, i), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scripts, err := filepath.Glob(dir + "/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("shellcheck", append([]string{"-s", "sh"}, scripts...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out[:min(len(out), 4000)])
	}
}

func TestRulesKeepTheSecretOut(t *testing.T) {
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		r := plain(f)
		r.Secret = secret
		for embed, want := range map[bool]int{false: 0, true: 1} {
			r.Embed = embed
			text, err := r.Script()
			if err != nil || strings.Count(text, "f00b4r") != want {
				t.Errorf("%s, embed %v: secret stands there %d times, %v", f, embed, strings.Count(text, "f00b4r"), err)
			}
		}
	}
}

// shells run the scripts.
var shells = [][]string{{"dash"}, {"busybox", "sh"}, {"bash", "--posix"}}

// function returns the text of a script's function.
func function(t *testing.T, text, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+name+"() {")
	body, _, ends := strings.Cut(rest, "\n}\n")
	if !ok || !ends {
		t.Fatalf("the script has no function %s", name)
	}
	return name + "() {" + body + "\n}\n"
}

// The division in shell arithmetic gives what rapport computes.
func TestRulesDeriveTheSame(t *testing.T) {
	t.Parallel()
	text, err := plain(script.NFT).Script()
	if err != nil {
		t.Fatal(err)
	}
	derive := function(t, text, "derive")
	random := rand.New(rand.NewPCG(1, 2))
	var in, want strings.Builder
	n := 200
	if !knocktest.RunsLong() {
		n = 40
	}
	for range n {
		h := knock.HourOf(time.Unix(random.Int64N(4e9), 0))
		bottom := 1 + random.IntN(65000)
		r, err := knock.NewRange(bottom, bottom+1+random.IntN(65535-bottom))
		if err != nil {
			t.Fatal(err)
		}
		word := make([]byte, 1+random.IntN(40))
		for i := range word {
			word[i] = `abcXYZ0123456789-_*?[]\$'"&;!`[random.IntN(29)]
		}
		s, err := knock.ParseSecret(string(word))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&in, h, r.Bottom(), r.Top(), s.Reveal())
		fmt.Fprintln(&want, h, strings.Trim(fmt.Sprint(knock.Derive(h, r, s).Ports()), "[]"))
	}
	script := "set -eu\n" + derive + "while read -r hour bottom top secret; do echo \"$hour\" | derive; done"
	for _, shell := range shells {
		knocktest.Need(t, shell[0])
		cmd := exec.Command(shell[0], append(shell[1:], "-c", script)...)
		cmd.Stdin = strings.NewReader(in.String())
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || stderr.Len() > 0 || string(out) != want.String() {
			t.Errorf("%v: %v %s: gives\n%swant\n%s", shell, err, &stderr, out, &want)
		}
	}
}

func TestRulesValidate(t *testing.T) {
	to := netip.MustParseAddrPort("10.0.0.7:80")
	for want, change := range map[string]func(*script.Rules){
		"not one of iptables, nft": func(r *script.Rules) { r.Format = "pf" },
		"host name":                func(r *script.Rules) { r.Host = "a\nrm -rf /" },
		"no range":                 func(r *script.Rules) { r.Range = knock.Range{} },
		"ssh port 0":               func(r *script.Rules) { r.SSHPort = 0 },
		"window 1.5s":              func(r *script.Rules) { r.Window = 1500 * time.Millisecond },
		"window 2h":                func(r *script.Rules) { r.Window = 2 * time.Hour },
		"grace 1h":                 func(r *script.Rules) { r.Grace = time.Hour },
		"grace -1s":                func(r *script.Rules) { r.Grace = -time.Second },
		"replay guard 21":          func(r *script.Rules) { r.ReplayGuard = 21 },
		"sweep guard -1":           func(r *script.Rules) { r.SweepGuard = -1 },
		"sweep guard 1001":         func(r *script.Rules) { r.SweepGuard = 1001 },
		"no secret":                func(r *script.Rules) { r.Embed = true },
		`"secret" is not an`:       func(r *script.Rules) { r.SecretPath = "secret" },
		"not an absolute path":     func(r *script.Rules) { r.SecretPath = "/a\n/b" },
		"port 22":                  func(r *script.Rules) { r.Forward = []script.Forward{{22, to}} },
		"no address":               func(r *script.Rules) { r.Forward = []script.Forward{{80, netip.AddrPort{}}} },
		"twice":                    func(r *script.Rules) { r.Forward = []script.Forward{{80, to}, {80, to}} },
	} {
		r := plain(script.NFT)
		change(&r)
		text, err := r.Script()
		if err == nil || text != "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want one line with %q, got %v", want, err)
		}
	}
}

func TestParseForward(t *testing.T) {
	for _, in := range []string{"8080=10.0.0.7:80", "80=[fd00::7]:8080"} {
		f, err := script.ParseForward(in)
		if err != nil || fmt.Sprintf("%d=%v", f.Port, f.To) != in {
			t.Errorf("ParseForward(%q) = %v, %v", in, f, err)
		}
	}
	for _, in := range []string{"", "80", "=1.2.3.4:5", "x=1.2.3.4:5", "70000=1.2.3.4:5", "80=host:5", "80=1.2.3.4", "80=\x1b[1m"} {
		if f, err := script.ParseForward(in); err == nil || !strings.Contains(err.Error(), "8080=10.0.0.7:80") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("ParseForward(%q) = %v, %v", in, f, err)
		}
	}
}

// refresh runs every minute, and at once when the grace is over.
func TestRulesTimers(t *testing.T) {
	for grace, want := range map[time.Duration]string{
		0:                "OnCalendar=*-*-* *:*:00\nOnClockChange=yes",
		time.Minute:      "OnCalendar=*-*-* *:*:00\nOnClockChange=yes",
		90 * time.Second: "OnCalendar=*-*-* *:*:00\nOnCalendar=*-*-* *:01:30 UTC\nOnClockChange=yes",
	} {
		r := plain(script.NFT)
		r.Grace = grace
		if s := r.Systemd(); !strings.Contains(s, want) || strings.Contains(s, "{") {
			t.Errorf("grace %v:\n%s", grace, s)
		}
		if c := r.Cron(); !strings.Contains(c, "\n* * * * * root /usr/local/sbin/rapport-gate refresh\n") || strings.Contains(c, "{") {
			t.Errorf("grace %v:\n%s", grace, c)
		}
	}
}

// systemd takes the units as they are: no line is unknown or ignored.
func TestRulesUnitsVerify(t *testing.T) {
	knocktest.Need(t, "systemd-analyze")
	dir := t.TempDir()
	units := strings.NewReplacer(script.InstallPath, "/bin/true", "/etc/systemd/system", dir).Replace(plain(script.NFT).Systemd())
	install := exec.Command("sh", "-c", "systemctl() { echo systemctl \"$@\"; }\n"+units)
	out, err := install.CombinedOutput()
	if want := "systemctl daemon-reload\nsystemctl enable --now rapport-gate.service rapport-gate-refresh.timer\n"; err != nil || string(out) != want {
		t.Fatalf("%v:\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "rapport-gate*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	out, err = exec.Command("systemd-analyze", append([]string{"verify"}, files...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "rapport-gate") {
		t.Errorf("%v\n%s", err, out)
	}
}
