//go:build unix

package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"rapport/knock"
	"rapport/knock/phrase"
)

// What a path is, as errors say it.
const (
	theFile   = "hosts file"
	theFolder = "the hosts file's folder"
	theLink   = "the hosts file's link"
)

// maxWalk bounds the parts of a path, with the links in it followed.
const maxWalk = 4096

// checkTrust refuses a file, called shown, that others may have written or can replace.
func checkTrust(path string, info fs.FileInfo, shown string) error {
	if err := checkFolders(path); err != nil {
		return err
	}
	if err := checkOwner(info, theFile, shown); err != nil {
		return err
	}
	if info.Mode()&fs.ModeDevice != 0 { // such as /dev/null, whose mode does not matter
		return nil
	}
	return checkMode(info, theFile, shown, "600")
}

// checkFolders checks folders and links as sshd does for its own files (sshd(8),
// StrictModes): they belong to root or the user, and others cannot write them. In a folder
// with the sticky bit others can add files, but move none. Folders above the home folder
// are not checked, nor missing ones.
func checkFolders(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("cannot find hosts file %s: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	home, _ := os.UserHomeDir() // without one, every folder is checked
	home, _ = filepath.EvalSymlinks(home)
	at, parts := "/", strings.Split(path, "/")
	for n := 0; len(parts) > 0; n++ {
		if n > maxWalk {
			return fmt.Errorf("%s %s: too many symbolic links", theFile, knock.QuotePath(path))
		}
		name := parts[0]
		parts = parts[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		if err := checkFolder(at, home); err != nil {
			return err
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return nil // opening it says more
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if err != nil {
			return nil
		}
		if err := checkOwner(info, theLink, next); err != nil {
			return err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		parts = append(strings.Split(target, "/"), parts...)
	}
	return nil
}

func checkFolder(at, home string) error {
	above, err := filepath.Rel(at, home)
	if err == nil && above != "." && above != ".." && !strings.HasPrefix(above, "../") {
		return nil
	}
	info, err := os.Stat(at)
	if err != nil || !info.IsDir() {
		return nil
	}
	if err := checkOwner(info, theFolder, at); err != nil || info.Mode()&fs.ModeSticky != 0 {
		return err
	}
	return checkMode(info, theFolder, at, "go-w")
}

func checkMode(info fs.FileInfo, what, path, mode string) error {
	if info.Mode().Perm()&0o022 == 0 {
		return nil
	}
	return fmt.Errorf("%s %s can be written by others: %w; run chmod %s %s", what, knock.QuotePath(path), ErrNotTrusted, mode, knock.QuotePath(path))
}

// checkOwner reports that neither root nor the user owns a file.
func checkOwner(info fs.FileInfo, what, path string) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 || int(st.Uid) == os.Geteuid() || what == theFolder && unmapped(st.Uid) {
		return nil
	}
	me, chown := userName(os.Geteuid()), "chown"
	if what == theLink {
		chown = "chown -h"
	}
	return fmt.Errorf("%s %s belongs to %s, not to %s: %w; if what is in it is yours, run %s %s %s",
		what, knock.QuotePath(path), userName(int(st.Uid)), me, ErrNotTrusted, chown, me, knock.QuotePath(path))
}

// userName returns the login of a user, or the number of one who has none.
func userName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return strconv.Itoa(uid)
	}
	return knock.Excerpt(u.Username)
}

// unmapped reports whether uid is unknown to this user namespace; see user_namespaces(7).
func unmapped(uid uint32) bool {
	const overflow = 65534
	text, err := os.ReadFile("/proc/self/uid_map")
	return uid == overflow && err == nil && !bytes.Equal(bytes.Join(bytes.Fields(text), []byte(" ")), []byte("0 0 4294967295"))
}

// asOwner makes root act as the owner of the file at path, so that it writes nothing that
// the owner cannot. back ends it.
func asOwner(path string) (back func() error, err error) {
	root := func() error { return nil }
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() != 0 {
		return root, nil // no file, which is no error here
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 || unmapped(st.Uid) {
		return root, nil
	}
	group := os.Getegid()
	root = func() error { return errors.Join(syscall.Seteuid(0), syscall.Setegid(group)) }
	if err := errors.Join(syscall.Setegid(int(st.Gid)), syscall.Seteuid(int(st.Uid))); err != nil {
		return nil, errors.Join(err, root())
	}
	return root, nil
}

// copyGroup gives f the group of the file that it replaces, and reports success.
func copyGroup(f *os.File, old fs.FileInfo) bool {
	st, ok := old.Sys().(*syscall.Stat_t)
	return ok && f.Chown(-1, int(st.Gid)) == nil
}
