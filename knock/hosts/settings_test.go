package hosts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/knock/hosts"
)

func TestSettingsOfTheScreens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.toml")
	for text, want := range map[string]string{
		"": "",
		"theme = \"light\"\nhistory = false\nmotion = false\nmouse = true\n[hosts.a]\n": "",
		"theme = \"../pink\"\n":       `theme "../pink" is neither dark nor light nor the NAME of themes/NAME.toml`,
		"mouse = 1\n":                 "mouse must be true or false",
		"history = 1\n":               "history",
		"[hosts.a]\ntheme = \"dark\"": "unknown key",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := hosts.Load(path)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v", text, err)
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case text == "" && file.Settings != hosts.DefaultSettings():
			t.Errorf("the settings of no file are %+v", file.Settings)
		case want == "" && text != "" && file.Settings != (hosts.Settings{Theme: "light", Mouse: true}):
			t.Errorf("%q: %+v", text, file.Settings)
		}
	}
}
