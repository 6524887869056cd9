package plain_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
	"rapport/tui/plain"
	"rapport/tui/session"
)

// The demo listens on real ports of loopback.
func TestMain(m *testing.M) { knocktest.Main(m) }

// stand starts a demo with faults, and returns what the lines begin with on it, with a
// hosts file of its own.
func stand(t *testing.T, faults ...string) session.Config {
	t.Helper()
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	c := demo.Config{Secret: secret}
	for _, f := range faults {
		if err := c.Faults.Set(f); err != nil {
			t.Fatal(err)
		}
	}
	g, err := demo.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	path := filepath.Join(t.TempDir(), "hosts.toml")
	h := hosts.NewHost("standin")
	h.Address, h.SSHPort, h.Range = "127.0.0.1", int(g.SSHAddr.Port()), g.Range
	if h, err = hosts.Add(t.Context(), path, h, secret, hosts.InFile); err != nil {
		t.Fatal(err)
	}
	return session.Config{Host: &h, Secret: secret, HostsPath: path, Demo: true}
}

// lines runs the commands and returns what is printed.
func lines(t *testing.T, c session.Config, commands string) string {
	t.Helper()
	var out strings.Builder
	if err := plain.Run(t.Context(), c, strings.NewReader(commands), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// inOrder fails unless the texts are in out, one after the other.
func inOrder(t *testing.T, out string, texts ...string) {
	t.Helper()
	rest := out
	for _, text := range texts {
		i := strings.Index(rest, text)
		if i < 0 {
			t.Fatalf("it does not say %q in its place:\n%s", text, out)
		}
		rest = rest[i+len(text):]
	}
	if strings.ContainsAny(out, "\x1b\r\b") {
		t.Errorf("it is more than lines: %q", out)
	}
}

func TestKnockInLines(t *testing.T) {
	c := stand(t)
	c.HistoryPath = filepath.Join(t.TempDir(), "history.jsonl")
	out := lines(t, c, "k\n\np\nn\nq\nk\n")
	inOrder(t, out, "commands, each on a line: k knock", "knock 1: port ", "knock 2: port ", "knock 5: port ", "received", "SSH is open, after ", "SSH-2.0-",
		"s logs in", "probed without a knock: SSH is open", "-")
	if n := strings.Count(out, "attempt 1"); n != 1 {
		t.Errorf("%d handshakes, want the one before q:\n%s", n, out)
	}
	if b, err := os.ReadFile(c.HistoryPath); err != nil || strings.Count(string(b), "\n") != 1 {
		t.Errorf("the history is %q, %v", b, err)
	}
}

// The end of the window is said, without a countdown.
func TestWindowEndsInALine(t *testing.T) {
	t.Parallel()
	in, commands := io.Pipe()
	defer commands.Close()
	printed, out := io.Pipe()
	done := make(chan error, 1)
	c := stand(t)
	go func() { done <- plain.Run(t.Context(), c, in, out); out.Close() }()
	go func() { _, _ = io.WriteString(commands, "k\n") }()
	lines := bufio.NewScanner(printed)
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
		if strings.HasPrefix(lines.Text(), "the window is over") {
			go func() { _, _ = io.WriteString(commands, "q\n") }()
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	last := all[max(0, len(all)-2):]
	if !strings.HasPrefix(last[0], "it stays open for 5 s") || !strings.HasPrefix(last[1], "the window is over") {
		t.Errorf("the end is %q", last)
	}
}

// A server three hours behind: diagnosed, fixed, opened, undone.
func TestDiagnoseInLines(t *testing.T) {
	t.Parallel()
	c := stand(t, "clock=-3h")
	out := lines(t, c, "k\nd\nf\nu\nu\n")
	inOrder(t, out, "d finds out why", "handshake fail, ", "verdict server-hour-behind: ", "f applies skew -3h and knocks", "applied skew -3h, written to ", "SSH is open, ", "undone: skew -3h", "there is nothing to undo")
	if b, err := os.ReadFile(c.HostsPath); err != nil || strings.Contains(string(b), "skew") {
		t.Errorf("after the undo the file is %s, %v", b, err)
	}
}

func TestServersInLines(t *testing.T) {
	c := stand(t)
	c.Host, c.Secret = nil, knock.Secret{}
	out := lines(t, c, "k\n7\nnosuch\n1\nk\n")
	inOrder(t, out, "1: standin, 127.0.0.1 port ", "no server is open", `no server "7"`, `no server "nosuch"`, "standin, range ", "SSH is open")
	c.HostsPath = filepath.Join(t.TempDir(), "none.toml")
	inOrder(t, lines(t, c, ""), "no servers in ", "rapport hosts add NAME")
}

// x ends what is under way; the end of the context ends the program with its cause.
func TestCancelInLines(t *testing.T) {
	c := stand(t, "drop=3")
	in, commands := io.Pipe()
	defer commands.Close()
	printed, out := io.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- plain.Run(ctx, c, in, out); out.Close() }()
	go func() { _, _ = io.WriteString(commands, "x\nk\n") }()
	cause := errors.New("a signal")
	lines := bufio.NewScanner(printed)
	var all strings.Builder
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		switch {
		case strings.HasPrefix(lines.Text(), "attempt 2"):
			go func() { _, _ = io.WriteString(commands, "x\n") }()
		case lines.Text() == "cancelled":
			cancel(cause)
		}
	}
	if err := <-done; !errors.Is(err, cause) {
		t.Errorf("it ends with %v", err)
	}
	inOrder(t, all.String(), "nothing is under way", "attempt 1", "attempt 2", "cancelled")
}
