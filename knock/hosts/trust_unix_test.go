//go:build unix

package hosts_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// A hosts file that others can write, or replace by way of a folder or a link,
// is refused with the command that fixes it, which works.
func TestLoadRefusesWhatOthersCanWrite(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil, fix func(t *testing.T, dir, path string)
		want       string // %[1]s is the folder, %[2]s the file
	}{
		"written by all":      {chmod(0o666), chmod(0o600), `hosts file %[2]q can be written by others: it is not trusted; run chmod 600 %[2]q`},
		"written by a group":  {chmod(0o660), chmod(0o600), `run chmod 600 %[2]q`},
		"its folder":          {chmodFolder("d", 0o777), chmodFolder("d", 0o755), `the hosts file's folder "%[1]s/d" can be written by others: it is not trusted; run chmod go-w "%[1]s/d"`},
		"a folder above":      {chmodFolder("", 0o770), chmodFolder("", 0o750), `run chmod go-w %[1]q`},
		"a link's own folder": {linked(0o777), chmodFolder("open", 0o755), `run chmod go-w "%[1]s/open"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "d", "hosts.toml")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			knocktest.WriteFile(t, path, "[hosts.a]\nsecret_command = [\"false\"]\n", 0o600)
			tt.spoil(t, dir, path)
			at := path
			if link := filepath.Join(dir, "link"); tt.want == `run chmod go-w "%[1]s/open"` {
				at = link
			}
			want := fmt.Sprintf(tt.want+"%.0[1]s%.0[2]s", dir, path)
			_, err := hosts.Load(at)
			if !errors.Is(err, hosts.ErrNotTrusted) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("Load: %v, want %s", err, want)
			}
			knocktest.OneLine(t, err)
			err = hosts.Update(t.Context(), at, func(e *hosts.Editor) error { return e.Add(hosts.NewHost("b")) })
			if !errors.Is(err, hosts.ErrNotTrusted) {
				t.Errorf("Update: %v", err)
			}
			tt.fix(t, dir, path)
			if file, err := hosts.Load(at); err != nil || len(file.Hosts()) != 1 {
				t.Errorf("fixed: %v", err)
			}
		})
	}
}

func chmod(mode os.FileMode) func(*testing.T, string, string) {
	return func(t *testing.T, _, path string) { setMode(t, path, mode) }
}

func chmodFolder(name string, mode os.FileMode) func(*testing.T, string, string) {
	return func(t *testing.T, dir, _ string) { setMode(t, filepath.Join(dir, name), mode) }
}

// linked makes link -> open/link -> the file, where open has that mode.
func linked(mode os.FileMode) func(*testing.T, string, string) {
	return func(t *testing.T, dir, path string) {
		open := filepath.Join(dir, "open")
		if err := errors.Join(os.Mkdir(open, 0o700), os.Symlink(path, filepath.Join(open, "link")), os.Symlink("open/link", filepath.Join(dir, "link"))); err != nil {
			t.Fatal(err)
		}
		setMode(t, open, mode)
	}
}

func setMode(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// What ssh would trust is: a folder that others write in but cannot move files
// of, as /tmp; a home folder below one that others can write; devices and pipes.
func TestLoadTrustsWhatOthersCannotReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "home", "hosts.toml")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	knocktest.WriteFile(t, path, "[hosts.a]\n", 0o644)
	setMode(t, dir, 0o777|os.ModeSticky)
	if _, err := hosts.Load(path); err != nil {
		t.Errorf("sticky: %v", err)
	}
	setMode(t, dir, 0o777)
	if _, err := hosts.Load(path); !errors.Is(err, hosts.ErrNotTrusted) {
		t.Errorf("not sticky: %v", err)
	}
	t.Setenv("HOME", filepath.Dir(path))
	if _, err := hosts.Load(path); err != nil {
		t.Errorf("below the home folder: %v", err)
	}
	if _, err := hosts.Load(os.DevNull); err != nil {
		t.Errorf("%s: %v", os.DevNull, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("[hosts.a]\n"); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if file, err := hosts.Load(fmt.Sprintf("/dev/fd/%d", r.Fd())); err != nil || len(file.Hosts()) != 1 {
		t.Errorf("a pipe, as <(command) has it: %v", err)
	}
}

// Root does not run what another user wrote.
func TestRootDoesNotTrustAUser(t *testing.T) {
	needChown(t)
	for which, command := range map[string]string{"d/hosts.toml": `run chown root "%s/link"`, "d": `run chown root "%s/d"`, "link": `run chown -h root "%s/link"`} {
		dir := t.TempDir()
		path := filepath.Join(dir, "d", "hosts.toml")
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.Symlink(path, filepath.Join(dir, "link"))); err != nil {
			t.Fatal(err)
		}
		knocktest.WriteFile(t, path, "[hosts.a]\n", 0o600)
		given := filepath.Join(dir, which)
		if err := os.Lchown(given, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		_, err := hosts.Load(filepath.Join(dir, "link"))
		if !errors.Is(err, hosts.ErrNotTrusted) || !strings.HasSuffix(err.Error(), fmt.Sprintf(command, dir)) {
			t.Errorf("%s: %v", which, err)
		}
		knocktest.OneLine(t, err)
		if err := os.Lchown(given, 0, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := hosts.Load(filepath.Join(dir, "link")); err != nil {
			t.Errorf("%s, fixed: %v", which, err)
		}
	}
}

// nobody is a user who is not root.
const nobody = 65534

// needChown ends a test that cannot give files away.
func needChown(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	knocktest.WriteFile(t, path, "", 0o600)
	if err := os.Chown(path, nobody, nobody); err != nil {
		knocktest.Lack(t, "root, to give a file away")
	}
}

// The file of a user stays the user's when root edits it, and so is all that is
// made beside it.
func TestRootEditsAUsersFile(t *testing.T) {
	needChown(t)
	const group = 12345
	dir := t.TempDir()
	setMode(t, filepath.Dir(dir), 0o755) // for the user to come to it
	path := filepath.Join(dir, "hosts.toml")
	knocktest.WriteFile(t, path, "[hosts.a]\n", 0o640)
	if err := errors.Join(os.Chown(dir, nobody, nobody), os.Chown(path, nobody, group)); err != nil {
		t.Fatal(err)
	}
	if out, err := helper(t, "edit", "WRITER_PATH="+path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("%v, %v; want the file, its lock and a secret", left, err)
	}
	for _, e := range left {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != nobody || e.Name() == "hosts.toml" && (st.Gid != group || info.Mode() != 0o640) {
			t.Errorf("%s: %v, owner %d, group %d", e.Name(), info.Mode(), st.Uid, st.Gid)
		}
	}
	// A user's link leads root to no file but the user's own.
	theirs := filepath.Join(t.TempDir(), "hosts.toml")
	knocktest.WriteFile(t, theirs, "[hosts.a]\n", 0o600)
	if err := errors.Join(os.Remove(path), os.Symlink(theirs, path), os.Lchown(path, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	if out, err := helper(t, "edit", "WRITER_PATH="+path).CombinedOutput(); err == nil || !strings.Contains(string(out), "not trusted") || read(t, theirs) != "[hosts.a]\n" {
		t.Errorf("%v\n%s", err, out)
	}
}
