package hosts_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// player is a host whose secret_command is this test binary, playing a program.
func player(t *testing.T, name string) hosts.Host {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(helperVariable, name)
	return hosts.Host{Name: "a", Secret: hosts.SecretRef{Command: []string{exe, "argument with spaces; $(touch x)"}}}
}

func TestSecretCommand(t *testing.T) {
	for printed, reason := range map[string]string{
		"f00b4r":                                "",
		"f00b4r\n":                              "",
		"f00b4r\r\n":                            "",
		"f00b4r\nnotes: two words\n":            "", // as pass show prints it
		"":                                      "printed nothing in its first line",
		"\nf00b4r\n":                            "printed nothing in its first line",
		"f00b4r f00b4r":                         "white space",
		"f00b4r\x1b[31m":                        "control character",
		strings.Repeat("f00b4r", 100) + "\n":    "600 bytes",
		strings.Repeat("f00b4r", 2000):          "4096 bytes",
		"\xfff00b4r":                            "UTF-8",
		"100%":                                  "date command",
		"\x1b]0;title\x07f00b4r\n\x1b[2Jf00b4r": "control character",
	} {
		h := player(t, "print")
		t.Setenv("PRINT", printed)
		s, err := h.ReadSecret(t.Context())
		if reason == "" && (err != nil || s.Reveal() != "f00b4r") {
			t.Errorf("%q: %v", printed, err)
		}
		if reason != "" && (err == nil || !strings.Contains(err.Error(), reason)) {
			t.Errorf("%q: %v, want one about %s", printed, err, reason)
		}
		knocktest.OneLine(t, err)
	}
}

func TestSecretCommandThatFails(t *testing.T) {
	for name, want := range map[string]string{
		"flood": "", // its first line is fine, the rest is let go
		"fail":  "failed: exit status 3; run it by hand to see why",
	} {
		h := player(t, name)
		s, err := h.ReadSecret(t.Context())
		if want == "" && (err != nil || s.IsZero()) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", name, err)
		}
		knocktest.OneLine(t, err)
	}
	for command, want := range map[string]string{
		"rapport-no-such-program":             "is not a program on this machine",
		filepath.Join(t.TempDir(), "nothing"): "cannot run: ",
		"\x1b[31m\n":                          `"?[31m?"`,
	} {
		_, err := hosts.Host{Name: "a", Secret: hosts.SecretRef{Command: []string{command}}}.ReadSecret(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", command, err)
		}
		knocktest.OneLine(t, err)
	}
}

func TestSecretCommandIsStopped(t *testing.T) {
	errMine := errors.New("mine")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(200*time.Millisecond, func() { cancel(errMine) })
	start := time.Now()
	_, err := player(t, "sleep").ReadSecret(ctx)
	if !errors.Is(err, errMine) || time.Since(start) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// TestSecretCommandLeavesAPipeAlone: in ssh's ProxyCommand, standard input is
// ssh's stream.
func TestSecretCommandLeavesAPipeAlone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.WriteString("SSH-2.0-x\r\n"); err != nil {
		t.Fatal(err)
	}
	stdin := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = stdin }()
	if s, err := player(t, "stdin").ReadSecret(t.Context()); err != nil || s.Reveal() != "read0" {
		t.Errorf("the command: %q, %v", s.Reveal(), err)
	}
}

func TestSecretFile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	knocktest.WriteFile(t, filepath.Join(home, "s"), "f00b4r\n", 0o600)
	path := hostsFile(t, "[hosts.home]\nsecret_file = \"~/s\"\n[hosts.beside]\nsecret_file = \"b.secret\"\n[hosts.none]\n[hosts.gone]\nsecret_file = 'gone'\n")
	knocktest.WriteFile(t, filepath.Join(filepath.Dir(path), "b.secret"), "f00b4r", 0o600)
	file, err := hosts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"home", "beside"} {
		h, _ := file.Host(name)
		if s, err := h.ReadSecret(t.Context()); err != nil || s.Reveal() != "f00b4r" {
			t.Errorf("%s: %v", name, err)
		}
	}
	h, _ := file.Host("none")
	if _, err := h.ReadSecret(t.Context()); !errors.Is(err, hosts.ErrNoSecret) {
		t.Errorf("none: %v", err)
	}
	h, _ = file.Host("gone")
	if _, err := h.ReadSecret(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("gone: %v", err)
	}
	inline := knocktest.NewSecret(t, "f00b4r")
	h = hosts.Host{Name: "inline", Secret: hosts.SecretRef{Inline: inline}}
	if s, err := h.ReadSecret(t.Context()); err != nil || s != inline {
		t.Errorf("inline: %v", err)
	}
}

