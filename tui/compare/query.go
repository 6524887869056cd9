package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts/sshconfig"
	"rapport/knock/netfilter"
	"rapport/knock/solve"
)

// Query is what is compared: a text, or the file at path unless that is empty.
type Query struct {
	solve.Query
	gate.Facts
	Text []byte
	path string
}

// Inspected is the event that a comparison is done.
type Inspected struct {
	gate.Inspection
	Listed bool // the hosts file has the server
}

// Inspect compares the text, or reads and compares the file.
func (q Query) Inspect(ctx context.Context) (i gate.Inspection, err error) {
	if q.path != "" {
		if q.Text, err = readText(q.path); err != nil {
			return i, fmt.Errorf("cannot read the rules: %s: %w", knock.Clean(q.path, 200), knock.WithoutPath(err))
		}
	}
	if len(bytes.Trim(q.Text, "0123456789, \t\r\n")) == 0 {
		if q.Ports, err = solve.ParsePorts(string(q.Text)); err != nil {
			return i, err
		}
		return gate.InspectPorts(ctx, q.Query)
	}
	found, err := gate.ReadRules(bytes.NewReader(q.Text))
	if err != nil {
		return i, err
	}
	return gate.Inspect(ctx, found, q.Query, q.Facts)
}

// readText reads a file that is no longer than rules may be; a ~/ in path is the home
// folder.
func readText(path string) ([]byte, error) {
	path, err := sshconfig.ExpandHome(path)
	if err != nil {
		return nil, err
	}
	// Opening a named pipe would wait for a writer.
	switch s, err := os.Stat(path); {
	case err != nil:
		return nil, err
	case !s.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case s.Size() >= maxText:
		return nil, netfilter.ErrLongRules
	}
	return os.ReadFile(path)
}
