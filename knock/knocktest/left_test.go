//go:build linux

package knocktest_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// hostNetns names the network namespace of a host.
func hostNetns(t testing.TB, h *knocktest.Host) string {
	return strings.TrimSpace(h.Run(t, "readlink", "/proc/self/ns/net"))
}

// pin keeps the namespace, and with it its number, until the test ends or
// release is called: the kernel gives a free number to the next namespace,
// which may be that of another package's test.
func pin(t testing.TB, netns string) (release func()) {
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if name, err := os.Readlink(link); err != nil || name != netns {
			continue
		}
		f, err := os.Open(link)
		if err != nil {
			continue // that process has just ended
		}
		t.Cleanup(func() { f.Close() })
		return func() { f.Close() }
	}
	t.Fatalf("no process in %s", netns)
	return nil
}

// populated reports whether a process is left in the namespace.
func populated(t testing.TB, netns string) bool {
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(links, func(link string) bool {
		name, err := os.Readlink(link)
		return err == nil && name == netns // an error: it has just ended
	})
}

func devices(t testing.TB) string {
	out, err := exec.Command("ip", "-br", "link").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// routines returns the stacks of goroutines that run the package's own code,
// and not as part of a test.
func routines() (left string) {
	buf := make([]byte, 1<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "rapport/knock/knocktest.") && !strings.Contains(g, "testing.tRunner") && !strings.Contains(g, "testing.(*M).Run") {
			left += g + "\n"
		}
	}
	return left
}

// Not parallel, so that the devices are those of this test.
func TestNothingIsLeft(t *testing.T) {
	knocktest.Long(t)
	whole := t
	knocktest.Need(t, "ip")
	before := devices(t)
	var namespaces []string
	var releases []func()
	for name, o := range map[string]knocktest.Options{
		"by a server":                 {},
		"by one behind a router":      {Router: true},
		"by one at the end of a path": {Path: knocktest.Path{Delay: time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			s := knocktest.NewServer(t, o)
			client := knocktest.NewClient(t, s)
			s.Capture(t)
			s.ServeClocks(t, knocktest.Clocks{HTTP: true, NTP: true, SMTP: true})
			s.NewAddress(t, s.Addr6)
			handshake(t, s.Addr4, sequence(s))
			wantOpen(t, s.SSHAddr(s.Addr4))
			hosts := []*knocktest.Host{s.Host, client}
			if s.Router != nil {
				hosts = append(hosts, s.Router.Host)
				s.Router.Intercept(t, knocktest.Within(s.Range), knocktest.Hold)
			}
			for _, h := range hosts {
				h.Run(t, "sh", "-c", "trap '' TERM HUP INT; setsid sleep 1000 >/dev/null 2>&1 &")
				netns := hostNetns(t, h)
				namespaces = append(namespaces, netns)
				releases = append(releases, pin(whole, netns))
			}
		})
	}
	for _, n := range namespaces {
		if populated(t, n) {
			t.Errorf("processes are left in %s", n)
		}
	}
	for _, release := range releases {
		release()
	}
	if left := routines(); left != "" {
		t.Errorf("goroutines are left:\n%s", left)
	}
	if after := devices(t); after != before {
		t.Errorf("devices are left:\n%s", after)
	}
}

// again runs one test of this binary as go test would, outside all markers.
func again(t testing.TB, test string, env ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), enough)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, exe, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "RAPPORT_")
	})
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // a second for each process otherwise
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// For other tests to run: it says where its host is, and does as it is told.
func TestHelper(t *testing.T) {
	role := os.Getenv("RAPPORT_HELPER")
	switch role {
	case "": // only for other tests to run
	case "fail":
		t.Error("as told")
	case "need":
		knocktest.Need(t, "sh")
	case "need more":
		knocktest.Need(t, "sh", "no-such-program")
	case "wait":
		s := knocktest.NewServer(t, knocktest.Options{})
		t.Logf("netns %s", hostNetns(t, s.Host))
		select {}
	}
}

func TestNothingOutlivesAKill(t *testing.T) {
	t.Parallel()
	knocktest.Need(t)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		cmd := again(t, "TestHelper", "RAPPORT_HELPER=wait", "RAPPORT_REAL_GATE=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var netns string
		lines := bufio.NewScanner(out)
		for netns == "" && lines.Scan() {
			_, netns, _ = strings.Cut(lines.Text(), "netns ")
		}
		release := pin(t, netns)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(enough); populated(t, netns); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("processes outlive %v", sig)
			}
		}
		release()
		if err := cmd.Wait(); err == nil {
			t.Errorf("%v, and exit code 0", sig)
		}
	}
}

func TestMainPassesTheExitCodeOn(t *testing.T) {
	t.Parallel()
	knocktest.Need(t)
	for role, want := range map[string]int{"": 0, "fail": 1} {
		cmd := again(t, "TestHelper", "RAPPORT_HELPER="+role)
		if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != want {
			t.Errorf("helper %q: %v, want exit code %d\n%s", role, err, want, out)
		}
	}
}

func TestNeedSkipsOrFails(t *testing.T) {
	t.Parallel()
	const none = "RAPPORT_KNOCKTEST_MISSING=forbidden here"
	for _, tt := range []struct {
		role, missing, gate string
		code                int
		says                string
	}{
		{"need", none, "", 0, "missing: namespaces (forbidden here)"},
		{"need", none, "1", 1, "missing: namespaces (forbidden here)"},
		{"need more", none, "1", 1, "missing: namespaces (forbidden here), the program no-such-program"},
		{"need more", "", "", 0, "missing: the program no-such-program"},
		{"need more", "", "1", 1, "missing: the program no-such-program"},
		{"need", "", "1", 0, "PASS: TestHelper"},
		{"fail", none, "", 1, "as told"}, // tests without a need run all the same
	} {
		if tt.missing == "" {
			knocktest.Need(t)
		}
		env := []string{"RAPPORT_HELPER=" + tt.role, "RAPPORT_REAL_GATE=" + tt.gate}
		if tt.missing != "" {
			env = append(env, tt.missing)
		}
		out, err := again(t, "TestHelper", env...).CombinedOutput()
		var exit *exec.ExitError
		code := 0
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		if code != tt.code || !strings.Contains(string(out), tt.says) {
			t.Errorf("%+v: exit code %d\n%s", tt, code, out)
		}
	}
}
