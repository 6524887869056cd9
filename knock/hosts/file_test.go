package hosts_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/legacy"
	"rapport/knock/hosts/strength"
	"rapport/knock/knocktest"
)

// example is the hosts file of the house rules, and a second host.
const example = `# my servers
[hosts.myserver]
address = "server.example.org"     # the name itself when left out
ssh_port = 2222
range = "20000-20999"
family = "4"                       # "4", "6"
skew = "41m"                       # server's clock minus ours
window = "10s"
ntp = ["ntp.example.org",
       "192.0.2.1"]                # asked for this machine's clock
strict = true
gap = "20ms"
sweep_guard = 30
secret_command = ["pass", "show", "knock/myserver"]

[hosts."alpha.example.org"]
keyring = true
`

func TestLoad(t *testing.T) {
	file, err := hosts.Load(hostsFile(t, example))
	if err != nil {
		t.Fatal(err)
	}
	want := []hosts.Host{
		{
			Name: "myserver", Address: "server.example.org", SSHPort: 2222, Range: knocktest.NewRange(t, 20000, 20999),
			Family: knock.Family4, Skew: 41 * time.Minute, Window: 10 * time.Second,
			NTP: []string{"ntp.example.org", "192.0.2.1"}, Strict: true, Gap: 20 * time.Millisecond, SweepGuard: 30,
			Secret: hosts.SecretRef{Command: []string{"pass", "show", "knock/myserver"}},
		},
		{
			Name: "alpha.example.org", SSHPort: 22, Range: knock.DefaultRange,
			Family: knock.FamilyAuto, Window: 5 * time.Second, Secret: hosts.SecretRef{Keyring: true},
		},
	}
	if diff := cmp.Diff(want, file.Hosts()); diff != "" {
		t.Errorf("hosts, in the file's order (-want +got):\n%s", diff)
	}
	if h, ok := file.Host("MyServer"); !ok || h.Lookup() != "server.example.org" {
		t.Errorf("Host(MyServer) = %v, %v", h, ok)
	}
	if h, ok := file.Host("alpha.example.org"); !ok || h.Lookup() != "alpha.example.org" || h.Window != knock.DefaultWindow {
		t.Errorf("Host(alpha.example.org) = %+v, %v", h, ok)
	}
	if _, ok := file.Host("other"); ok {
		t.Error("there is a host that is not in the file")
	}
}

func TestTarget(t *testing.T) {
	h := hosts.Host{Name: "myserver", Address: "192.0.2.1", SSHPort: 2222, Skew: time.Hour, Secret: hosts.SecretRef{Inline: knocktest.NewSecret(t, "f00b4r")}, Strict: true, Gap: time.Second, SweepGuard: 30}
	want := knock.Target{
		Host: "myserver", Addr: netip.AddrPortFrom(netip.Addr{}, 2222), Range: knock.DefaultRange,
		Skew: time.Hour, Window: 5 * time.Second, Strict: true, Gap: time.Second, SweepGuard: 30,
	}
	if got := h.Target(); got != want {
		t.Errorf("Target = %+v, want %+v", got, want)
	}
}

func TestLoadOtherShapes(t *testing.T) {
	for _, text := range []string{
		"hosts.a.ssh_port = 23\n",
		"hosts.a = { ssh_port = 0x17 }\n",
		"hosts = { a = { ssh_port = 23 } }",
		"[hosts]\na.ssh_port = 23\n",
		"[hosts]\n[hosts.a]\nssh_port = 2_3\n",
		"[ hosts . 'a' ]\r\n\"ssh_port\" = +23\r\n",
		"\xef\xbb\xbf[hosts.a]\nssh_port = 23",
	} {
		file, err := hosts.Load(hostsFile(t, text))
		if h, ok := file.Host("a"); err != nil || !ok || h.SSHPort != 23 || len(file.Hosts()) != 1 {
			t.Errorf("%q: %+v, %v", text, file.Hosts(), err)
		}
	}
	missing := filepath.Join(t.TempDir(), "no", "hosts.toml")
	for _, path := range []string{missing, hostsFile(t, ""), hostsFile(t, "# none yet\n"), hostsFile(t, "[hosts]\n")} {
		if file, err := hosts.Load(path); err != nil || len(file.Hosts()) != 0 || file.Path != path {
			t.Errorf("%s: %v, %v", path, file, err)
		}
	}
}

