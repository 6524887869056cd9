//go:build unix

package hosts

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// asOwner switches root to the owner of the file at path while it edits it: new
// files belong to the owner, and root writes nothing that the owner cannot. back
// switches to root again.
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

// copyGroup sets the group of f to that of the file that it replaces, and reports
// success.
func copyGroup(f *os.File, old fs.FileInfo) bool {
	st, ok := old.Sys().(*syscall.Stat_t)
	return ok && f.Chown(-1, int(st.Gid)) == nil
}
