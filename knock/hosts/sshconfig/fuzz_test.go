package sshconfig_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"rapport/knock"
	"rapport/knock/hosts/sshconfig"
	"rapport/knock/knocktest"
)

// FuzzFromSSHConfig: whatever the configuration, there is an answer that is fit
// to use or one line that says why not.
func FuzzFromSSHConfig(f *testing.F) {
	f.Add([]byte(reader), "myserver")
	f.Add([]byte("Host=a\nHostName \"x\\\" y\"\nMatch host a,!b all\nPort 0"), "a")
	f.Add([]byte("Include config\nHost [a-z]*? !b\n"), "b")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		// Files of the machine are not the test's to read.
		if bytes.Contains(bytes.ToLower(text), []byte("include")) && bytes.ContainsAny(text, "/~.") {
			return
		}
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := sshconfig.Lookup(path, name)
		knocktest.OneLine(t, err)
		for _, doubt := range h.Doubts {
			knocktest.Printable(t, doubt)
		}
		if !h.Known && h.Address != name || h.Known && (err != nil || h.Port < 1 || h.Port > 65535 || knock.CheckHost(h.Address) != nil) {
			t.Errorf("%+v, %v", h, err)
		}
	})
}
