package main

import "golang.org/x/sys/unix"

// denyTracing keeps the memory and the initial environment of this process from other
// processes of the same user, and out of core dumps; see prctl(2), PR_SET_DUMPABLE.
// Child processes are not affected.
func denyTracing() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
