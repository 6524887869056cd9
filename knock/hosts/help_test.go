package hosts_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rapport/knock"
	"rapport/knock/hosts"
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
	case "stdin": // tells whether anything is to be read
		var b [1]byte
		n, _ := os.Stdin.Read(b[:])
		fmt.Printf("read%d\n", n)
	case "edit": // another one, which gives a host a secret file
		path := os.Getenv("WRITER_PATH")
		_, err := hosts.Edit(context.Background(), path, "a", func(h hosts.Host) (hosts.Host, error) { return h, nil }, hosts.Generate(), hosts.InFile)
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

func secret(t testing.TB, text string) knock.Secret {
	t.Helper()
	s, err := knock.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func portRange(t testing.TB, text string) knock.Range {
	t.Helper()
	r, err := knock.ParseRange(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// hostsFile writes a hosts file, for the user alone, and returns its path.
func hostsFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hosts.toml")
	write(t, path, text, 0o600)
	return path
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// oneLine fails unless err is a line that a terminal can show, without the
// secret of the tests.
func oneLine(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	for _, c := range text {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\u202e' {
			t.Errorf("an error holds %U: %q", c, text)
		}
	}
	if strings.Contains(text, "f00b4r") {
		t.Errorf("an error shows the secret: %s", text)
	}
	if len(text) > 6000 {
		t.Errorf("an error has %d bytes", len(text))
	}
}
