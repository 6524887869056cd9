package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/knocktest"
)

func TestMain(m *testing.M) {
	testscript.Main(isolated{m}, map[string]func(){"rapport": main})
}

// isolated runs the tests in a network namespace of their own. As a command of
// a script the program is in that namespace already.
type isolated struct{ *testing.M }

func (i isolated) Run() int {
	n := 8
	if knocktest.RunsLong() { // the long tests load the machine by themselves
		n = 6
	}
	knocktest.Parallel(n)
	code := knocktest.Run(i.M)
	if buildFolder != "" {
		_ = os.RemoveAll(buildFolder)
	}
	return code
}

// build builds the program as a user would, once, and returns a path of it that no other
// test has.
func build(t testing.TB) string {
	t.Helper()
	built, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rapport")
	if err := os.Link(built, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// buildFolder holds the program, if a test has asked for it, until the tests are over.
var buildFolder string

var buildOnce = sync.OnceValues(func() (path string, err error) {
	if buildFolder, err = os.MkdirTemp("", "rapport-test-"); err != nil {
		return "", err
	}
	path = filepath.Join(buildFolder, "rapport")
	if out, err := exec.Command("go", "build", "-buildvcs=auto", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// The commands as a user types them; each file of testdata is one story.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("RAPPORT_SECRET", "f00b4r")
			e.Values[gateKey{}] = new([]io.Closer)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"gate": startGate, "exits": exits, "midhour": func(*testscript.TestScript, bool, []string) { awayFromHourChange() },
		},
	})
}

// gateKey is the key of a script's stand-ins.
type gateKey struct{}

// startGate starts the stand-in on loopback until the script ends or starts
// another: gate [FAULT...]. $SSH_PORT, $RANGE and $RAPPORT_SECRET are what a client needs.
// The secret is the script's own: what the scripts beside it scan opens nothing here.
func startGate(ts *testscript.TestScript, neg bool, args []string) {
	running := ts.Value(gateKey{}).(*[]io.Closer)
	for _, g := range *running {
		g.Close()
	}
	text := "f00b4r" + ts.Name()
	secret, err := knock.ParseSecret(text)
	ts.Check(err)
	c := demo.Config{Secret: secret}
	for _, a := range args {
		ts.Check(c.Faults.Set(a))
	}
	awayFromHourChange()
	g, err := demo.Start(context.Background(), c)
	ts.Check(err)
	*running = append(*running, g)
	ts.Defer(func() { g.Close() })
	ts.Setenv("SSH_PORT", strconv.Itoa(int(g.SSHAddr.Port())))
	ts.Setenv("RANGE", g.Range.String())
	ts.Setenv("RAPPORT_SECRET", text)
}

// awayFromHourChange waits until the hour change is past for longer than a handshake
// sends both hours (knock.HoursAt), if it is near: then the output differs.
func awayFromHourChange() {
	const before, after = time.Minute, 95 * time.Second
	hour := knock.HourOf(time.Now().Add(before))
	if wait := time.Until(hour.Start().Add(after)); wait > 0 {
		time.Sleep(wait)
	}
}

// exits runs a command and checks its exit code: exits CODE COMMAND ARG...
// What it printed is in the files out and err.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = -1
		if e, ok := err.(interface{ ExitCode() int }); ok {
			got = e.ExitCode()
		}
	}
	out, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	ts.Check(os.WriteFile(ts.MkAbs("out"), []byte(out), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("err"), []byte(stderr), 0o600))
	if got != want {
		ts.Fatalf("%s exits %d, want %d\n%s", fmt.Sprint(args[1:]), got, want, stderr)
	}
}
