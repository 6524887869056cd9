package hosts_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// theme writes a theme and loads it.
func theme(t *testing.T, text string) (hosts.Theme, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mine.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return hosts.LoadTheme(path)
}

func TestLoadTheme(t *testing.T) {
	got, err := theme(t, "# mine\r\nbackground = \"light\"\r\nink = '#10aBfF' # dark\r\n")
	if diff := cmp.Diff(hosts.Theme{Light: true, Colours: map[string]string{"ink": "#10aBfF"}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestThemeSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"ink = \"#102030\"\n accent = \"red\"\n": `mine.toml:2:2: accent "red" is not a colour like #5ccfe6`,
		"ink = \"#123\"\n":                       `mine.toml:1:1: ink "#123" is not a colour`,
		"\n  inc = \"#102030\"\n":                `mine.toml:2:3: there is no role "inc": there are background, ink, muted`,
		"ink = #102030\n":                        `mine.toml:1:7: `,
		"ink = 7\n":                              `mine.toml:1:1: ink must be text in quotes`,
		"[ink]\nx = 1\n":                         `mine.toml:1:2: a theme has no tables`,
		"ink.x = \"#102030\"\n":                  `mine.toml:1:1: a theme has no tables`,
		"\nbackground = \"pink\"\n":              `mine.toml:2:1: background "pink" is neither dark nor light`,
		"ink = \"#102030\"\nink = \"#102030\"\n": `mine.toml:2:1: ink is there twice`,
	} {
		_, err := theme(t, text)
		knocktest.OneLine(t, err)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := hosts.LoadTheme(filepath.Join(t.TempDir(), "none.toml")); err == nil || !strings.Contains(err.Error(), "there is no theme \"none\": choose dark, light, or write") {
		t.Errorf("a theme that is not there: %v", err)
	}
}

func TestThemePath(t *testing.T) {
	for name, want := range map[string]string{"": "", "dark": "", "light": "", "mine": filepath.Join("conf", "themes", "mine.toml")} {
		if got := hosts.ThemePath(filepath.Join("conf", "hosts.toml"), name); got != want || hosts.CheckTheme(name) != nil {
			t.Errorf("%q is in %q", name, got)
		}
	}
}

func FuzzTheme(f *testing.F) {
	f.Add("background = \"light\"\nink = '#10aBfF'\n[x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := theme(t, text)
		knocktest.OneLine(t, err)
		for role, c := range got.Colours {
			if len(c) != 7 || !slices.Contains(hosts.ThemeRoles(), role) {
				t.Errorf("%s is %q", role, c)
			}
		}
	})
}
