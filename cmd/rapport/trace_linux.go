package main

import "golang.org/x/sys/unix"

// denyTracing keeps the memory of this program, and the environment that it was
// started with, from other programs of the same user, and out of core dumps; see
// prctl(2), PR_SET_DUMPABLE. Programs that it starts are not affected.
func denyTracing() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
