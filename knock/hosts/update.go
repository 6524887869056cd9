package hosts

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// maxLinks bounds the symbolic links to follow, as Linux does.
const maxLinks = 40

// Update edits the hosts file at path. It locks the file against other
// programs that use Update, reads what is there now, has edit change it, and
// puts the new text in its place in one step: readers see the old file or the
// new one, whatever happens. Where edit fails, or changes nothing, the file
// stays as it is, and edit's error is returned as it is; edit must not wait for
// a user, who may wait for the lock elsewhere, nor call Update.
//
// The file and its folder are made where they are missing. The new file has
// mode 0600, or less where the old one had. A symbolic link stays one: its
// target is replaced. Beside the file stands an empty lock file from then on.
func Update(path string, edit func(*Editor) error) error {
	real, err := follow(path)
	if err != nil {
		return fmt.Errorf("cannot write hosts file %s: %w", quotePath(path), plain(err))
	}
	folder, name := filepath.Split(real)
	if folder == "" {
		folder = "."
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("cannot make folder %s: %w", quotePath(folder), plain(err))
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(folder, "."+name+".lock")).Lock()
	if err != nil {
		return fmt.Errorf("cannot lock hosts file %s: %w", quotePath(path), plain(err))
	}
	defer unlock()

	doc, mode, err := load(real, path)
	if err != nil {
		return err
	}
	e := Editor{doc: doc}
	if err := edit(&e); err != nil {
		return err
	}
	if bytes.Equal(e.doc.text, doc.text) {
		return nil
	}
	perm := fs.FileMode(0o600)
	if mode != 0 {
		perm &= mode.Perm()
	}
	sweep(folder, name)
	if err := replace(real, e.doc.text, perm); err != nil {
		return fmt.Errorf("cannot write hosts file %s: %w", quotePath(path), plain(err))
	}
	return nil
}

// follow returns the file that path leads to, which need not be there.
func follow(path string) (string, error) {
	for range maxLinks {
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil // no link, or nothing there
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return "", fmt.Errorf("more than %d symbolic links", maxLinks)
}

// temporary is the pattern of the names of files that are being written.
func temporary(name string) string { return "." + name + ".*.tmp" }

// sweep takes away what writers that were killed have left. The lock is held:
// nobody else is writing.
func sweep(folder, name string) {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if ok, _ := filepath.Match(temporary(name), e.Name()); ok {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// replace puts a file with that text at path, in one step and to stay.
func replace(path string, text []byte, perm fs.FileMode) (err error) {
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	f, err := os.CreateTemp(folder, temporary(name)) // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(text); err != nil {
		return err
	}
	if err = f.Chmod(perm); err != nil && runtime.GOOS != "windows" {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = rename(f.Name(), path); err != nil {
		return err
	}
	// The name is on the disk once its folder is. Not every system can do that.
	if d, err := os.Open(folder); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}

// rename is os.Rename with patience: Windows does not replace a file while
// somebody reads it, which takes a moment.
func rename(from, to string) error {
	err := os.Rename(from, to)
	for i := 0; i < 50 && err != nil && runtime.GOOS == "windows"; i++ {
		time.Sleep(10 * time.Millisecond)
		err = os.Rename(from, to)
	}
	return err
}
