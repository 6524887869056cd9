//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// The built program against the article's gate: each outcome has its own state, exit
// code and line.
func TestKnockOnTheRealGate(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	knocktest.Need(t)
	rapport := build(t)
	open := knocktest.NewServer(t, knocktest.Options{})
	nobody := open.Addr4
	for range 100 {
		nobody = nobody.Next()
	}
	for _, tt := range []struct {
		name   string
		host   string
		code   int
		state  knock.SSHState
		stderr string
	}{
		{"opens", open.Addr4.String(), 0, "open", "^$"},
		{"opens over v6", open.Addr6.String(), 0, "open", "^$"},
		{"sshd down", address(knocktest.NewServer(t, knocktest.Options{NoSSHD: true})), 1, "refused", "^rapport: the gate opened, but nothing listens behind it"},
		{"wrong hour", address(knocktest.NewServer(t, knocktest.Options{At: time.Now().Add(-3 * time.Hour)})), 1, "filtered", "^rapport: SSH stayed shut: "},
		{"unknown name", "no.such.invalid", 3, "", "^rapport: name not resolved: "},
		{"nobody there", nobody.String(), 3, "unreachable", "^rapport: host unreachable: "},
		{"no route", netip.MustParseAddr("198.51.100.7").String(), 3, "unreachable", "^rapport: host unreachable: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(rapport, "knock", tt.host, "--range", "10000-10999", "--json")
			cmd.Env = append(os.Environ(), "RAPPORT_SECRET=f00b4r")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			code := 0
			if e := new(exec.ExitError); errors.As(err, &e) {
				code = e.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != tt.code || !regexp.MustCompile(tt.stderr).MatchString(stderr.String()) || strings.Count(stderr.String(), "\n") > 1 {
				t.Errorf("exit %d, want %d; stderr %q", code, tt.code, &stderr)
			}
			if tt.state == "" {
				return
			}
			var r struct {
				Opened   bool
				Attempts []struct{ Knocks []struct{ Port int } }
				SSH      struct {
					State  knock.SSHState
					Banner string
				}
			}
			if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
				t.Fatalf("%v: %s", err, &stdout)
			}
			if r.SSH.State != tt.state || r.Opened != (tt.code == 0) || r.Opened != strings.HasPrefix(r.SSH.Banner, "SSH-2.0-OpenSSH") {
				t.Errorf("got %+v", r)
			}
			if r.Opened && (len(r.Attempts) != 1 || len(r.Attempts[0].Knocks)%knock.Knocks != 0) {
				t.Errorf("attempts: %+v", r.Attempts)
			}
		})
	}
}

func address(s *knocktest.Server) string { return s.Addr4.String() }
