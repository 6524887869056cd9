package hosts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
)

// shown fails if an error cannot be shown in one line.
func shown(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, c := range err.Error() {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == 0xfffd {
			t.Errorf("an error holds %U: %q", c, err)
		}
	}
}

// FuzzLoad: whatever the file holds, it loads or is refused in one line; and
// what loads can have a host added and removed without a change to the rest.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		example, "hosts.a.ssh_port = 23\n", "hosts = { a = { ssh_port = 23 } }", "[hosts]\na.skew='1s'\r\n",
		"[hosts.a]\nsecret = \"f00b4r\" # x", "[hosts.\"a.b\"]\nntp=[\n# x\n'a', \"\"\"b\"\"\"]\n", "[[hosts]]\n", "\xef\xbb\xbf# x",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "hosts.toml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		history.Load(path) // whatever it is, there is no harm in it
		file, err := hosts.Load(path)
		shown(t, err)
		if err != nil {
			return
		}
		for _, h := range file.Hosts() {
			for _, name := range []string{h.Name, h.Address} {
				if err := knock.CheckHost(name); err != nil && (name != "" || name == h.Name) {
					t.Errorf("%q was taken for a name: %v", name, err)
				}
				if knock.Clean(name, len(name)) != name {
					t.Errorf("the name %q does not print", name)
				}
			}
		}
		const name = "new.example.org"
		if _, ok := file.Host(name); ok {
			return
		}
		h := hosts.NewHost(name)
		h.Secret = hosts.SecretRef{Path: "x"}
		if err := hosts.Update(t.Context(), path, func(e *hosts.Editor) error { return e.Add(h) }); err != nil {
			shown(t, err)
			return
		}
		body := bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		if got := read(t, path); !strings.HasPrefix(got, strings.TrimRight(string(body), "\r\n")) {
			t.Errorf("what was there has changed:\n%q\n%q", text, got)
		}
		err = hosts.Update(t.Context(), path, func(e *hosts.Editor) error {
			for _, old := range e.Hosts() {
				old.Window *= 2
				if err := e.Replace(old.Name, old); err != nil {
					shown(t, err)
				}
			}
			return e.Remove(name)
		})
		if err != nil {
			t.Errorf("removing what was added: %v", err)
		}
		if again, err := hosts.Load(path); err != nil || len(again.Hosts()) != len(file.Hosts()) {
			t.Errorf("%d hosts became %d: %v", len(file.Hosts()), len(again.Hosts()), err)
		}
	})
}
