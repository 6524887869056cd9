package hosts_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

func TestServeSecret(t *testing.T) {
	dir := t.TempDir()
	for name, runtimeDir := range map[string]string{"private": dir, "none": "", "too long": filepath.Join(dir, strings.Repeat("x", 120)), "relative": "."} {
		t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
		if len(runtimeDir) > 100 {
			if err := os.Mkdir(runtimeDir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		path, stop, err := hosts.ServeSecret(knocktest.NewSecret(t, "f00b4r"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for range 3 {
			if s, err := hosts.ReadSecretFile(path); err != nil || s.Reveal() != "f00b4r" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if name == "private" && filepath.Dir(filepath.Dir(path)) != dir {
			t.Errorf("it is at %s", path)
		}
		stop()
		if _, err := hosts.ReadSecretFile(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: after stop: %v", name, err)
		}
		if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: its folder remains", name)
		}
	}
	if _, _, err := hosts.ServeSecret(knock.Secret{}); !errors.Is(err, knock.ErrSecret) {
		t.Errorf("no secret: %v", err)
	}
}
