//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/lockedfile"
	"golang.org/x/sys/unix"

	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// kills is how often programs are killed: RAPPORT_KILLS times, or so often.
func kills(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("RAPPORT_KILLS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// At whatever moment an edit is killed, the hosts file is the old one or the new one,
// with its comments, and temporary files do not pile up beside it.
func TestKilledEditsLeaveTheHostsFileWhole(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	rapport := build(t)
	path := filepath.Join(t.TempDir(), "hosts.toml")
	text := "# the very top\n\n" + strings.Repeat("# much to write\n", 2000) + "[hosts.x] # here\nskew = \"1s\" # as measured\nssh_port = 2222\n\n# the end\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	edit := func(skew time.Duration) *exec.Cmd {
		return exec.Command(rapport, "hosts", "edit", "x", "--skew", skew.String(), "--config", path)
	}
	started := time.Now()
	if out, err := edit(2 * time.Second).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	takes := time.Since(started)
	old, changed, littered := 2*time.Second, 0, 0
	n := kills(t, 40)
	for i := range n {
		skew := time.Duration(i+3) * time.Second
		cmd := edit(skew)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(takes * 5 / 4))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()

		file, err := hosts.Load(path)
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		h, _ := file.Host("x")
		if h.Skew != old && h.Skew != skew {
			t.Fatalf("kill %d: skew is %v, was %v and was to be %v", i, h.Skew, old, skew)
		}
		got, err := os.ReadFile(path)
		if want := strings.Replace(text, `"1s"`, strconv.Quote(inWords(h.Skew)), 1); err != nil || string(got) != want {
			t.Fatalf("kill %d: %v, %d bytes, want %d\n%s", i, err, len(got), len(want), bytes.TrimLeft(got, "# muchtowrite\n"))
		}
		if h.Skew != old {
			changed++
		}
		old = h.Skew
		left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*.tmp"))
		if err != nil || len(left) > 1 {
			t.Fatalf("kill %d: %v beside the hosts file, %v", i, left, err)
		}
		littered += len(left)
	}
	if out, err := edit(time.Hour).CombinedOutput(); err != nil {
		t.Errorf("after %d kills: %v: %s", n, err, out)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 2 { // the file and its lock
		t.Errorf("in its folder are %v, %v", left, err)
	}
	t.Logf("an edit takes %v; of %d killed ones %d were done, %d times a temporary file stood until the next", takes, n, changed, littered)
}

// inWords formats a duration as the hosts file does.
func inWords(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// onTerminal is a program on a terminal of its own.
type onTerminal struct {
	*exec.Cmd
	keyboard, tty *os.File
	before        unix.Termios // its state at the start
	ended         chan error

	mu  sync.Mutex
	out bytes.Buffer
}

func startOnTerminal(t *testing.T, env []string, program string, args ...string) *onTerminal {
	t.Helper()
	keyboard, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	p := &onTerminal{Cmd: exec.Command(program, args...), keyboard: keyboard, tty: tty, ended: make(chan error, 1)}
	p.Env = append(append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8"), env...)
	p.Stdin, p.Stdout, p.Stderr = tty, tty, tty
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p.before = p.state(t)
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 1<<14)
		for {
			n, err := keyboard.Read(buf)
			p.mu.Lock()
			p.out.Write(buf[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		tty.Close()
		keyboard.Close()
		<-read
	})
	return p
}

// state is what stty -a shows.
func (p *onTerminal) state(t *testing.T) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

func (p *onTerminal) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// last returns the end of its output.
func (p *onTerminal) last() string {
	s := p.shown()
	return s[max(0, len(s)-500):]
}

// until waits until the program has written a text.
func (p *onTerminal) until(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(p.shown(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never shows %q: %q", text, p.last())
		}
	}
}

// modes are the modes that a program must reset: the alternate screen, bracketed
// paste, the hidden cursor.
var modes = [][2]string{{"\x1b[?1049h", "\x1b[?1049l"}, {"\x1b[?2004h", "\x1b[?2004l"}, {"\x1b[?25l", "\x1b[?25h"}}

// leftOn returns one of them that is still on.
func leftOn(out string) string {
	for _, m := range modes {
		if strings.LastIndex(out, m[0]) > strings.LastIndex(out, m[1]) {
			return m[0]
		}
	}
	return ""
}

// Any signal but SIGKILL leaves the terminal as it was: at a prompt for the secret,
// while knocking, while comparing, and while ssh uses the terminal.
func TestKilledProgramsLeaveTheTerminalSane(t *testing.T) {
	knocktest.Long(t)
	rapport := build(t)
	bin := t.TempDir()
	ssh := `#!/bin/sh
case $FAKE in
brief) exit 3 ;;
stubborn) trap '' TERM HUP QUIT ;;
*) trap 'stty cooked echo; exit 255' TERM HUP QUIT ;;
esac
stty raw -echo
printf 'in a session'
while :; do sleep 0.05; done
`
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte(ssh), 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "XDG_CONFIG_HOME=" + t.TempDir(), "RAPPORT_SECRET="}
	stories := []struct {
		name, args, wait, keys, then, env string
		command                           bool // ctrl+c is no key of its own there
	}{
		{name: "at the prompt", args: "seq h", command: true},
		{name: "scanning", args: "scan 127.0.0.1 --ssh-port 1", wait: "trying", env: "RAPPORT_SECRET=f00b4r", command: true},
		{name: "starting", args: "demo"},
		{name: "idle", args: "demo", wait: "READY"},
		{name: "knocking", args: "demo", wait: "READY", keys: "k"},
		{name: "knocking in vain", args: "demo --fault drop=3", wait: "READY", keys: "k"},
		{name: "comparing", args: "demo", wait: "READY", keys: "c10247 10363 10357 10858 10938\r"},
		{name: "diagnosing", args: "demo --fault clock=-3h", wait: "READY", keys: "d"},
		{name: "in ssh", args: "demo", wait: "READY", keys: "s", then: "in a session"},
		{name: "in an ssh that does not end", args: "demo", wait: "READY", keys: "s", then: "in a session", env: "FAKE=stubborn"},
		{name: "after ssh", args: "demo", wait: "READY", keys: "s", then: "press enter to return", env: "FAKE=brief"},
		{name: "the list", args: ""},
	}
	signals := []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGINT}
	n := kills(t, 2*len(stories))
	for i := range n {
		story, sig := stories[i%len(stories)], signals[rand.N(len(signals))]
		var args []string
		if story.args != "" {
			args = strings.Split(story.args, " ")
		}
		t.Run(fmt.Sprintf("%s/%v", story.name, int(sig)), func(t *testing.T) {
			p := startOnTerminal(t, append(env[:len(env):len(env)], story.env), rapport, args...)
			if story.wait != "" {
				p.until(t, story.wait)
				if _, err := io.WriteString(p.keyboard, story.keys); err != nil {
					t.Fatal(err)
				}
			}
			if story.then != "" {
				p.until(t, story.then)
			}
			time.Sleep(rand.N(150 * time.Millisecond))
			if story.then != "" && sig == syscall.SIGINT { // it is ssh's
				sig = syscall.SIGTERM
			}
			want := 128 + int(sig)
			if sig == syscall.SIGINT && !story.command { // a key of the screens
				p.until(t, modes[0][0])
				if _, err := io.WriteString(p.keyboard, "\x03"); err != nil {
					t.Fatal(err)
				}
			} else if err := p.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			select {
			case <-p.ended:
			case <-time.After(20 * time.Second):
				t.Fatalf("does not end: %q", p.last())
			}
			code := p.ProcessState.ExitCode()
			early := story.wait == "" && (code == -1 || code == 2) // it did not listen to signals yet
			if code != want && !early {
				t.Errorf("exit %d, want %d", code, want)
			}
			if after := p.state(t); after != p.before {
				t.Errorf("the terminal is %+v, was %+v; it shows %q", after, p.before, p.last())
			}
			// Its output may still be in the buffer.
			for end := time.Now().Add(2 * time.Second); leftOn(p.shown()) != "" && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			if m := leftOn(p.shown()); m != "" {
				t.Errorf("%q is left on: %q", m, p.last())
			}
		})
	}
}

// An edit waits while another program locks the hosts file; the first ctrl+c ends it.
func TestCtrlCEndsTheWaitForTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hosts.toml")
	const text = "[hosts.x]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	held := filepath.Join(filepath.Dir(path), ".hosts.toml.lock")
	unlock, err := lockedfile.MutexAt(held).Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	cmd := exec.Command(build(t), "hosts", "edit", "x", "--skew", "1s", "--config", path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// It waits for the lock as soon as it has opened it.
	var at []string
	for start := time.Now(); len(at) == 0 && time.Since(start) < 10*time.Second; time.Sleep(10 * time.Millisecond) {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", cmd.Process.Pid))
		for _, f := range files {
			if to, _ := os.Readlink(f); to == held {
				at = append(at, f)
			}
		}
	}
	started := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if len(at) == 0 || exitCode(err) != 130 || time.Since(started) > 10*time.Second {
		t.Errorf("at the lock: %v; %v after %v", at, err, time.Since(started))
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != text {
		t.Errorf("%q, %v", got, err)
	}
}

// A signal ends the commands that read and judge rules, also where they wait for rules.
func TestSignalsEndTheReadingOfRules(t *testing.T) {
	t.Parallel()
	rapport := build(t)
	for _, args := range [][]string{{"inspect", "-"}, {"trace", "-"}, {"audit", "-"}} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(fmt.Sprint(args[0], " ", int(sig)), func(t *testing.T) {
				cmd := exec.Command(rapport, args...)
				in, err := cmd.StdinPipe()
				if err == nil {
					err = cmd.Start()
				}
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				// It listens to signals by the time that it reads.
				if _, err := in.Write(make([]byte, 1<<18)); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				if code := exitCode(cmd.Wait()); code != 128+int(sig) {
					t.Errorf("exit %d, want %d", code, 128+int(sig))
				}
			})
		}
	}
}
