package hosts_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rapport/knock/hosts"
	"rapport/knock/hosts/strength"
	"rapport/knock/knocktest"
)

// helperVariable makes the test binary play another program, named by its
// value, so that the tests need no shell.
const helperVariable = "RAPPORT_HOSTS_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperVariable) {
	case "":
		goleak.VerifyTestMain(m)
	case "print": // a secret_command
		fmt.Print(os.Getenv("PRINT"))
	case "flood":
		for range 100_000 {
			fmt.Println("f00b4r-and-more-than-anybody-wants")
		}
	case "fail":
		fmt.Println("f00b4r")
		os.Exit(3)
	case "sleep":
		time.Sleep(time.Minute)
	case "stdin": // says whether there is any input
		var b [1]byte
		n, _ := os.Stdin.Read(b[:])
		fmt.Printf("read%d\n", n)
	case "edit": // another one, which gives a host a secret file
		path := os.Getenv("WRITER_PATH")
		_, err := hosts.Edit(context.Background(), path, "a", func(h hosts.Host) (hosts.Host, error) { return h, nil }, strength.Generate(), hosts.InFile)
		if err != nil || os.Geteuid() != os.Getuid() {
			fmt.Fprintln(os.Stderr, err, os.Geteuid())
			os.Exit(1)
		}
	case "add": // a writer: helper PATH PREFIX COUNT
		os.Exit(addHosts(os.Getenv("WRITER_PATH"), os.Getenv("WRITER_PREFIX")))
	}
	os.Exit(0)
}

// addHosts adds 20 hosts, printing a line after each.
func addHosts(path, prefix string) int {
	for i := range 20 {
		name := fmt.Sprintf("%s-%02d", prefix, i)
		h := hosts.NewHost(name)
		h.Address = name + ".example.org"
		err := hosts.Update(context.Background(), path, func(e *hosts.Editor) error { return e.Add(h) })
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(name)
	}
	return 0
}

// helper returns the test binary as a command that plays a program.
func helper(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), append(env, helperVariable+"="+name)...)
	return cmd
}

// hostsFile writes a hosts file, for the user alone, and returns its path.
func hostsFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hosts.toml")
	knocktest.WriteFile(t, path, text, 0o600)
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
