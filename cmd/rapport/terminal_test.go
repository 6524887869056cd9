//go:build unix

package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"rapport/knock/knocktest"
)

// On a terminal that answers no queries, a subcommand sends no query, does not wait,
// and writes no escape byte, although the linked libraries would.
func TestSubcommandsLeaveTheTerminalAlone(t *testing.T) {
	rapport := build(t)
	for _, args := range []string{"seq h", "probe 127.0.0.1 --ssh-port 1", "knock 127.0.0.1 --ssh-port 1 --attempts 1", "--help", "demo --fault x", "nosuch command", "seq h -\x1b]0;title\a"} {
		cmd := exec.Command(rapport, strings.Fields(args)...)
		cmd.Env = append(os.Environ(), "RAPPORT_SECRET=f00b4r", "TERM=xterm-256color")
		tty, err := pty.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		out, _ := io.ReadAll(tty) // a pty ends with an error
		_ = cmd.Wait()
		tty.Close()
		if len(out) == 0 || bytes.ContainsRune(out, 0x1b) {
			t.Errorf("rapport %s writes %q", args, out)
		}
	}
}

// tmux is a terminal of its own, on a private socket.
type tmux struct {
	t      *testing.T
	socket string
}

func newTmux(t *testing.T, width, height, command string) *tmux {
	t.Helper()
	knocktest.Need(t, "tmux")
	x := &tmux{t, filepath.Join(t.TempDir(), "s")}
	x.run("new-session", "-d", "-x", width, "-y", height, command)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", x.socket, "kill-server").Run() })
	return x
}

func (x *tmux) run(args ...string) string {
	x.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", x.socket, "-f", "/dev/null"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color")
	out, err := cmd.CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (x *tmux) keys(keys ...string) { x.t.Helper(); x.run(append([]string{"send-keys"}, keys...)...) }

// until waits for the pane to show every text, and returns the pane.
func (x *tmux) until(texts ...string) string {
	x.t.Helper()
	var pane string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		pane = x.run("capture-pane", "-p")
		all := true
		for _, text := range texts {
			all = all && strings.Contains(pane, text)
		}
		if all {
			return pane
		}
	}
	x.t.Fatalf("the pane never shows %q:\n%s", texts, pane)
	return ""
}

// keysUntil presses a key again and again until the pane shows a text.
func (x *tmux) keysUntil(key, text string) {
	x.t.Helper()
	var pane string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		if pane = x.run("capture-pane", "-p"); strings.Contains(pane, text) {
			return
		}
		x.keys(key)
	}
	x.t.Fatalf("pressing %s never shows %q:\n%s", key, text, pane)
}

// It runs alone: other tests knock at the demo's usual ports with its secret.
func TestDemoInTmux(t *testing.T) {
	x := newTmux(t, "80", "24", build(t)+" demo; echo left with $?; sleep 60")
	x.until("READY", "demo")
	x.keys("k")
	x.until("SSH IS OPEN", "SSH-2.0-rapport_demo", "shuts in")
	x.until(strings.Repeat("received   ", 4) + "received") // once the replay is over
	x.until("WINDOW OVER")
	x.keys("p")
	x.until("SSH REFUSED")
	x.keys("m")
	x.until("*****")
	x.run("resize-window", "-x", "60", "-y", "16")
	x.until("SSH REFUSED", "q quit")
	x.run("resize-window", "-x", "50", "-y", "10")
	x.until("SSH REFUSED", "? help")
	x.run("resize-window", "-x", "30", "-y", "6")
	x.until("needs 40x8")
	x.run("resize-window", "-x", "120", "-y", "40")
	x.until("handshake", "time line", "history", "next")
	for _, tab := range [][2]string{{"3", "up, down an hour"}, {"4", "what if"}, {"5", "not run yet"}, {"7", "demo: a gate and an SSH server"}, {"2", "time line"}} {
		x.keys(tab[0])
		x.until(tab[1])
	}
	x.keys("?")
	x.until("esc closes", "knock, then probe")
	x.keys("?", ":")
	x.until("commands")
	x.keys("show", "Space", "log", "Enter")
	x.until("SSH answered after")
	x.keys("q")
	x.until("left with 0")
}

// A server three hours behind, from the first silence to the open gate.
func TestDiagnoseInTmux(t *testing.T) {
	knocktest.Long(t)
	x := newTmux(t, "80", "24", build(t)+" demo --fault clock=-3h; sleep 60")
	x.until("READY", "d diagnose")
	x.keys("k")
	x.until("SSH REFUSED", "d finds out why")
	x.keys("d")
	x.until("no verdict yet")
	x.until("server-hour-behind", "f  apply skew -3h and knock", "┣", "✓ scan")
	x.keys("f")
	x.until("SSH IS OPEN", "server's clock -3h")
}

// After ctrl+c the prompt starts on a new line.
func TestCtrlCEndsTheLine(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, port, _ := net.SplitHostPort(silent.Addr().String())
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := silent.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	cmd := exec.Command(build(t), "probe", "127.0.0.1", "--ssh-port", port, "--timeout", "30s")
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	defer (<-accepted).Close()
	if _, err := tty.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	out, _ := io.ReadAll(tty) // a pty ends with an error
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || string(out) != "^C\r\nrapport: cancelled\r\n" {
		t.Errorf("exit %d, prints %q", code, out)
	}
}

func TestSignalsLeaveTheTerminalSane(t *testing.T) {
	knocktest.Need(t, "pkill", "stty")
	rapport := build(t)
	for name, code := range map[string]string{"TERM": "143", "HUP": "129", "QUIT": "131", "ctrl+c": "130"} {
		t.Run(name, func(t *testing.T) {
			x := newTmux(t, "80", "24", rapport+" demo; echo left with $?; stty -a; sleep 60")
			x.until("READY")
			if name == "ctrl+c" {
				x.keys("C-c")
			} else if out, err := exec.Command("pkill", "-"+name, "-f", "^"+rapport+" demo").CombinedOutput(); err != nil {
				t.Fatalf("pkill: %v %s", err, out)
			}
			x.until("left with "+code, " icanon", " echo ")
		})
	}
}
