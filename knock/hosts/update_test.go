package hosts_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

func TestUpdateMakesFolderAndFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config", "rapport", "hosts.toml")
	if err := hosts.Update(t.Context(), path, func(e *hosts.Editor) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("an edit that changes nothing makes a file")
	}
	if err := hosts.Update(t.Context(), path, func(e *hosts.Editor) error { return e.Add(hosts.NewHost("a")) }); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %o", p, info.Mode(), err, want)
		}
	}
}

func TestUpdateTightensTheMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		knocktest.Lack(t, "file modes, which windows does not keep")
	}
	for before, after := range map[os.FileMode]os.FileMode{0o644: 0o600, 0o600: 0o600, 0o400: 0o400} {
		path := hostsFile(t, "[hosts.a]\n")
		if err := os.Chmod(path, before); err != nil {
			t.Fatal(err)
		}
		h := hosts.NewHost("b")
		h.Secret = hosts.SecretRef{Inline: knocktest.NewSecret(t, "f00b4r")}
		if err := hosts.Update(t.Context(), path, func(e *hosts.Editor) error { return e.Add(h) }); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != after {
			t.Errorf("mode %o became %v, %v", before, info.Mode(), err)
		}
		if file, err := hosts.Load(path); err != nil || len(file.Hosts()) != 2 {
			t.Errorf("mode %o: %v", before, err)
		}
	}
}

func TestUpdateFollowsLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		knocktest.Lack(t, "the privilege that links need on windows")
	}
	dir := t.TempDir()
	for _, sub := range []string{"dotfiles", "config"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link, target := filepath.Join(dir, "config", "hosts.toml"), filepath.Join(dir, "dotfiles", "rapport.toml")
	if err := os.Symlink("../dotfiles/rapport.toml", link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dangling", "there"} {
		if err := hosts.Update(t.Context(), link, func(e *hosts.Editor) error { return e.Add(hosts.NewHost(name)) }); err != nil {
			t.Fatal(err)
		}
	}
	if to, err := os.Readlink(link); err != nil || to != "../dotfiles/rapport.toml" {
		t.Errorf("the link is %q, %v", to, err)
	}
	if got := read(t, target); got != "[hosts.dangling]\n\n[hosts.there]\n" {
		t.Errorf("the target is %q", got)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	err := hosts.Update(t.Context(), loop, func(e *hosts.Editor) error { return e.Add(hosts.NewHost("a")) })
	if err == nil {
		t.Error("a link to itself is written")
	}
	knocktest.OneLine(t, err)
}

func TestUpdateLeavesTheFileAlone(t *testing.T) {
	errMine := errors.New("mine")
	path := hostsFile(t, example)
	err := hosts.Update(t.Context(), path, func(e *hosts.Editor) error {
		if err := e.Remove("myserver"); err != nil {
			return err
		}
		return errMine
	})
	if !errors.Is(err, errMine) || read(t, path) != example {
		t.Errorf("after an edit that failed: %v", err)
	}
	broken := hostsFile(t, "[hosts.a]\nx = 1\n")
	err = hosts.Update(t.Context(), broken, func(e *hosts.Editor) error { return e.Add(hosts.NewHost("b")) })
	if err == nil || !strings.Contains(err.Error(), ":2:1: unknown key") || read(t, broken) != "[hosts.a]\nx = 1\n" {
		t.Errorf("a file that is wrong: %v", err)
	}
}

// TestWritersAtOnceLoseNothing has 8 processes add 20 hosts each, while others
// read.
func TestWritersAtOnceLoseNothing(t *testing.T) {
	const processes = 8
	path := hostsFile(t, example)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if file, err := hosts.Load(path); err != nil || len(file.Hosts()) < 2 {
				t.Errorf("a reader sees %d hosts: %v", len(file.Hosts()), err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	for i := range processes {
		cmd := helper(t, "add", "WRITER_PATH="+path, fmt.Sprintf("WRITER_PREFIX=w%d", i))
		writers.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("writer: %v\n%s", err, out)
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	file, err := hosts.Load(path)
	if err != nil || len(file.Hosts()) != 2+20*processes {
		t.Errorf("%d hosts, %v", len(file.Hosts()), err)
	}
	if !strings.HasPrefix(read(t, path), example) {
		t.Error("what was there before has changed")
	}
}

// TestKilledWritersLeaveAWholeFile kills writers at random moments. What a
// writer has reported as added is there, and the file is whole.
func TestKilledWritersLeaveAWholeFile(t *testing.T) {
	path := hostsFile(t, example)
	added := 0
	for round := range 12 {
		prefix := fmt.Sprintf("r%d", round)
		cmd := helper(t, "add", "WRITER_PATH="+path, "WRITER_PREFIX="+prefix)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Some are killed while they start, most between or in their writes.
		var names []string
		lines := bufio.NewScanner(out)
		for wanted := rand.IntN(12); len(names) < wanted && lines.Scan(); {
			names = append(names, lines.Text())
		}
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		for lines.Scan() {
			names = append(names, lines.Text())
		}
		_ = cmd.Wait()

		file, err := hosts.Load(path)
		if err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, read(t, path))
		}
		for _, name := range names {
			if h, ok := file.Host(name); !ok || h.Address != name+".example.org" {
				t.Errorf("round %d: %s was added and is not there", round, name)
			}
		}
		added += len(names)
	}
	t.Logf("%d hosts were added by writers that were killed", added)
	if err := hosts.Update(t.Context(), path, func(e *hosts.Editor) error { return e.Add(hosts.NewHost("last")) }); err != nil {
		t.Fatalf("after them: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*.tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("they left %v, %v", left, err)
	}
	if !strings.HasPrefix(read(t, path), example) {
		t.Error("what was there before has changed")
	}
}

// A lock that another program holds is waited for until the context ends, and not
// after that.
func TestUpdateStopsWaitingForTheLock(t *testing.T) {
	path := hostsFile(t, example)
	unlock, err := lockedfile.MutexAt(filepath.Join(filepath.Dir(path), ".hosts.toml.lock")).Lock()
	if err != nil {
		t.Fatal(err)
	}
	errMine := errors.New("mine")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errMine) })
	add := func(e *hosts.Editor) error { return e.Add(hosts.NewHost("b")) }
	err = hosts.Update(ctx, path, add)
	if !errors.Is(err, errMine) || !strings.Contains(err.Error(), "another program holds") {
		t.Errorf("%v", err)
	}
	knocktest.OneLine(t, err)
	unlock()
	if err := hosts.Update(t.Context(), path, add); err != nil {
		t.Errorf("once it is free: %v", err)
	}
}
