package proxy

import (
	"os"
	"syscall"
)

// widen lets a pipe hold as much as is carried at once, see F_SETPIPE_SZ in
// fcntl(2): by default it is 64 KiB. What is no pipe stays as it is.
func widen(stream any) {
	const setPipeSize = 1031
	f, ok := stream.(*os.File)
	if !ok {
		return
	}
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, carryBuffer)
		})
	}
}
