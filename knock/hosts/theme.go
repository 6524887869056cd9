package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Theme is the colours of the screens that a user chose.
type Theme struct {
	Light   bool              // for a light background; else for a dark one
	Colours map[string]string // as #rrggbb, by role; a role may be left out
}

// ThemeRoles are the roles of a theme's colours.
func ThemeRoles() []string {
	return []string{"ink", "muted", "faint", "accent", "open", "warn", "bad", "past", "next"}
}

// CheckTheme returns why name names no theme, or nil. [ThemePath] says where one of the
// user's own is.
func CheckTheme(name string) error {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return fmt.Errorf("theme %s is neither dark nor light nor the NAME of themes/NAME.toml", knock.Quote(name))
	}
	return nil
}

// ThemePath returns the file of a theme of the user's own, beside the hosts file; empty
// for one that is built in.
func ThemePath(hostsPath, name string) string {
	if name == "" || name == "dark" || name == "light" {
		return ""
	}
	return filepath.Join(filepath.Dir(hostsPath), "themes", name+".toml")
}

// maxTheme bounds the file of a theme, in bytes.
const maxTheme = 1 << 16

// LoadTheme reads a theme of the user's own: a TOML file with a colour for each role, and
// a background, dark or light. The first mistake in it is an error that begins
// path:line:column.
func LoadTheme(path string) (Theme, error) {
	fail := func(err error) (Theme, error) {
		return Theme{}, fmt.Errorf("cannot read theme %s: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Theme{}, fmt.Errorf("there is no theme %s: choose dark, light%s, or write %s", knock.Quote(themeName(path)), otherThemes(path), knock.QuotePath(path))
	}
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTheme))
	if err != nil {
		return fail(err)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	t, err := parseTheme(text)
	if p, ok := errors.AsType[*positioned](err); ok {
		line, column := lineColumn(text, p.offset)
		err = fmt.Errorf("%s:%d:%d: %w", knock.Clean(path, 1024), line, column, p.err)
	}
	return t, err
}

func themeName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".toml") }

// otherThemes names the user's own themes beside the one at path.
func otherThemes(path string) (names string) {
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.toml"))
	for _, file := range files {
		names += ", " + knock.Clean(themeName(file), 40)
	}
	return names
}

func parseTheme(text []byte) (Theme, error) {
	text = text[:len(text):len(text)] // as in parse
	p := parser{document: document{text: text}}
	p.toml.Reset(text)
	t := Theme{Colours: map[string]string{}}
	for p.toml.NextExpression() {
		e := p.toml.Expression()
		path := parts(e.Key())
		if e.Kind != unstable.KeyValue || len(path) != 1 {
			return Theme{}, at(path[0], errors.New("a theme has no tables, only lines like ink = \"#c8d0e0\""))
		}
		if err := t.set(path[0].name, value{path[0].name, e.Value()}); err != nil {
			return Theme{}, at(path[0], err)
		}
	}
	if err := p.toml.Error(); err != nil {
		return Theme{}, p.syntax(err)
	}
	return t, nil
}

var colour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// set reads one line of a theme.
func (t *Theme) set(name string, v value) error {
	text, err := v.text()
	switch _, twice := t.Colours[name]; {
	case name != "background" && !slices.Contains(ThemeRoles(), name):
		return fmt.Errorf("there is no role %s: there are background, %s", knock.Quote(name), strings.Join(ThemeRoles(), ", "))
	case err != nil:
		return err
	case twice:
		return fmt.Errorf("%s is there twice", name)
	case name == "background" && text != "dark" && text != "light":
		return fmt.Errorf("background %s is neither dark nor light", knock.Quote(text))
	case name == "background":
		t.Light = text == "light"
	case !colour.MatchString(text):
		return fmt.Errorf("%s %s is not a colour like #5ccfe6", name, knock.Quote(text))
	default:
		t.Colours[name] = text
	}
	return nil
}