func TestSaveSecretFile(t *testing.T) {
	config := filepath.Join(t.TempDir(), "rapport", "hosts.toml")
	seen := map[string]string{}
	for _, name := range []string{
		"myserver", "server.example.org", "../../etc/x", ".hidden", "con", "com1.example.org", "höhle", "a b"[:1], "fe80::1%eth0", "a/b", `a\b`,
		strings.Repeat("x", 255), strings.Repeat("x", 254) + "y", strings.Repeat("ö", 120),
	} {
		for _, text := range []string{"before", "f00b4r"} {
			path, err := hosts.SaveSecretFile(config, name, knocktest.NewSecret(t, text))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			if s, err := hosts.ReadSecretFile(path); err != nil || s.Reveal() != text {
				t.Errorf("%s: %v", name, err)
			}
			if filepath.Dir(path) != filepath.Dir(config) || !filepath.IsAbs(path) || len(filepath.Base(path)) > 200 {
				t.Errorf("%s: it is in %s", name, path)
			}
			if other, ok := seen[path]; ok && other != name {
				t.Errorf("%s and %s share %s", name, other, path)
			}
			seen[path] = name
			if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
	}
	if got := filepath.Join(filepath.Dir(config), "myserver.secret"); seen[got] != "myserver" {
		t.Errorf("there is no %s", got)
	}
	for _, name := range []string{"", "a\nb", "-a"} {
		_, err := hosts.SaveSecretFile(config, name, knocktest.NewSecret(t, "f00b4r"))
		if err == nil {
			t.Errorf("name %q is accepted", name)
		}
		knocktest.OneLine(t, err)
	}
	if _, err := hosts.SaveSecretFile(config, "a", knock.Secret{}); !errors.Is(err, knock.ErrSecret) {
		t.Errorf("no secret: %v", err)
	}
	// What is in its place stays: it may be the only copy of another secret.
	path, err := hosts.SaveSecretFile(config, "myserver", knocktest.NewSecret(t, "another"))
	if err != nil || filepath.Base(path) == "myserver.secret" {
		t.Errorf("a second secret of that name is in %s, %v", path, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(config), ".*.tmp")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestKeyring(t *testing.T) {
	keyring.MockInit()
	if err := hosts.SaveKeyring("MyServer", knocktest.NewSecret(t, "f00b4r")); err != nil {
		t.Fatal(err)
	}
	h := hosts.Host{Name: "myserver", Secret: hosts.SecretRef{Keyring: true}}
	if s, err := h.ReadSecret(t.Context()); err != nil || s.Reveal() != "f00b4r" {
		t.Errorf("%v", err)
	}
	if text, err := keyring.Get("rapport", "myserver"); err != nil || text != "f00b4r" {
		t.Errorf("it is not under service rapport, user myserver: %v", err)
	}
	h.Name = "other"
	if _, err := h.ReadSecret(t.Context()); err == nil || !strings.Contains(err.Error(), `no secret for host "other"`) {
		t.Errorf("other: %v", err)
	}
	if err := keyring.Set("rapport", "other", "f00b4r and more"); err != nil {
		t.Fatal(err)
	}
	_, err := h.ReadSecret(t.Context())
	if !errors.Is(err, knock.ErrSecret) {
		t.Errorf("a keyring entry that is no secret: %v", err)
	}
	knocktest.OneLine(t, err)
}

func TestKeyringErrors(t *testing.T) {
	defer keyring.MockInit()
	h := hosts.Host{Name: "a", Secret: hosts.SecretRef{Keyring: true}}
	for said, want := range map[string]string{
		"The name org.freedesktop.secrets was not provided by any .service files": "no Secret Service",
		`exec: "dbus-launch": executable file not found in $PATH`:                 "no Secret Service",
		"dial unix /run/user/1000/bus: connect: no such file or directory":        "no Secret Service",
		"something \x1b[31m\nelse with f00b4r in it":                              "something ?[31m?else with ",
		"prompt dismissed": "prompt dismissed",
	} {
		keyring.MockInitWithError(errors.New(said))
		err := hosts.SaveKeyring("a", knocktest.NewSecret(t, "f00b4r"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "store it in a file instead") {
			t.Errorf("%q: %v", said, err)
		}
		if want == "no Secret Service" != errors.Is(err, hosts.ErrNoKeyring) {
			t.Errorf("%q: %v", said, err)
		}
		knocktest.OneLine(t, err)
		if _, err := h.ReadSecret(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("reading, %q: %v", said, err)
		}
	}
	keyring.MockInitWithError(keyring.ErrSetDataTooBig)
	if err := hosts.SaveKeyring("a", knocktest.NewSecret(t, "f00b4r")); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("too big: %v", err)
	}
	keyring.MockInitWithError(keyring.ErrUnsupportedPlatform)
	if err := hosts.SaveKeyring("a", knocktest.NewSecret(t, "f00b4r")); !errors.Is(err, hosts.ErrNoKeyring) {
		t.Errorf("unsupported: %v", err)
	}
	if err := hosts.SaveKeyring("a", knock.Secret{}); !errors.Is(err, knock.ErrSecret) {
		t.Errorf("no secret: %v", err)
	}
}
