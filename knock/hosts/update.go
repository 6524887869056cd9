package hosts

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"

	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/rogpeppe/go-internal/robustio"
)

// maxLinks is how many symbolic links are followed, as on Linux.
const maxLinks = 40

// Update edits the hosts file at path under a lock that all who use Update share, and
// replaces it in one step. If edit fails or changes nothing, the file stays, and edit's
// error is returned unchanged. edit must not wait for the user, who may need the lock
// elsewhere, nor call Update.
//
// A missing file or folder is created, for the user alone. A file keeps its owner and
// mode, but with a secret in it nobody else may read it; root edits a user's file as
// that user. A file that [Load] refuses is not edited. Of a symbolic link the target is
// replaced. An empty lock file stays beside the file.
func Update(ctx context.Context, path string, edit func(*Editor) error) (err error) {
	real, err := follow(path)
	if err != nil {
		return fmt.Errorf("cannot write hosts file %s: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	back, err := asOwner(real)
	if err != nil {
		return fmt.Errorf("cannot edit hosts file %s as its owner: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	defer func() {
		if e := back(); e != nil {
			err = errors.Join(err, fmt.Errorf("cannot be root again: %w", e))
		}
	}()
	folder, name := filepath.Split(real)
	folder = cmp.Or(folder, ".")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("cannot make folder %s: %w", knock.QuotePath(folder), phrase.WithoutPath(err))
	}
	if err := checkFolders(path); err != nil {
		return err
	}
	unlock, err := lock(ctx, filepath.Join(folder, "."+name+".lock"))
	if err != nil {
		return fmt.Errorf("cannot lock hosts file %s: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	defer unlock()

	doc, info, err := load(real, path)
	if err != nil {
		return err
	}
	e := Editor{doc}
	if err := edit(&e); err != nil {
		return err
	}
	if bytes.Equal(e.text, doc.text) {
		return nil
	}
	removeTemporary(folder, name)
	if err := replace(real, e.document, info); err != nil {
		return fmt.Errorf("cannot write hosts file %s: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	return nil
}

// lockTimeout bounds the wait for the lock. An edit takes milliseconds.
const lockTimeout = 20 * time.Second

// lock takes the lock at path.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockTimeout, errors.New("end it, and try again"))
	defer cancel()
	done := async(lockedfile.MutexAt(path).Lock)
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		go func() {
			if late := <-done; late.err == nil {
				late.value()
			}
		}()
		return nil, fmt.Errorf("another program holds %s: %w", knock.QuotePath(path), context.Cause(ctx))
	}
}

// follow returns the file that path leads to through links. It may be missing.
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

// removeTemporary removes what killed writers left. The lock is held: nobody else writes.
func removeTemporary(folder, name string) {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if ok, _ := filepath.Match(temporary(name), e.Name()); ok {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// replace writes the document in the place of old, or nil, in one step, synced to disk.
func replace(path string, doc document, old fs.FileInfo) (err error) {
	folder, name := filepath.Dir(path), filepath.Base(path)
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
	perm := fs.FileMode(0o600)
	if old != nil {
		perm = old.Mode().Perm()
		if doc.hasSecret() {
			perm &= 0o700
		}
		if !copyGroup(f, old) {
			perm &= 0o707
		}
	}
	_, err = f.Write(doc.text)
	if modeErr := f.Chmod(perm); runtime.GOOS != "windows" {
		err = cmp.Or(err, modeErr)
	}
	if err = cmp.Or(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// Windows does not replace a file while someone reads it: Rename tries again.
	if err = robustio.Rename(f.Name(), path); err != nil {
		return err
	}
	// Syncing the folder puts the new name on the disk. Some systems cannot do it.
	if d, err := os.Open(folder); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}
