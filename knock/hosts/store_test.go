package hosts_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// same leaves an entry as it is.
func same(h hosts.Host) (hosts.Host, error) { return h, nil }

// secretOf reads the secret of a host in the file at path.
func secretOf(t *testing.T, path, name string) string {
	t.Helper()
	f, err := hosts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	h, ok := f.Host(name)
	if !ok {
		t.Fatalf("no host %s", name)
	}
	s, err := h.ReadSecret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Reveal()
}

func TestAddKeepsTheSecretBesideTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.toml")
	if _, err := hosts.Add(t.Context(), path, hosts.NewHost("a"), knocktest.NewSecret(t, "one"), ""); err != nil {
		t.Fatal(err)
	}
	if got := secretOf(t, path, "a"); got != "one" {
		t.Errorf("the secret is %q", got)
	}
	if _, err := hosts.Add(t.Context(), path, hosts.NewHost("a"), knocktest.NewSecret(t, "two"), ""); !errors.Is(err, hosts.ErrExists) || secretOf(t, path, "a") != "one" {
		t.Errorf("added twice: %v", err)
	}
}

// A refused edit changes nothing, and leaves nothing behind.
func TestRefusedEditLosesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hosts.toml")
	if _, err := hosts.Add(t.Context(), path, hosts.NewHost("a"), knocktest.NewSecret(t, "one"), ""); err != nil {
		t.Fatal(err)
	}
	bad := func(h hosts.Host) (hosts.Host, error) { h.Window = -time.Second; return h, nil }
	if _, err := hosts.Edit(t.Context(), path, "a", bad, knocktest.NewSecret(t, "two"), ""); err == nil || secretOf(t, path, "a") != "one" {
		t.Errorf("a negative window: %v", err)
	}
	h := hosts.NewHost("b")
	h.Window = -time.Second
	if _, err := hosts.Add(t.Context(), path, h, knocktest.NewSecret(t, "three"), ""); err == nil {
		t.Error("a negative window is added")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.secret")); len(files) != 1 {
		t.Errorf("secret files: %v", files)
	}
}

