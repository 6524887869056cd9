package script_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// FuzzParseForward: what is taken for a forward is one, and reads the same again;
// what is not is refused in one line.
func FuzzParseForward(f *testing.F) {
	for _, s := range []string{"8080=10.0.0.7:80", "8080=[fd00::7]:80", "8080=[fe80::1%$(x)]:80", "8080=[::ffff:10.0.0.7]:80", "\x1b[2J=\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		forward, err := script.ParseForward(s)
		if err != nil {
			knocktest.Printable(t, err.Error())
		} else if again, err := script.ParseForward(fmt.Sprintf("%d=%v", forward.Port, forward.To)); again != forward || err != nil {
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
		r := script.Rules{Format: script.NFT, Host: host, Range: knock.DefaultRange, SSHPort: 22, Window: 5 * time.Second, ReplayGuard: guard, SecretPath: path}
		if guard%2 == 0 {
			r.Format = script.IPTables
		}
		if fw, err := script.ParseForward(forward); err == nil {
			r.Forward = []script.Forward{fw}
		}
		if s, err := knock.ParseSecret(secret); err == nil {
			r.Embed, r.Secret = true, s
		}
		text, err := r.Script()
		if err != nil {
			knocktest.Printable(t, err.Error())
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
