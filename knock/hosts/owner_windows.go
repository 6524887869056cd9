package hosts

import (
	"io/fs"
	"os"
)

// asOwner and copyGroup are for systems on which root edits files of others.
func asOwner(string) (back func() error, err error) { return func() error { return nil }, nil }

func copyGroup(*os.File, fs.FileInfo) bool { return true }
