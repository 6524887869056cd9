package sshconfig

import (
	"runtime"
	"strings"
	"testing"
)

// Each word of a ProxyCommand survives ssh's expansion of % and the user's shell.
func TestProxyStanza(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sh, whose quotes these are, on windows")
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
	if _, err := (Proxy{Words: []string{"a\nb"}}).Args("h", 22); err == nil {
		t.Error("a line end passes")
	}
}
