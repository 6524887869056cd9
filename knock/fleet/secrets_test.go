//go:build unix

package fleet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/fleet"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// Each secret command runs once, four of them at a time and no more, and nobody is asked
// while one runs.
func TestSecretCommandsSideBySide(t *testing.T) {
	dir := t.TempDir()
	log, script := filepath.Join(dir, "log"), filepath.Join(dir, "pass")
	knocktest.WriteFile(t, script, "#!/bin/sh\necho \"+ $1\" >>"+log+"\nsleep 0.2\necho \"- $1\" >>"+log+"\necho f00b4r\n", 0o700)
	var all []hosts.Host
	for i := range 24 {
		h := hosts.NewHost(fmt.Sprintf("h%d", i))
		h.Address, h.SSHPort = "127.0.0.1", 1 // refused at once
		if i%8 != 3 {
			h.Secret.Command = []string{script, h.Name}
		}
		all = append(all, h)
	}
	var asking, asked atomic.Int32
	f := fleet.Fleet{Client: &knock.Client{}, Options: knock.Options{Gaps: []time.Duration{time.Millisecond}, Wait: time.Millisecond}}
	f.Secrets.Ask = func(context.Context, hosts.Host) (knock.Secret, error) {
		before, _ := os.ReadFile(log)
		if asking.Add(1) > 1 {
			t.Error("two are asked for at once")
		}
		time.Sleep(100 * time.Millisecond)
		asking.Add(-1)
		asked.Add(1)
		if after, _ := os.ReadFile(log); len(after) != len(before) || strings.Count(string(after), "+") != strings.Count(string(after), "-") {
			t.Error("a command runs while somebody is asked")
		}
		return knocktest.NewSecret(t, "f00b4r"), nil
	}
	f.Knock(t.Context(), all, func(k fleet.Knocked) {
		if k.Err != nil {
			t.Error(k.Err)
		}
	})
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	running, most := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "+") {
			running++
		} else {
			running--
		}
		most = max(most, running)
	}
	for _, h := range all {
		if n := strings.Count(string(text), "+ "+h.Name+"\n"); len(h.Secret.Command) > 0 && n != 1 {
			t.Errorf("the command of %s ran %d times", h.Name, n)
		}
	}
	if most != 4 || asked.Load() != 3 {
		t.Errorf("%d commands at a time, %d asked for", most, asked.Load())
	}
}
