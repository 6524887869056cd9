package sshconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Limits for an ssh configuration. The depth is ssh's own.
const (
	maxBytes   = 1 << 20
	maxFiles   = 256
	maxDepth   = 16
	maxPattern = 1024
)

// read reads a file, depth Includes down, which the block outer includes.
func (c *reader) read(path string, depth int, outer block) error {
	fail := func(err error) error { return &fileError{path, err} }
	c.files++
	if depth > maxDepth || c.files > maxFiles {
		return fail(errors.New("too many files are included"))
	}
	// A pipe or a device may never end.
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
		return fail(fmt.Errorf("more than %d bytes", maxBytes))
	}
	b := outer
	for n, line := range bytes.Split(text, []byte("\n")) {
		if err := c.line(path, n+1, string(line), &b, depth, outer); err != nil {
			if _, included := errors.AsType[*fileError](err); included {
				return err
			}
			return fail(fmt.Errorf("line %d: %w", n+1, err))
		}
	}
	return nil
}

// fileError is why a file cannot be read.
type fileError struct {
	path string
	err  error
}

func (e *fileError) Error() string {
	return fmt.Sprintf("ssh configuration %s: %v", knock.QuotePath(e.path), phrase.WithoutPath(e.err))
}

func (e *fileError) Unwrap() error { return e.err }

func (c *reader) include(args []string, depth int, outer block) error {
	for _, pattern := range args {
		pattern, err := ExpandHome(pattern)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(c.folder, pattern)
		}
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("include %s: %w", knock.Quote(pattern), err)
		}
		for _, p := range paths {
			if info, err := os.Stat(p); err == nil && !info.Mode().IsRegular() {
				continue // such as a folder that a wildcard matches
			}
			if err := c.read(p, depth+1, outer); err != nil {
				return err
			}
		}
	}
	return nil
}

// splitWords splits a line as ssh does: at white space, with quotes, comments, and
// an optional equals sign after the keyword.
func splitWords(line string) ([]string, error) {
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
