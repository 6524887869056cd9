//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/knock/demo"
	"rapport/knock/knocktest"
)

// sshBin makes a folder with an ssh that asks nothing and remembers no host key.
func sshBin(t *testing.T) string {
	t.Helper()
	knocktest.Need(t, "ssh")
	real, err := exec.LookPath("ssh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \"$@\"\n", real)
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// insideAnHour waits until the hour has begun and does not end within two minutes: a
// diagnosis tells hours apart.
func insideAnHour(t *testing.T) {
	t.Helper()
	for now := time.Now(); now.Add(2*time.Minute).Truncate(time.Hour) != now.Truncate(time.Hour); now = time.Now() {
		select {
		case <-t.Context().Done():
			t.Fatal("the test is over before the hour changes")
		case <-time.After(time.Second):
		}
	}
}

// The whole way of a newcomer: the first start and the demo, the form, a knock at a gate
// that stays shut, the diagnosis, its fix, a knock that opens, ssh, the list, the undo.
func TestNewcomerInTmux(t *testing.T) {
	knocktest.Long(t)
	rapport, bin := build(t), sshBin(t)
	for _, size := range [][2]string{{"80", "24"}, {"120", "40"}} {
		t.Run(size[0]+"x"+size[1], func(t *testing.T) {
			insideAnHour(t)
			server, err := demo.Start(t.Context(), demo.Config{
				Secret: knocktest.NewSecret(t, "f00b4r"), Range: knocktest.NewRange(t, 20000, 20999), SSHPort: 2022,
				Faults: demo.Faults{Clock: -3 * time.Hour},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			dir := t.TempDir()
			hostsFile := filepath.Join(dir, "hosts.toml")
			x := newTmux(t, size[0], size[1], fmt.Sprintf("XDG_STATE_HOME=%s PATH=%s:$PATH RAPPORT_SECRET= %s --config %s; echo left with $?; sleep 60", dir, bin, rapport, hostsFile))
			x.until("add a server", "The gate opens SSH", "ctrl+d demo")
			x.keys("C-d")
			x.until("READY", "demo: a gate and an SSH server")
			x.keys("q")
			x.until("add a server", "> name")
			x.keys("local", "Tab", "127.0.0.1", "Tab", "C-u", fmt.Sprint(server.SSHAddr.Port()), "Tab", "C-u", "20000-20999", "Tab", "f00b4r")
			x.until("******", "weak")
			x.keys("C-s")
			x.until("READY", "rapport rules local", "/etc/rapport/secret")
			x.keys("k")
			x.until("SSH REFUSED", "d finds out why")
			x.keys("d")
			x.until("server-hour-behind", "f  apply skew -3h and knock")
			x.keys("f")
			x.until("SSH IS OPEN", "shuts in", "-3h") // perhaps still from the diagnosis
			x.keysUntil("p", "SSH REFUSED")           // the window of the diagnosis or of f is over
			x.keys("k")
			x.until("SSH IS OPEN", "shuts in")
			x.keys("s")
			x.until("press enter to return to the screens")
			x.keys("Enter")
			x.until("SSH ENDED")
			if b, err := os.ReadFile(hostsFile); err != nil || !strings.Contains(string(b), `skew = "-3h"`) {
				t.Errorf("the fix is not in the hosts file: %s, %v", b, err)
			}
			x.keys("1")
			x.until("1 server", "local")
			x.keys("u")
			x.until("undone: skew -3h of local")
			if b, err := os.ReadFile(hostsFile); err != nil || strings.Contains(string(b), "skew") {
				t.Errorf("after the undo the hosts file is %s, %v", b, err)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "rapport", "history.jsonl")); err != nil || strings.Count(string(b), "\n") != 3 {
				t.Errorf("the history is %q, %v", b, err)
			}
			x.keys("q")
			x.until("left with 0")
		})
	}
}
