package hosts

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rapport/knock"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Result is the outcome of the last handshake with a server.
type Result struct {
	At      time.Time `json:"at"`
	Opened  bool      `json:"opened"`
	Summary string    `json:"summary"` // one line
}

// maxResults bounds the file of results, in bytes.
const maxResults = 1 << 20

// DefaultResultsPath returns a path in the user's cache folder: results may be lost.
func DefaultResultsPath() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for results: %w", err)
	}
	return filepath.Join(dir, "rapport", "results.json"), nil
}

// LoadResults reads the results by host name. A missing or invalid file has none.
func LoadResults(path string) map[string]Result {
	results := map[string]Result{}
	b, err := lockedfile.Read(path)
	if err != nil || len(b) > maxResults || json.Unmarshal(b, &results) != nil {
		return map[string]Result{}
	}
	return results
}

// SaveResult stores the last result of a host.
func SaveResult(path, name string, r Result) error {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		if f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			f.Close()
		}
		err = lockedfile.Transform(path, func(old []byte) ([]byte, error) {
			results := map[string]Result{}
			_ = json.Unmarshal(old, &results) // an invalid file is replaced
			results[name] = r
			return json.Marshal(results)
		})
	}
	if err != nil {
		return fmt.Errorf("cannot store the result in %s: %w", knock.QuotePath(path), knock.WithoutPath(err))
	}
	return nil
}
