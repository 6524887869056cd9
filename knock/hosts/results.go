package hosts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"rapport/knock"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Result is how the newest handshake with a server ended.
type Result struct {
	At      time.Time `json:"at"`
	Opened  bool      `json:"opened"`
	Summary string    `json:"summary"` // one line
}

// maxResults bounds the file of results, in bytes.
const maxResults = 1 << 20

// DefaultResultsPath returns where results are kept: in the user's cache
// folder, since they can be lost without harm.
func DefaultResultsPath() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place to keep results: %w", err)
	}
	return filepath.Join(dir, "rapport", "results.json"), nil
}

// LoadResults reads the results kept at path, by the name of the host. A file
// that is missing or makes no sense holds none.
func LoadResults(path string) map[string]Result {
	results := map[string]Result{}
	b, err := lockedfile.Read(path)
	if err != nil || len(b) > maxResults || json.Unmarshal(b, &results) != nil {
		return map[string]Result{}
	}
	return results
}

// SaveResult keeps the newest result of a host.
func SaveResult(path, name string, r Result) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot keep the result in %s: %w", knock.QuotePath(path), knock.WithoutPath(err))
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			f.Close()
		}
	}
	err := lockedfile.Transform(path, func(old []byte) ([]byte, error) {
		results := map[string]Result{}
		_ = json.Unmarshal(old, &results) // what makes no sense is replaced
		results[name] = r
		return json.Marshal(results)
	})
	if err != nil {
		return fmt.Errorf("cannot keep the result in %s: %w", knock.QuotePath(path), knock.WithoutPath(err))
	}
	return nil
}
