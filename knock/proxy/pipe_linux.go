package proxy

import (
	"os"
	"syscall"
)

// widen sets the capacity of a pipe to carryBuffer, see F_SETPIPE_SZ in fcntl(2):
// the default is 64 KiB. It does nothing to other files.
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
