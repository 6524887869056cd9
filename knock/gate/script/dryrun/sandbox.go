package dryrun

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mvdan.cc/sh/v3/interp"

	"rapport/knock"
)

// sandbox is a server in memory.
type sandbox struct {
	now      time.Time
	files    map[string]string
	firewall *firewall

	mu    sync.Mutex // the parts of a pipeline run at the same time
	first error      // what the script asked for and the sandbox does not know
}

// fail records what the sandbox cannot do. In the middle of a pipeline the shell
// ignores errors.
func (b *sandbox) fail(format string, args ...any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := fmt.Errorf(format, args...)
	if b.first == nil {
		b.first = err
	}
	return err
}

func (b *sandbox) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.first
}

// call replaces what the interpreter does not have: descriptor 9, by which actions wait
// for each other, a umask, and programs in a path.
func (b *sandbox) call(_ context.Context, args []string) ([]string, error) {
	switch args[0] {
	case "export", "lock", "umask":
		return []string{"true"}, nil
	case "command": // -v, of the tools of another backend
		return []string{"false"}, nil
	case "exec", "cd", ".", "trap":
		return args, b.fail("the script calls %s", args[0])
	}
	return args, nil
}

// exec calls a command of the sandbox.
func (b *sandbox) exec(ctx context.Context, args []string) error {
	h := interp.HandlerCtx(ctx)
	c, known := commands[args[0]]
	if !known {
		if strings.HasSuffix(args[0], "-save") { // of a backend that is not installed
			return interp.ExitStatus(127)
		}
		return b.fail("the script calls %s, which is not known here", knock.Clean(args[0], 40))
	}
	var in []byte
	if c.reads && h.Stdin != nil {
		var err error
		if in, err = io.ReadAll(h.Stdin); err != nil {
			return b.fail("%s cannot read: %w", args[0], err)
		}
	}
	out, err := c.run(b, args[1:], string(in))
	_, _ = io.WriteString(h.Stdout, out) // who reads may have ended
	switch status := err.(type) {        //nolint:errorlint // is not wrapped
	case nil:
		return nil
	case interp.ExitStatus:
		return status
	case refused:
		fmt.Fprintf(h.Stderr, "%s: %s\n", args[0], status)
		return interp.ExitStatus(1)
	}
	return b.fail("%s: %w", args[0], err)
}

// refused is the error of a command that fails as it would on a server.
type refused string

func (r refused) Error() string { return string(r) }

// name returns a path as the script has it: on Windows the interpreter puts a drive in
// front.
func name(p string) string {
	return filepath.ToSlash(strings.TrimPrefix(p, filepath.VolumeName(p)))
}

// open opens a file of the sandbox for reading, and /dev/null.
func (b *sandbox) open(_ context.Context, p string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
	text, ok := b.files[name(p)]
	switch {
	case name(p) == os.DevNull || name(p) == "/dev/null":
		return file{strings.NewReader("")}, nil
	case flag&(os.O_WRONLY|os.O_RDWR) != 0:
		return nil, b.fail("the script writes to %s", knock.Clean(p, 80))
	case !ok:
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	return file{strings.NewReader(text)}, nil
}

// stat says which files there are.
func (b *sandbox) stat(_ context.Context, p string, _ bool) (fs.FileInfo, error) {
	if text, ok := b.files[name(p)]; ok {
		return info{path.Base(name(p)), int64(len(text))}, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: p, Err: fs.ErrNotExist}
}

func (b *sandbox) access(ctx context.Context, p string, _ interp.AccessMode) error {
	_, err := b.stat(ctx, p, true)
	return err
}

func (b *sandbox) readDir(_ context.Context, p string) ([]fs.DirEntry, error) {
	return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
}

// file is an open file. What is written to it is lost.
type file struct{ io.Reader }

func (file) Write(p []byte) (int, error) { return len(p), nil }
func (file) Close() error                { return nil }

// info is a file that only root can read and write.
type info struct {
	name string
	size int64
}

func (i info) Name() string     { return i.name }
func (i info) Size() int64      { return i.size }
func (info) Mode() fs.FileMode  { return 0o600 }
func (info) ModTime() time.Time { return time.Time{} }
func (info) IsDir() bool        { return false }
func (info) Sys() any           { return nil }