func TestLoadErrorsSayWhere(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"[hosts.a]\nadress = \"x\"\n", `:2:1: unknown key "adress": did you mean "address"?`},
		{"[hosts.a]\nssh-port = 22\n", `:2:1: unknown key "ssh-port": did you mean "ssh_port"?`},
		{"[hosts.a]\nAddress = \"x\"\n", `:2:1: unknown key "Address": did you mean "address"?`},
		{"[hosts.a]\ncolour = 1\n", `:2:1: unknown key "colour": there are address, `},
		{"[host.a]\n", `:1:2: unknown key "host": did you mean "hosts"?`},
		{"x = 1\n", `:1:1: unknown key "x": hosts stand below [hosts.NAME]`},
		{"[hosts.server.example.org]\n", `:1:15: unknown key "example": a name with dots goes in quotes, like [hosts."server.example.org"]`},
		{"[hosts.a]\nskew.x = 1\n", `:2:6: unknown key "x": skew has none below it`},
		{"[[hosts]]\n", `:1:3: [[...]] is a list of tables`},
		{"hosts = 1\n", `:1:1: hosts is a table: write [hosts.NAME]`},
		{"[hosts]\na = 1\n", `:2:1: host "a" is a table: write [hosts.a]`},
		{"[hosts.a]\n\n[hosts.a]\n", `:3:8: host "a" is there twice, first in line 1`},
		{"[hosts.a]\n[hosts.A]\n", `:2:8: host "A" is there twice`},
		{"[hosts.a]\nwindow = \"5s\"\nwindow = \"5s\"\n", `:3:1: key window of host "a" is there twice`},
		{"[hosts.a]\nkeyring = true\n secret_file = \"x\"\n", `:3:2: host "a" says twice where its secret is, keyring and secret_file: keep one`},
		{"[hosts.a]\nssh_port = 0\n", `:2:12: ssh_port 0 is not within 1-65535`},
		{"[hosts.a]\nssh_port = 99999999999999999999\n", `:2:12: ssh_port is too large a number`},
		{"[hosts.a]\nssh_port = \"22\"\n", `:2:12: ssh_port must be a number without quotes`},
		{"[hosts.a]\nrange = \"10999-10000\"\n", `:2:9: range 10999-10000: the bottom port must be below the top port`},
		{"[hosts.a]\nrange = [10000, 10999]\n", `:2:9: range must be text in quotes`},
		{"[hosts.a]\nfamily = \"5\"\n", `:2:10: family "5" is not one of auto, 4, 6`},
		{"[hosts.a]\nfamily = 4\n", `:2:10: family must be text in quotes`},
		{"[hosts.a]\nskew = \"soon\"\n", `:2:8: skew "soon" is not a time like 5s, 41m or -3h`},
		{"[hosts.a]\nskew = \"2000000h\"\n", `:2:8: skew is more than a century`},
		{"[hosts.a]\nwindow = \"-5s\"\n", `:2:10: window -5s is not within 1s to 1h`},
		{"[hosts.a]\nwindow = \"5h\"\n", `:2:10: window 5h is not within 1s to 1h`},
		{"[hosts.a]\nkeyring = \"yes\"\n", `:2:11: keyring must be true or false, without quotes`},
		{"[hosts.a]\nstrict = 1\n", `:2:10: strict must be true or false, without quotes`},
		{"[hosts.a]\ngap = \"10us\"\n", `:2:7: gap 10µs is not within 1ms to 15m`},
		{"[hosts.a]\ngap = 10\n", `:2:7: gap must be text in quotes`},
		{"[hosts.a]\nsweep_guard = -1\n", `:2:15: sweep_guard -1 is below 0`},
		{"[hosts.a]\nsweep_guard = \"30\"\n", `:2:15: sweep_guard must be a number without quotes`},
		{"[hosts.a]\nsecret_command = \"pass show x\"\n", `:2:18: secret_command must be a list of texts: ["...", "..."]`},
		{"[hosts.a]\nsecret_command = [\"pass\", 1]\n", `:2:18: each entry of secret_command must be text in quotes`},
		{"[hosts.a]\nsecret_command = []\n", `:2:18: secret_command names no command`},
		{"[hosts.a]\nsecret = \"two words\"\n", `:2:10: this secret cannot be used: it holds white space`},
		{"[hosts.a]\nsecret = f00b4r\n", `:2:10: a value is neither a number nor true nor false: text goes in quotes`},
		{"[hosts.a]\nsecret = \"f00b4r\n", `: basic strings cannot have new lines`},
		{"[hosts.a]\nsecret = 'f00b4r' f00b4r\n", `:2:19: expected newline`},
		{"[hosts.a]\nsecret = \"f00b4r\\q\"\n", `:2:17: invalid escape character`},
		{"[hosts.a]\naddress = \"two words\"\n", `:2:11: host name "two words" holds white space`},
		{"[hosts.\"\"]\n", `:1:8: a host's name is empty`},
		{"[hosts.-a]\n", `:1:8: host name "-a" starts with '-', as options do`},
		{"[hosts.\"\\u001b[31m\"]\n", `:1:8: host name "?[31m" holds a character that does not print`},
		{"[hosts." + strings.Repeat("x", 256) + "]\n", `has 256 bytes, at most 255 are taken`},
		{"[hosts.a]\n# ö\nntp = [\"ö\", \"-x\"]\n", `:3:7: host name "-x" starts with '-'`},
		{"[hosts.a]\nx = \"\xff\"\n", `:2:6: invalid UTF-8 character in basic string`},
		{"[hosts.a\n", `:1:9: expected ']' to close table name`},
		{"hosts = {a = {}}\n[hosts.b]\n", `:2:2: key hosts already exists as a value`},
	} {
		path := hostsFile(t, tt.text)
		_, err := hosts.Load(path)
		if err == nil || !strings.HasPrefix(err.Error(), path+":") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, tt.want)
		}
		knocktest.OneLine(t, err)
	}
}

func TestLoadRefusesWhatOthersCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		knocktest.Lack(t, "file modes, which windows does not keep")
	}
	path := hostsFile(t, "[hosts.a]\nsecret = \"f00b4r\"\n")
	if file, err := hosts.Load(path); err != nil || len(file.Hosts()) != 1 {
		t.Fatalf("mode 0600: %v", err)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := hosts.Load(path)
		if !errors.Is(err, hosts.ErrReadableByOthers) || !strings.Contains(err.Error(), fmt.Sprintf("run chmod 600 %q", path)) {
			t.Errorf("mode %o: %v", mode, err)
		}
		knocktest.OneLine(t, err)
	}
	knocktest.WriteFile(t, path, "[hosts.a]\n", 0o644)
	if _, err := hosts.Load(path); err != nil {
		t.Errorf("without a secret, others may read it: %v", err)
	}
}

func TestLoadIsBounded(t *testing.T) {
	for _, path := range []string{t.TempDir(), hostsFile(t, strings.Repeat("#\n", 1<<20))} {
		if _, err := hosts.Load(path); err == nil {
			t.Errorf("%s is accepted", path)
		} else {
			knocktest.OneLine(t, err)
		}
	}
	deep := "[hosts.a]\nntp = " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "\n"
	if _, err := hosts.Load(hostsFile(t, deep)); err == nil {
		t.Error("deeply nested lists are accepted")
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	file, err := hosts.Load(hostsFile(t, "[hosts.a]\nsecret = \"f00b4r\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	h, _ := file.Host("a")
	s := legacy.Script{Secret: knocktest.NewSecret(t, "f00b4r")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{file, &file, h, &h, s, strength.Estimate(s.Secret, h.Range)} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "f00b4r") || strings.Contains(text, "663030623472") {
				t.Errorf("%s shows the secret: %s", verb, text)
			}
		}
	}
}
