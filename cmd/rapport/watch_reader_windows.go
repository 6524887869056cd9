package main

import "os"

// readerGone is not known here.
func readerGone(*os.File) bool { return false }
