package sshconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rapport/knock"
)

// ExpandHome replaces a leading ~/ by the home folder.
func ExpandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("cannot find the home folder that %s starts with: %s", knock.QuotePath(path), knock.Excerpt(err.Error()))
	}
	return filepath.Join(home, rest), nil
}
