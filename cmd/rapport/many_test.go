//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/knocktest"
)

// On a terminal, commands that ask and prompts for secrets come one after the other: the
// next question appears only when the one before is answered. Each command runs once.
func TestManySecretsAskOneAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pass, config := filepath.Join(dir, "pass"), filepath.Join(dir, "hosts.toml")
	knocktest.WriteFile(t, pass, "#!/bin/sh\necho ran >>\"$0.log\"\n{ printf 'passphrase of %s: ' \"$1\"; read x; } </dev/tty >/dev/tty || exit 1\necho f00b4r\n", 0o700)
	text := ""
	for i := range 3 {
		text += fmt.Sprintf("[hosts.asks%d]\naddress = \"127.0.0.1\"\nsecret_command = [%q, \"%[1]d\"]\n[hosts.none%[1]d]\naddress = \"127.0.0.1\"\n", i, pass)
	}
	knocktest.WriteFile(t, config, text, 0o600)
	cmd := exec.Command(build(t), "knock", "--all", "--config", config, "--ssh-port", "1", "--attempts", "1")
	cmd.Env = append(os.Environ(), "RAPPORT_SECRET=")
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	parts := make(chan string)
	go func() {
		defer close(parts)
		for buf := make([]byte, 4096); ; {
			n, err := tty.Read(buf)
			if err != nil {
				return
			}
			parts <- string(buf[:n])
		}
	}()
	question := regexp.MustCompile(`passphrase of \d: |secret for "none\d": `)
	seen, answered := "", 0
	for end := time.After(time.Minute); ; {
		quiet := time.After(300 * time.Millisecond) // in which a second question would come
		select {
		case part, more := <-parts:
			if !more {
				_ = cmd.Wait()
				if ran, _ := os.ReadFile(pass + ".log"); strings.Count(string(ran), "ran") != 3 {
					t.Errorf("3 commands ran like this: %q", ran)
				}
				if answered != 6 || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(seen, "0 of 6 open") {
					t.Errorf("%d answers, exit %d: %s", answered, cmd.ProcessState.ExitCode(), seen)
				}
				return
			}
			seen += part
			continue
		case <-quiet:
		case <-end:
			_ = cmd.Process.Kill()
			t.Fatalf("it does not end: %s", seen)
		}
		switch open := len(question.FindAllString(seen, -1)) - answered; open {
		case 0:
		case 1:
			answered++
			_, _ = tty.WriteString("f00b4r\n")
		default:
			t.Fatalf("%d questions at once: %s", open, seen)
		}
	}
}

// 200 servers, each at an address of its own on loopback, are knocked on and probed by one
// command.
func TestKnockOnAllOf200(t *testing.T) {
	t.Parallel()
	const servers = 200
	rapport, dir := build(t), t.TempDir()
	config := filepath.Join(dir, "hosts.toml")
	var text strings.Builder
	for i := range servers {
		addr := netip.AddrFrom4([4]byte{127, 0, 8, byte(i + 1)})
		s, err := demo.Start(t.Context(), demo.Config{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, SSHPort: 2222, Addr: addr, Window: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		fmt.Fprintf(&text, "[hosts.h%d]\naddress = %q\nssh_port = 2222\nsecret_file = \"secret\"\ntags = [\"web\"]\n", i, addr)
	}
	knocktest.WriteFile(t, config, text.String(), 0o600)
	knocktest.WriteFile(t, filepath.Join(dir, "secret"), "f00b4r\n", 0o600)
	for _, args := range [][]string{{"knock", "--all"}, {"probe", "@web"}} {
		// A busy machine is late to answer some of them.
		knocktest.Eventually(t, fmt.Sprintf("%v opens all", args), func() bool {
			out, err := exec.Command(rapport, append(args, "--config", config)...).CombinedOutput()
			lines := strings.Count(string(out), "\n")
			t.Logf("%v: %v, %d lines, the last ones\n%s", args, err, lines, out[max(0, len(out)-200):])
			return err == nil && lines == servers+1 && strings.Contains(string(out), "\n200 of 200 open")
		})
	}
}
