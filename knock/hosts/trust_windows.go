package hosts

import (
	"io/fs"
	"os"
)

// On Windows a user's folders are writable by the user alone, and no root edits files
// of others: there is nothing to check or to switch.

func checkTrust(string, fs.FileInfo, string) error { return nil }

func checkFolders(string) error { return nil }

func asOwner(string) (back func() error, err error) { return func() error { return nil }, nil }

func copyGroup(*os.File, fs.FileInfo) bool { return true }
