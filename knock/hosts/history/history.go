// Package history keeps what happened to a server: handshakes, how far its clock was off,
// and verdicts, in files of one JSON object a line in the user's state folder. They hold
// no port of a sequence, no secret, and no text that came from outside.
package history

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Handshake is how one handshake ended, as the history has it: no port of a sequence,
// no secret, and no text that came from outside.
type Handshake struct {
	Host     string         `json:"host"` // its [hosts.Host.Identity]
	At       time.Time      `json:"at"`
	Opened   bool           `json:"opened"`
	Took     float64        `json:"took_ms,omitempty"` // until the banner, where the handshake opened SSH; 0: it was open before
	Attempts int            `json:"attempts,omitempty"`
	State    knock.SSHState `json:"state,omitempty"` // of SSH in the end; empty: not done
}

// Duration is the time until the banner.
func (h Handshake) Duration() time.Duration { return time.Duration(h.Took * float64(time.Millisecond)) }

// Bounds of the history: lines that are kept, and bytes that are read.
const (
	maxHistory     = 4000
	maxHistoryRead = 2 << 20
)

// DefaultPath returns the path of the history in the user's state folder.
func DefaultPath() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no folder for the history: %w", err)
		}
		dir = filepath.Join(home, ".local", "state")
		if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
			config, err := os.UserConfigDir()
			dir = cmp.Or(config, dir)
			if err != nil {
				return "", fmt.Errorf("no folder for the history: %w", err)
			}
		}
	}
	return filepath.Join(dir, "rapport", "history.jsonl"), nil
}

// Load reads the handshakes by the identity of their hosts, the oldest first.
// Lines that are no handshake are left out; a missing file has none.
func Load(path string) map[string][]Handshake {
	return loadLines(path, func(h Handshake) string { return h.Host })
}

// Save appends a handshake to the history at path, and drops the oldest lines
// beyond the bound.
func Save(path string, h Handshake) error {
	if err := saveLine(path, h, maxHistory); err != nil {
		return fmt.Errorf("cannot store the handshake in %s: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	return nil
}

// loadLines reads a file of one JSON object a line by the host of each.
func loadLines[T any](path string, host func(T) string) map[string][]T {
	all := map[string][]T{}
	b, err := lockedfile.Read(path)
	if err != nil || len(b) > maxHistoryRead {
		return all
	}
	for line := range bytes.Lines(b) {
		var v T
		if json.Unmarshal(line, &v) == nil && host(v) != "" {
			all[host(v)] = append(all[host(v)], v)
		}
	}
	return all
}

// saveLine appends v as a line to the file at path, which keeps the last most lines.
func saveLine(path string, v any, most int) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		f.Close()
	}
	return lockedfile.Transform(path, func(old []byte) ([]byte, error) {
		lines := slices.Collect(bytes.Lines(old))
		if len(old) > maxHistoryRead {
			lines = nil
		}
		lines = lines[max(0, len(lines)+1-most):]
		return append(append(bytes.Join(lines, nil), line...), '\n'), nil
	})
}

// Record is what a history says in a few numbers.
type Record struct {
	Handshakes, Opened  int
	Best, Median, Worst time.Duration // until the banner, of those that opened SSH; zero: none did
}

// Share returns the part of the handshakes that opened.
func (r Record) Share() float64 {
	return float64(r.Opened) / float64(max(1, r.Handshakes))
}

// Summarize returns the record of handshakes.
func Summarize(all []Handshake) (r Record) {
	var took []float64
	for _, h := range all {
		r.Handshakes++
		if h.Opened {
			r.Opened++
			if h.Took > 0 {
				took = append(took, h.Took)
			}
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
		r.Best, r.Median, r.Worst = ms(took[0]), ms(took[len(took)/2]), ms(took[len(took)-1])
	}
	return r
}
