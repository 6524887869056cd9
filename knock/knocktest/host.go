package knocktest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Host is a host with a network and processes of its own. It shares the file
// system with the test. Addresses are on eth0, a host's only interface unless it
// is a router, which has the server behind eth1.
type Host struct {
	// Addr4 and Addr6 are the host's addresses.
	Addr4, Addr6 netip.Addr

	// The first process of the host is a cat that reads from the test process. It
	// ends with the test process, even if that is killed, and the kernel then kills
	// every process of the host and removes its network.
	holder *exec.Cmd
	stdin  io.Closer
}

// newHost makes a host without a link. It exists until the test ends.
func newHost(t testing.TB) *Host {
	t.Helper()
	Need(t, "cat", "ip", "nsenter", "sh")
	h := &Host{holder: exec.Command(lookPath("cat"))}
	isolate(h.holder)
	var err error
	if h.stdin, err = h.holder.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := h.holder.Start(); err != nil {
		t.Fatalf("no namespaces for a host: %v", err)
	}
	t.Cleanup(func() {
		_ = h.holder.Process.Kill() // an error: it has ended already
		_ = h.holder.Wait()         // an error: it was killed
	})
	return h
}

// pid is the holder's process id, by which the host is entered.
func (h *Host) pid() int { return h.holder.Process.Pid }

// Command returns a command that runs a program on the host, like
// [exec.CommandContext]. Its Env is set, with the folders of root's programs on the
// PATH. Its Process is the nsenter that waits for the program: the end of ctx kills
// the program, a signal to Process does not reach it.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	nsenter := []string{"-t", fmt.Sprint(h.pid()), "-n", "-p", "--", name}
	cmd := exec.CommandContext(ctx, lookPath("nsenter"), append(nsenter, args...)...)
	cmd.Env = environ()
	cmd.Cancel = func() error { return signalInside(cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for child processes that still have its output open
	return cmd
}

// Run runs a program on the host and returns what it wrote to its standard
// output. It fails the test, with all output, unless the exit code is 0.
func (h *Host) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return run(t, h.Command(ctx, name, args...))
}

// run runs cmd and returns its output, failing the test on error.
func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	out, err := try(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try runs cmd and returns its output. The error has all of its output.
func try(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// ip runs an ip command in the test's own network namespace.
func ip(t testing.TB, args ...string) {
	t.Helper()
	if err := tryIP(args...); err != nil {
		t.Fatal(err)
	}
}

// tryIP is ip for a command that may fail. It has a context of its own, since
// clean-up runs after the end of the test's context.
func tryIP(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_, err := try(exec.CommandContext(ctx, lookPath("ip"), args...))
	return err
}

// listens reports whether a socket of the host listens on the TCP port, in the
// family of the file: tcp or tcp6. It sends no packet.
func (h *Host) listens(file string, port int) bool {
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", h.pid(), file))
	if err != nil {
		return false
	}
	local := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], local) && f[3] == "0A" {
			return true
		}
	}
	return false
}
