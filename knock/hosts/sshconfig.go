package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// Bounds of what is read of an ssh configuration; ssh itself has the depth.
const (
	maxSSHBytes   = 1 << 20
	maxSSHFiles   = 256
	maxSSHDepth   = 16
	maxSSHPattern = 1024
)

// DefaultSSHConfig returns the path of the user's ssh configuration,
// ~/.ssh/config, or nothing where there is no home folder.
func DefaultSSHConfig() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".ssh", "config")
}

// FromSSHConfig returns what the ssh configuration at path (ssh_config(5)) says
// of a name: its HostName, %h expanded, or the name itself, and its Port, or 22.
// ok says that a Host line names it, by itself or by a pattern that is more
// than wildcards; the values of "Host *" count then too, the first one wins.
// Include is followed, relative to the file's folder. Of Match, host,
// originalhost and all are understood; blocks with other criteria, exec among
// them, are passed over, and no command is run.
//
// An error says why the configuration could not be understood; ok is false
// then. A configuration that is not there is no error.
func FromSSHConfig(path, name string) (address string, port int, ok bool, err error) {
	if path == "" || CheckName(name) != nil {
		return "", 0, false, nil
	}
	c := sshConfig{name: name, folder: filepath.Dir(path), left: maxSSHBytes}
	if err := c.read(path, 0); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return "", 0, false, err
	}
	if !c.known {
		return "", 0, false, nil
	}
	fail := func(format string, args ...any) (string, int, bool, error) {
		return "", 0, false, fmt.Errorf("ssh configuration %s: host %s: "+format, append([]any{quotePath(path), quote(name)}, args...)...)
	}
	address, port = name, DefaultSSHPort
	if c.hostName != "" {
		if address, err = expandTokens(c.hostName, name); err != nil {
			return fail("%w", err)
		}
		if err := CheckName(address); err != nil {
			return fail("HostName: %w", err)
		}
	}
	if c.port != "" {
		if port, err = strconv.Atoi(c.port); err != nil || port < 1 || port > 65535 {
			return fail("Port %s is not within 1-65535", quote(c.port))
		}
	}
	return address, port, true, nil
}

// expandTokens expands what HostName may hold: %h and %%.
func expandTokens(s, name string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i < len(s) && s[i] == 'h':
			b.WriteString(name)
		case i < len(s) && s[i] == '%':
			b.WriteByte('%')
		default:
			return "", fmt.Errorf("HostName %s: only %%h and %%%% can be expanded", quote(s))
		}
	}
	return b.String(), nil
}

// sshConfig reads a configuration for the sake of one name.
type sshConfig struct {
	name   string
	folder string
	left   int // bytes that may still be read
	files  int

	known          bool
	hostName, port string
}

