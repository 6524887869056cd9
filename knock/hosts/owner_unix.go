//go:build unix

package hosts

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// asOwner makes root the owner of the file at path for as long as it edits it:
// what it makes is the owner's, and it can write nothing that the owner could
// not. back makes it root again.
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

// copyGroup gives f the group of the file that it replaces, and reports whether
// it could.
func copyGroup(f *os.File, old fs.FileInfo) bool {
	st, ok := old.Sys().(*syscall.Stat_t)
	return ok && f.Chown(-1, int(st.Gid)) == nil
}
