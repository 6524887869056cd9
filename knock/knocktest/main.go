package knocktest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// Main passes its findings in the environment to the tests of the same process, and
// to processes that they start from the test binary, as fuzzing does.
const (
	envOutside = "RAPPORT_KNOCKTEST_OUTSIDE" // the original network namespace
	envMissing = "RAPPORT_KNOCKTEST_MISSING" // why there is no new one
	envMoving  = "RAPPORT_KNOCKTEST_MOVING"  // set for the new process until it is set up
)

// Main runs the tests of a package in a network namespace of their own, with
// its loopback up and a fresh /run. It is all that a TestMain needs to call:
//
//	func TestMain(m *testing.M) { knocktest.Main(m) }
//
// Main executes the test binary again and exits with its code; if this process is
// killed, so is that one. Where namespaces cannot be made, the tests run here, and
// [Need] skips those that need one. A goroutine that outlives the tests makes them fail.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Parallel lets n tests of the package run at a time, for a TestMain to call before [Main]:
// most of them wait, for silence and for windows to end. Fuzzing waits for nothing, and
// -parallel on the command line counts.
func Parallel(n int) {
	flag.Parse()
	given := fuzzing()
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(n))
	}
}

// Run is Main for a TestMain that has more to do: it returns the exit code.
func Run(m *testing.M) int {
	code, moved, err := move()
	if moved {
		return code
	}
	if err != nil {
		if err := os.Setenv(envMissing, err.Error()); err != nil {
			panic(err)
		}
	}
	code = m.Run()
	if code == 0 && !fuzzing() {
		// The runtime runs cleanups of its own when it likes.
		if err := goleak.Find(goleak.IgnoreAnyFunction("runtime.runCleanups")); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines outlive the tests:", err)
			code = 1
		}
	}
	return code
}

// fuzzing reports whether this run fuzzes: its workers leave
// goroutines.
func fuzzing() bool {
	f := flag.Lookup("test.fuzz")
	return f != nil && f.Value.String() != ""
}

// sbin is where the programs for root are; the PATH of other users may lack it.
var sbin = [...]string{"/usr/sbin", "/sbin"}

// Need skips the test unless [Main] found namespaces and all programs are
// installed, and names what is missing. With RAPPORT_REAL_GATE=1 in the
// environment it fails the test instead.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	var missing []string
	if reason := os.Getenv(envMissing); reason != "" {
		missing = append(missing, "namespaces ("+reason+")")
	} else if !inside() {
		missing = append(missing, "namespaces (TestMain does not call knocktest.Main)")
	}
	needAll(t, missing, programs)
}

// NeedLogin is Need for a test that logs in to a server. For a login sshd changes
// to another user, which root in a user namespace cannot.
func NeedLogin(t testing.TB, programs ...string) {
	t.Helper()
	Need(t, programs...)
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || strings.Join(strings.Fields(string(users)), " ") != "0 0 4294967295" {
		Lack(t, "root, which sshd needs to let someone log in")
	}
}

// needAll ends the test if anything is missing already, or a program is.
func needAll(t testing.TB, missing, programs []string) {
	t.Helper()
	for _, p := range programs {
		if lookPath(p) == "" {
			missing = append(missing, "the program "+p)
		}
	}
	if missing != nil {
		Lack(t, strings.Join(missing, ", "))
	}
}

// Lack ends a test that cannot run here, as [Need] does.
func Lack(t testing.TB, missing string) {
	t.Helper()
	if os.Getenv("RAPPORT_REAL_GATE") == "1" {
		t.Fatalf("missing: %s; RAPPORT_REAL_GATE=1 forbids to skip", missing)
	}
	t.Skipf("missing: %s", missing)
}

// Long skips a test that takes more than some ten seconds on two cores, so that go test
// ./... is a matter of minutes. RAPPORT_LONG=1 or RAPPORT_REAL_GATE=1, as in CI, runs it.
func Long(t testing.TB) {
	t.Helper()
	if !RunsLong() {
		t.Skip("takes long; RAPPORT_LONG=1 runs it")
	}
}

// RunsLong reports whether tests run all cases of what they check, and not a few.
func RunsLong() bool {
	return os.Getenv("RAPPORT_LONG") == "1" || os.Getenv("RAPPORT_REAL_GATE") == "1"
}

// lookPath returns the absolute path of a program, "" when there is none.
func lookPath(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		if p, err = filepath.Abs(p); err == nil {
			return p
		}
	}
	for _, dir := range sbin {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p
		}
	}
	return ""
}

// environ is the environment for programs on a host, with sbin on the PATH.
func environ() []string {
	path := os.Getenv("PATH")
	for _, dir := range sbin {
		path += string(filepath.ListSeparator) + dir
	}
	return append(os.Environ(), "PATH="+path)
}