// read takes one file. Depth counts the Includes above it.
func (c *sshConfig) read(path string, depth int) error {
	fail := func(err error) error {
		return fmt.Errorf("ssh configuration %s: %w", quotePath(path), plain(err))
	}
	c.files++
	if depth > maxSSHDepth || c.files > maxSSHFiles {
		return fail(errors.New("too many files are included"))
	}
	// A pipe or a device would not end.
	info, err := os.Stat(path)
	if err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() {
		return fail(errors.New("not a plain file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(c.left)+1))
	if err != nil {
		return fail(err)
	}
	if c.left -= len(text); c.left < 0 {
		return fail(fmt.Errorf("more than %d bytes", maxSSHBytes))
	}
	live := true
	for n, line := range bytes.Split(text, []byte("\n")) {
		if err := c.line(string(line), &live, depth); err != nil {
			var included *includedError
			if errors.As(err, &included) {
				return included.err
			}
			return fail(fmt.Errorf("line %d: %w", n+1, err))
		}
	}
	return nil
}

// includedError is an error that names its own file.
type includedError struct{ err error }

func (e *includedError) Error() string { return e.err.Error() }

// line takes one line. live says whether the lines of this block count.
func (c *sshConfig) line(line string, live *bool, depth int) error {
	words, err := sshWords(line)
	if err != nil || len(words) == 0 {
		return err
	}
	args := words[1:]
	switch strings.ToLower(words[0]) {
	case "host":
		*live, err = c.matches(args, c.name)
		if *live && err == nil {
			err = c.noteName(args)
		}
	case "match":
		*live, err = c.match(args)
	case "include":
		if *live {
			err = c.include(args, depth)
		}
	case "hostname":
		if *live && c.hostName == "" && len(args) > 0 {
			c.hostName = args[0]
		}
	case "port":
		if *live && c.port == "" && len(args) > 0 {
			c.port = args[0]
		}
	}
	return err
}

// matches reports whether patterns, of which '!' negates one, match a name.
func (c *sshConfig) matches(patterns []string, name string) (bool, error) {
	var h ssh_config.Host
	for _, text := range patterns {
		if len(text) > maxSSHPattern {
			return false, errors.New("a pattern is too long")
		}
		p, err := ssh_config.NewPattern(text)
		if err != nil {
			return false, fmt.Errorf("pattern %s cannot be understood", quote(text))
		}
		h.Patterns = append(h.Patterns, p)
	}
	return h.Matches(name), nil
}

// noteName notes whether one of the patterns says more than wildcards do.
func (c *sshConfig) noteName(patterns []string) error {
	for _, p := range patterns {
		if strings.HasPrefix(p, "!") || strings.Trim(p, "*?") == "" {
			continue
		}
		ok, err := c.matches([]string{p}, c.name)
		if err != nil {
			return err
		}
		c.known = c.known || ok
	}
	return nil
}

// match reports whether a Match line is met, as far as can be told without
// running anything.
func (c *sshConfig) match(args []string) (bool, error) {
	if len(args) == 1 && strings.EqualFold(args[0], "all") {
		return true, nil
	}
	if len(args) == 0 || len(args)%2 != 0 {
		return false, nil
	}
	var named []string
	for i := 0; i < len(args); i += 2 {
		patterns, name := strings.Split(args[i+1], ","), c.name
		switch strings.ToLower(args[i]) {
		case "host": // the HostName so far, if any
			if c.hostName != "" {
				var err error
				if name, err = expandTokens(c.hostName, c.name); err != nil {
					return false, err
				}
			}
		case "originalhost":
			named = append(named, patterns...)
		default:
			return false, nil
		}
		if ok, err := c.matches(slices.DeleteFunc(patterns, func(s string) bool { return s == "" }), name); err != nil || !ok {
			return false, err
		}
	}
	return true, c.noteName(slices.DeleteFunc(named, func(s string) bool { return s == "" }))
}

// include reads the files of an Include line, in order.
func (c *sshConfig) include(args []string, depth int) error {
	for _, pattern := range args {
		pattern, err := expandHome(pattern)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(c.folder, pattern)
		}
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("include %s: %w", quote(pattern), err)
		}
		for _, p := range paths {
			if info, err := os.Stat(p); err == nil && !info.Mode().IsRegular() {
				continue // as a folder that a wildcard met
			}
			if err := c.read(p, depth+1); err != nil {
				var inner *includedError
				if errors.As(err, &inner) {
					return err
				}
				return &includedError{err}
			}
		}
	}
	return nil
}

// sshWords splits a line as ssh does: at white space, with quotes, an equals
// sign allowed after the keyword, and comments.
func sshWords(line string) ([]string, error) {
	var words []string
	const space = " \t\r\f\v"
	for {
		line = strings.TrimLeft(line, space)
		if len(words) == 1 {
			if rest, ok := strings.CutPrefix(line, "="); ok {
				line = strings.TrimLeft(rest, space)
			}
		}
		if line == "" || line[0] == '#' {
			return words, nil
		}
		var b strings.Builder
		quoted := byte(0)
		i := 0
	word:
		for ; i < len(line); i++ {
			ch := line[i]
			switch {
			case ch == '\\' && i+1 < len(line) && strings.IndexByte(`"'\ `, line[i+1]) >= 0:
				i++
				b.WriteByte(line[i])
			case quoted != 0 && ch == quoted:
				quoted = 0
			case quoted != 0:
				b.WriteByte(ch)
			case ch == '"' || ch == '\'':
				quoted = ch
			case strings.IndexByte(space, ch) >= 0, ch == '=' && len(words) == 0:
				break word
			default:
				b.WriteByte(ch)
			}
		}
		if quoted != 0 {
			return nil, errors.New("a quote is not closed")
		}
		words = append(words, b.String())
		line = line[i:]
	}
}
