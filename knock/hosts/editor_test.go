package hosts_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// update edits a hosts file and returns its text after that.
func update(t *testing.T, text string, edit func(*hosts.Editor) error) (string, error) {
	t.Helper()
	path := hostsFile(t, text)
	err := hosts.Update(t.Context(), path, edit)
	knocktest.OneLine(t, err)
	return read(t, path), err
}

func TestAdd(t *testing.T) {
	h := hosts.NewHost("b.example.org")
	h.Address, h.SSHPort, h.Range, h.Family = "192.0.2.1", 2222, knocktest.NewRange(t, 1, 100), knock.Family6
	h.Skew, h.Window, h.NTP = -90*time.Minute, 2*time.Minute, []string{"x", "y"}
	h.Secret = hosts.SecretRef{Path: `~/a "quoted" \ path`}
	const block = `[hosts."b.example.org"]
address = "192.0.2.1"
ssh_port = 2222
range = "1-100"
family = "6"
skew = "-1h30m"
window = "2m"
ntp = ["x", "y"]
secret_file = "~/a \"quoted\" \\ path"
`
	for _, tt := range []struct{ before, after string }{
		{"", block},
		{"# none\n", "# none\n\n" + block},
		{"[hosts.a] # first", "[hosts.a] # first\n\n" + block},
		{"[hosts.a]\nskew='1s'\n\n", "[hosts.a]\nskew='1s'\n\n" + block},
		{"[hosts.a]\r\n", "[hosts.a]\r\n\r\n" + strings.ReplaceAll(block, "\n", "\r\n")},
		{"hosts.a.skew = '1s'\n", "hosts.a.skew = '1s'\n\n" + block},
	} {
		got, err := update(t, tt.before, func(e *hosts.Editor) error { return e.Add(h) })
		if diff := cmp.Diff(tt.after, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", tt.before, err, diff)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	for name, h := range map[string]hosts.Host{
		"exists":           {Name: "MYSERVER"},
		"starts with":      {Name: "-b"},
		"not within":       {Name: "b", SSHPort: 70000},
		"window":           {Name: "b", Window: -time.Second},
		"family":           {Name: "b", Family: "ipx"},
		"white space":      {Name: "b", Address: "a b"},
		"names no command": {Name: "b", Secret: hosts.SecretRef{Command: []string{""}}},
		"not a path":       {Name: "b", Secret: hosts.SecretRef{Path: "a\nb"}},
		"invalid UTF-8":    {Name: "b", Secret: hosts.SecretRef{Path: "\xff"}},
	} {
		got, err := update(t, example, func(e *hosts.Editor) error { return e.Add(h) })
		if err == nil || got != example {
			t.Errorf("%s: %v, and the file is\n%s", name, err, got)
		}
		if name == "exists" != errors.Is(err, hosts.ErrExists) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReplaceKeepsTheRest(t *testing.T) {
	want := strings.NewReplacer(
		`"server.example.org" `, `"192.0.2.7" `,
		"ssh_port = 2222\n", "",
		`"41m" `, `"42m" `,
		"[\"ntp.example.org\",\n       \"192.0.2.1\"]", `["time.example.org"]`,
		"secret_command = [\"pass\", \"show\", \"knock/myserver\"]\n", "keyring = true\n",
	).Replace(example)
	got, err := update(t, example, func(e *hosts.Editor) error {
		h, _ := e.Host("myserver")
		h.Address, h.SSHPort, h.Skew, h.NTP = "192.0.2.7", 22, 42*time.Minute, []string{"time.example.org"}
		h.Secret = hosts.SecretRef{Keyring: true}
		return e.Replace(h.Name, h)
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestReplace(t *testing.T) {
	for _, tt := range []struct {
		before, after string
		change        func(*hosts.Host)
	}{
		{"[hosts.a] # c", "[hosts.a] # c\nkeyring = true\n", func(h *hosts.Host) { h.Secret = hosts.SecretRef{Keyring: true} }},
		{"[hosts.a]\n\t# why\n\tssh_port=23\t# so\n# end\n[hosts.b]\n", "[hosts.a]\n\t# why\n\tssh_port=24\t# so\n\tskew = \"1s\"\n# end\n[hosts.b]\n",
			func(h *hosts.Host) { h.SSHPort, h.Skew = 24, time.Second }},
		{"[hosts.a]\nwindow = \"5s\" # as the article has it\n", "[hosts.a]\nwindow = \"5s\" # as the article has it\nssh_port = 23\n",
			func(h *hosts.Host) { h.SSHPort = 23 }},
		{"[hosts.a]\nwindow = \"7s\"\nskew='1s'", "[hosts.a]\nwindow = \"7s\"\n", func(h *hosts.Host) { h.Skew = 0 }},
		{"[hosts.a]\r\nskew = '1s' # x\r\n", "[hosts.a]\r\nskew = \"2s\" # x\r\n", func(h *hosts.Host) { h.Skew = 2 * time.Second }},
		{"hosts.a.skew = '1s'\n", "hosts.a.skew = '1s'\n", func(h *hosts.Host) { h.SSHPort = 22 }}, // nothing to change
	} {
		got, err := update(t, tt.before, func(e *hosts.Editor) error {
			h, _ := e.Host("a")
			tt.change(&h)
			return e.Replace(h.Name, h)
		})
		if diff := cmp.Diff(tt.after, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", tt.before, err, diff)
		}
	}
}

func TestRemove(t *testing.T) {
	for _, tt := range []struct{ before, after string }{
		{"[hosts.a]\n", ""},
		{"# mine\n[hosts.a]\n", "# mine\n"}, // the file's own comment
		{"# mine\n\n# a\n[hosts.a]\nskew='1s'\n# more of a\n\n# b\n[hosts.b]\n", "# mine\n\n# b\n[hosts.b]\n"},
		{"[hosts.b]\n\n[hosts.a]\nkeyring=true\n", "[hosts.b]\n"},
		{"[hosts.b]\n\n[hosts.a]\n\n\n[hosts.c]\n", "[hosts.b]\n\n[hosts.c]\n"},
		{"[hosts.a]\n# of b\n[hosts.b]", "# of b\n[hosts.b]\n"},
		{"[hosts.a]\nntp=[\n'x',\n]\n\n# loose\n\n[hosts.b]\n", "# loose\n\n[hosts.b]\n"},
		{"hosts.b.skew='1s'\r\n\r\n[hosts.a]\r\n", "hosts.b.skew='1s'\r\n"},
	} {
		got, err := update(t, tt.before, func(e *hosts.Editor) error { return e.Remove("a") })
		if diff := cmp.Diff(tt.after, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", tt.before, err, diff)
		}
	}
}

func TestEditsOfNobody(t *testing.T) {
	for name, edit := range map[string]func(*hosts.Editor) error{
		"replace": func(e *hosts.Editor) error { return e.Replace("nobody", hosts.NewHost("nobody")) },
		"remove":  func(e *hosts.Editor) error { return e.Remove("nobody") },
	} {
		if got, err := update(t, example, edit); !errors.Is(err, hosts.ErrNoHost) || got != example {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShapesThatAreLeftAlone(t *testing.T) {
	for _, text := range []string{
		"hosts.a.ssh_port = 23\n",
		"hosts.a = { ssh_port = 23 } # c\n",
		"hosts = { a = { ssh_port = 23 } }\n",
		"[hosts]\na.ssh_port = 23\n",
		"[hosts]\na = {}\n",
	} {
		for name, edit := range map[string]func(*hosts.Editor) error{
			"replace": func(e *hosts.Editor) error {
				return e.Replace("a", hosts.Host{Name: "a", Secret: hosts.SecretRef{Keyring: true}})
			},
			"remove": func(e *hosts.Editor) error { return e.Remove("a") },
		} {
			got, err := update(t, text, edit)
			if err == nil || !strings.Contains(err.Error(), "left alone; edit the hosts file by hand") || got != text {
				t.Errorf("%s of %q: %v, and the file is %q", name, text, err, got)
			}
		}
	}
	text := "hosts = { a = {} }\n"
	got, err := update(t, text, func(e *hosts.Editor) error { return e.Add(hosts.NewHost("b")) })
	if err == nil || !strings.Contains(err.Error(), "it stays as it was") || got != text {
		t.Errorf("add to %q: %v, and the file is %q", text, err, got)
	}
}

func TestSeveralEditsInOne(t *testing.T) {
	got, err := update(t, example, func(e *hosts.Editor) error {
		h, _ := e.Host("myserver")
		if err := e.Remove("myserver"); err != nil {
			return err
		}
		h.Name = "renamed"
		if err := e.Add(h); err != nil {
			return err
		}
		if n := len(e.Hosts()); n != 2 {
			t.Errorf("%d hosts", n)
		}
		h.SSHPort = 22
		return e.Replace(h.Name, h)
	})
	if err != nil || strings.Contains(got, "[hosts.myserver]") || !strings.Contains(got, "[hosts.renamed]\naddress = \"server.example.org\"\nrange") {
		t.Errorf("%v:\n%s", err, got)
	}
}