// A host that gets the old name of another one does not get its secret.
func TestRenamedHostKeepsItsSecret(t *testing.T) {
	keyring.MockInit()
	rename := func(h hosts.Host) (hosts.Host, error) { h.Name = "beta"; return h, nil }
	for _, store := range []hosts.SecretSource{hosts.InFile, hosts.InKeyring} {
		path := filepath.Join(t.TempDir(), "hosts.toml")
		if _, err := hosts.Add(t.Context(), path, hosts.NewHost("alpha"), knocktest.NewSecret(t, "one"), store); err != nil {
			t.Fatal(err)
		}
		if _, err := hosts.Edit(t.Context(), path, "alpha", rename, knock.Secret{}, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := hosts.Add(t.Context(), path, hosts.NewHost("alpha"), knocktest.NewSecret(t, "two"), store); err != nil {
			t.Fatal(err)
		}
		if a, b := secretOf(t, path, "alpha"), secretOf(t, path, "beta"); a != "two" || b != "one" {
			t.Errorf("%s: alpha has %q, beta %q", store, a, b)
		}
	}
}

func TestSecretMovesToTheKeyringAndBack(t *testing.T) {
	keyring.MockInit()
	path := filepath.Join(t.TempDir(), "hosts.toml")
	if _, err := hosts.Add(t.Context(), path, hosts.NewHost("a"), knocktest.NewSecret(t, "one"), ""); err != nil {
		t.Fatal(err)
	}
	for _, store := range []hosts.SecretSource{hosts.InKeyring, hosts.InFile} {
		h, err := hosts.Edit(t.Context(), path, "a", same, knock.Secret{}, store)
		if err != nil || h.Secret.Source() != store || secretOf(t, path, "a") != "one" {
			t.Errorf("stored in the %s: %+v, %v", store, h, err)
		}
	}
	// A new secret stays where the old one was.
	if _, err := hosts.Edit(t.Context(), path, "a", same, knock.Secret{}, hosts.InKeyring); err != nil {
		t.Fatal(err)
	}
	if h, err := hosts.Edit(t.Context(), path, "a", same, knocktest.NewSecret(t, "two"), ""); err != nil || h.Secret.Source() != hosts.InKeyring || secretOf(t, path, "a") != "two" {
		t.Errorf("%+v, %v", h, err)
	}
}

// Edits of one host at the same time all hold.
func TestEditsAtOnceLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.toml")
	if _, err := hosts.Add(t.Context(), path, hosts.NewHost("a"), knock.Secret{}, ""); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, change := range []func(h hosts.Host) (hosts.Host, error){
		func(h hosts.Host) (hosts.Host, error) { h.Skew = time.Minute; return h, nil },
		func(h hosts.Host) (hosts.Host, error) { h.Window = 9 * time.Second; return h, nil },
		func(h hosts.Host) (hosts.Host, error) { h.SSHPort = 2222; return h, nil },
		func(h hosts.Host) (hosts.Host, error) { h.NTP = []string{"ntp.example.org"}; return h, nil },
	} {
		all.Go(func() {
			if _, err := hosts.Edit(t.Context(), path, "a", change, knock.Secret{}, ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	f, err := hosts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := f.Host("a")
	if h.Skew != time.Minute || h.Window != 9*time.Second || h.SSHPort != 2222 || len(h.NTP) != 1 {
		t.Errorf("lost: %+v", h)
	}
}

// A rename, and a key that goes back to its default, leave every comment.
func TestEditKeepsComments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.toml")
	const text = "# mine\n\n# keep me\n[hosts.a] # the header's\naddress = \"10.0.0.1\" # the address\n# trailing\n\n[hosts.z]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := hosts.Edit(t.Context(), path, "a", func(h hosts.Host) (hosts.Host, error) {
		h.Name, h.Address = "b", ""
		return h, nil
	}, knock.Secret{}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("[hosts.a]", "[hosts.b]", "address =", "# address =").Replace(text)
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFind(t *testing.T) {
	knocktest.Long(t)
	dir := t.TempDir()
	path, sshConfig := filepath.Join(dir, "hosts.toml"), filepath.Join(dir, "config")
	for file, text := range map[string]string{
		path: "[hosts.named]\naddress = \"Server.Example.ORG\"\n[hosts.v6]\naddress = \"FD00::1\"\n[hosts.alias]\nrange = \"20000-20999\"\n" +
			"[hosts.one]\naddress = \"192.0.2.1\"\nssh_port = 22\n[hosts.two]\naddress = \"192.0.2.1\"\nssh_port = 2222\n",
		sshConfig: "Host alias\n  HostName 198.51.100.7\n  Port 2200\nHost other\n  HostName other.example.org\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := hosts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		port    int
		entry   string
		address string
		sshPort int
	}{
		{"named", 0, "named", "Server.Example.ORG", 22},
		{"server.example.org", 0, "named", "Server.Example.ORG", 22}, // ssh writes %h small
		{"fd00:0::1", 0, "v6", "FD00::1", 22},
		{"alias", 0, "alias", "198.51.100.7", 2200}, // as ssh knows it
		{"198.51.100.7", 0, "alias", "198.51.100.7", 2200},
		{"192.0.2.1", 2222, "two", "192.0.2.1", 2222},
		{"other", 0, "other", "other.example.org", 22},
		{"unknown", 0, "unknown", "unknown", 22},
	} {
		h, err := f.Find(tt.name, tt.port, sshConfig)
		if err != nil || h.Name != tt.entry || h.Lookup() != tt.address || h.SSHPort != tt.sshPort {
			t.Errorf("Find(%s, %d) = %s at %s:%d, %v", tt.name, tt.port, h.Name, h.Lookup(), h.SSHPort, err)
		}
	}
	if _, err := f.Find("192.0.2.1", 0, sshConfig); err == nil || !strings.Contains(err.Error(), `"one" and "two"`) {
		t.Errorf("two entries with one address: %v", err)
	}
}
