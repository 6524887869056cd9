package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter"
	"rapport/knock/solve"
)

// query is what is compared: a text, or the file at path unless that is empty.
type query struct {
	solve.Query
	gate.Facts
	text []byte
	path string
}

// inspected is the event of a comparison that is over.
type inspected struct {
	gate.Inspection
	listed bool // the hosts file has the server
}

// inspect compares.
func (q query) inspect(ctx context.Context) (i gate.Inspection, err error) {
	if q.path != "" {
		if q.text, err = readText(expandHome(q.path)); err != nil {
			if pe := new(fs.PathError); errors.As(err, &pe) {
				err = fmt.Errorf("%s: %w", knock.Clean(pe.Path, 200), pe.Err)
			}
			return i, fmt.Errorf("cannot read the rules: %w", err)
		}
	}
	if len(bytes.Trim(q.text, "0123456789, \t\r\n")) == 0 {
		if q.Ports, err = solve.ParsePorts(string(q.text)); err != nil {
			return i, err
		}
		return gate.InspectPorts(ctx, q.Query)
	}
	found, err := gate.ReadRules(bytes.NewReader(q.text))
	if err != nil {
		return i, err
	}
	return gate.Inspect(ctx, found, q.Query, q.Facts)
}

// readText reads a file that is no longer than rules may be.
func readText(path string) ([]byte, error) {
	// Opening a pipe would wait for its other end.
	switch s, err := os.Stat(path); {
	case err != nil:
		return nil, err
	case !s.Mode().IsRegular():
		return nil, errors.New(knock.Clean(path, 200) + " is no file")
	case s.Size() >= maxText:
		return nil, netfilter.ErrLongRules
	}
	return os.ReadFile(path)
}
