package sshconfig

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"rapport/knock/knocktest"
)

// Each word of a ProxyCommand survives ssh's expansion of % and the user's shell.
func TestProxyStanza(t *testing.T) {
	if runtime.GOOS == "windows" {
		knocktest.Lack(t, "sh, whose quotes these are: windows has none")
	}
	p := Proxy{Words: []string{"/opt/100% mine/rapport", "proxy", "--config=/a'b"}, Fdpass: true}
	got, err := p.Stanza("myserver", "Server.example.org", 2222, true)
	want := `Host myserver
    Port 2222
    HostKeyAlias [server.example.org]:2222
    ProxyCommand '/opt/100%% mine/rapport' proxy '--config=/a'\''b' -- '%h' %p
    ProxyUseFdpass yes
    ControlMaster auto
    ControlPath ~/.ssh/control-%C
    ControlPersist 10m
`
	if err != nil || got != want {
		t.Errorf("Stanza returns\n%s%v, want\n%s", got, err, want)
	}
	for address, want := range map[string]string{"203.0.113.7": "\n    HostKeyAlias 203.0.113.7\n", "Plain": "Host plain\n    ProxyCommand "} {
		if got, err := p.Stanza("plain", address, 22, false); err != nil || !strings.Contains(got, want) {
			t.Errorf("Stanza returns for %s\n%s%v, want %q in it", address, got, err, want)
		}
	}
	if _, err := p.Stanza("a*", "a*", 22, false); err == nil {
		t.Error("a pattern passes as a name")
	}
	if _, err := (Proxy{Words: []string{"a\nb"}}).Args("h", "h", 22, nil); err == nil {
		t.Error("a line end passes")
	}
}

// The arguments name the host key as the stanza does, unless the user does.
func TestProxyArgsNameTheHostKey(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("Host named\n  HostKeyAlias other\nHost *\n  Port 22\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, address string
		port          int
		own           []string
		want          string
	}{
		{"plain", "Server.example.org", 22, nil, "server.example.org"},
		{"plain", "server.example.org", 2222, []string{"-F", config, "true"}, "[server.example.org]:2222"},
		{"plain", "Plain", 22, nil, ""},
		{"plain", "s", 22, []string{"-vF" + config, "-4", "-i", "-oHostKeyAlias=x", "true", "-oHostKeyAlias=x"}, "s"},
		{"named", "s", 22, []string{"-4", "-F", config}, ""},
		{"named", "s", 22, []string{"-F", "none"}, "s"},
		{"plain", "s", 22, []string{"-o", "hostkeyalias x"}, ""},
		{"plain", "s", 22, []string{"-4oHostKeyAlias=x"}, ""},
	} {
		args, err := Proxy{Words: []string{"rapport"}}.Args(tt.name, tt.address, tt.port, tt.own)
		at := slices.IndexFunc(args, func(s string) bool { return strings.HasPrefix(s, "HostKeyAlias=") })
		got := ""
		if at > 0 && args[at-1] == "-o" {
			got = strings.TrimPrefix(args[at], "HostKeyAlias=")
		}
		if err != nil || got != tt.want {
			t.Errorf("%s at %s, %v: host key of %q, want %q (%v)", tt.name, tt.address, tt.own, got, tt.want, err)
		}
	}
}
