package sshconfig_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/hosts/sshconfig"
	"rapport/knock/knocktest"
)

const reader = `# as people have it
User me
Include conf.d/*.conf nothing-there
Match exec "rapport knock %h"
    Port 1
Match originalhost alias host alias
    Port 2022
Host myserver  other # trailing
    HostName server.example.org
    Port 2222
    ProxyCommand rapport proxy %h %p
Host "quoted"
	HostName="192.0.2.1"
host = short1 short2
    hostname %h.example.org
    HostName second.wins.not
Host *.lan !printer.lan
    HostName 10.%%.%h
Host bare
    IdentityFile ~/.ssh/%h
Host badport
    Port ssh
Host badname
    HostName -oProxyCommand=x
Host badtoken
    HostName %u.example.org
Host *
    Port 8022
`

func TestFromSSHConfig(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config")
	knocktest.WriteFile(t, path, reader, 0o600)
	if err := os.MkdirAll(filepath.Join(dir, "conf.d", "folder.conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	knocktest.WriteFile(t, filepath.Join(dir, "conf.d", "work.conf"), "Host included\n  HostName in.example.org\nHost nobody\n", 0o600)
	for _, tt := range []struct {
		name, address string
		port          int
		ok            bool
	}{
		{"myserver", "server.example.org", 2222, true},
		{"other", "server.example.org", 2222, true},
		{"included", "in.example.org", 8022, true},
		{"alias", "alias", 2022, true},
		{"quoted", "192.0.2.1", 8022, true},
		{"short2", "short2.example.org", 8022, true},
		{"nas.lan", "10.%.nas.lan", 8022, true},
		{"bare", "bare", 8022, true},
		{"printer.lan", "", 0, false},
		{"unknown", "", 0, false},
		{"", "", 0, false},
		{"-x", "", 0, false},
	} {
		h, err := sshconfig.Lookup(path, tt.name)
		if !tt.ok {
			tt.address, tt.port = tt.name, 22
		}
		if h.Address != tt.address || h.Port != tt.port || h.Known != tt.ok || err != nil {
			t.Errorf("%s: %+v, %v; want %q, %d, %v", tt.name, h, err, tt.address, tt.port, tt.ok)
		}
		doubt := strings.Join(h.Doubts, "\n")
		want := fmt.Sprintf("ssh configuration %q, line 5: port \"1\" may apply to %q, which rapport cannot evaluate: Match exec", path, tt.name)
		if knock.CheckHost(tt.name) == nil && doubt != want {
			t.Errorf("%s: doubts %s, want %s", tt.name, doubt, want)
		}
	}
	for name, want := range map[string]string{
		"badport":  `port "ssh" is not within 1-65535`,
		"badname":  "starts with '-'",
		"badtoken": "only %h and %% can be expanded",
	} {
		h, err := sshconfig.Lookup(path, name)
		if h.Known || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", name, h, err)
		}
		knocktest.OneLine(t, err)
	}
}

func TestFromSSHConfigThatIsOdd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config")
	for text, want := range map[string]string{
		"":                                 "",
		"Host\nHost \"\nx":                 "line 2: a quote is not closed",
		"Host \"\"\n":                      "an empty pattern",
		"Include config\n":                 "too many files",
		"Include *\n":                      "too many files",
		"Include [\n":                      "syntax error in pattern",
		"Match\n":                          "no criterion",
		"Match host\n":                     "criterion \"host\" has no value",
		"Match x y\nPort 1\n":              "",
		"Match host a user b all\n":        "all stands alone",
		"Host " + strings.Repeat("x", 2e3): "too long",
		strings.Repeat("#\n", 1<<20):       "more than 1048576 bytes",
		"\x1b[31m \x00\xff\n":              "",
		"Host \x1b[31m!\"\n":               "a quote is not closed",
	} {
		knocktest.WriteFile(t, path, text, 0o600)
		h, err := sshconfig.Lookup(path, "a")
		if h.Known || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, %v, want %q", text, h, err, want)
		}
		knocktest.OneLine(t, err)
	}
	for _, path := range []string{"", filepath.Join(dir, "nothing")} {
		if h, err := sshconfig.Lookup(path, "a"); h.Known || err != nil {
			t.Errorf("%q: %v, %v", path, h, err)
		}
	}
	if h, err := sshconfig.Lookup(dir, "a"); h.Known || err == nil {
		t.Errorf("a folder: %v, %v", h, err)
	}
	if path := sshconfig.DefaultPath(); path != "" && filepath.Base(path) != "config" {
		t.Errorf("DefaultSSHConfig = %s", path)
	}
}

// TestIncludeInABlock: an Include counts only where its block does, and does
// not end it.
func TestIncludeInABlock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config")
	knocktest.WriteFile(t, path, "Host a\nInclude more\nPort 3\nHost b\nPort 4\n", 0o600)
	knocktest.WriteFile(t, filepath.Join(dir, "more"), "HostName deep\nHost b\nHostName never\n", 0o600)
	if h, err := sshconfig.Lookup(path, "a"); h.Address != "deep" || h.Port != 3 || !h.Known || err != nil {
		t.Errorf("a: %+v, %v", h, err)
	}
	if h, err := sshconfig.Lookup(path, "b"); h.Address != "b" || h.Port != 4 || !h.Known || err != nil {
		t.Errorf("b: %+v, %v", h, err)
	}
}
