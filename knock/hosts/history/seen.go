package history

import (
	"fmt"
	"path/filepath"
	"time"

	"rapport/knock/phrase"
)

// Offset is how far a server's clock was from this machine's.
type Offset struct {
	Host string    `json:"host"`   // its [hosts.Host.Identity]
	At   time.Time `json:"at"`     // by this machine's clock
	Low  float64   `json:"low_ms"` // the least and the most that the sources allow
	High float64   `json:"high_ms"`
}

// Diagnosis is how a diagnosis of a server ended.
type Diagnosis struct {
	Host    string    `json:"host"` // its [hosts.Host.Identity]
	At      time.Time `json:"at"`
	Verdict string    `json:"verdict"` // its code
}

// Lines that are kept of each.
const (
	maxOffsets   = 2000
	maxDiagnoses = 500
)

// besides returns the path of a file beside the history.
func besides(history, name string) string { return filepath.Join(filepath.Dir(history), name) }

// LoadOffsets reads the offsets that are kept beside the history at path, by the identity
// of their hosts, the oldest first.
func LoadOffsets(history string) map[string][]Offset {
	return loadLines(besides(history, "clocks.jsonl"), func(o Offset) string { return o.Host })
}

// SaveOffset keeps an offset beside the history at path.
func SaveOffset(history string, o Offset) error {
	return kept("the offset", saveLine(besides(history, "clocks.jsonl"), o, maxOffsets))
}

// LoadDiagnoses reads the diagnoses that are kept beside the history at path, by the
// identity of their hosts, the oldest first.
func LoadDiagnoses(history string) map[string][]Diagnosis {
	return loadLines(besides(history, "diagnoses.jsonl"), func(d Diagnosis) string { return d.Host })
}

// SaveDiagnosis keeps a diagnosis beside the history at path.
func SaveDiagnosis(history string, d Diagnosis) error {
	return kept("the verdict", saveLine(besides(history, "diagnoses.jsonl"), d, maxDiagnoses))
}

func kept(what string, err error) error {
	if err != nil {
		return fmt.Errorf("cannot store %s beside the history: %w", what, phrase.WithoutPath(err))
	}
	return nil
}
