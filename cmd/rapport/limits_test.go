//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// limited runs the program with at most n descriptors.
func limited(t *testing.T, rapport string, n int, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `ulimit -n "$1" && shift && exec "$@"`, "sh", strconv.Itoa(n), rapport}, args...)...)
	cmd.Env = append(os.Environ(), "RAPPORT_SECRET=f00b4r")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// A scan of thousands of candidates needs few descriptors, and works with fewer.
func TestScanWithFewDescriptors(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	knocktest.Need(t)
	rapport := build(t)
	for _, n := range []int{256, 64} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			s := knocktest.NewServer(t, knocktest.Options{At: time.Now().Add(-290 * time.Hour)})
			out, errs, code := limited(t, rapport, n, "scan", address(s), "--past", "300", "--json")
			var r struct {
				Opened *struct {
					Offset int `json:"hour_offset"`
				}
				Confirmed                        bool
				Hypotheses, Packets, Connections int
				Elapsed                          float64 `json:"elapsed_ms"`
			}
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v: %s%s", err, out, errs)
			}
			if code != 0 || r.Opened == nil || r.Opened.Offset < -291 || r.Opened.Offset > -290 || !r.Confirmed || r.Hypotheses < 2000 {
				t.Errorf("exit %d: %s%s", code, out, errs)
			}
			t.Logf("%d hypotheses, %d packets, %d connections in %.1f s", r.Hypotheses, r.Packets, r.Connections, r.Elapsed/1000)
		})
	}
}

// With almost no descriptors a command works, or fails with one line that names the
// cause; it never hangs.
func TestCommandsWithFewDescriptors(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	knocktest.Need(t)
	rapport := build(t)
	for _, args := range []string{"knock", "knock in vain", "probe", "proxy", "doctor"} {
		for _, n := range []int{32, 9} {
			t.Run(fmt.Sprint(args, " ", n), func(t *testing.T) {
				t.Parallel()
				var o knocktest.Options
				command, _, vain := strings.Cut(args, " ")
				if vain {
					o.Secret = "other"
				}
				started := time.Now()
				out, errs, code := limited(t, rapport, n, command, address(knocktest.NewServer(t, o)))
				line := strings.HasPrefix(errs, "rapport: ") && strings.Count(errs, "\n") == 1 && !strings.Contains(errs, "panic")
				if code < 0 || code > 3 || code != 0 && !line || time.Since(started) > time.Minute {
					t.Errorf("exit %d after %v: %s%s", code, time.Since(started), out, errs)
				}
			})
		}
	}
}
