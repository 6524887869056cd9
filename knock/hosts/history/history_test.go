package history_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
)

// The history keeps hosts apart, drops its oldest lines, and survives what is no line.
func TestHistoryIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "history.jsonl")
	a, b := hosts.NewHost("alpha"), hosts.NewHost("alpha")
	b.Address = "192.0.2.1"
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for i, h := range []hosts.Host{a, b, a} {
		if err := history.Save(path, history.Handshake{Host: h.Identity(), At: at.Add(time.Duration(i) * time.Hour), Opened: i > 0, Took: float64(10 * i)}); err != nil {
			t.Fatal(err)
		}
	}
	all := history.Load(path)
	if len(all) != 2 || len(all[a.Identity()]) != 2 || len(all[b.Identity()]) != 1 {
		t.Fatalf("the history is %v", all)
	}
	if r := history.Summarize(all[a.Identity()]); r.Share() != 0.5 || r.Median != 20*time.Millisecond {
		t.Errorf("the record is %+v", r)
	}
	// What was open before tells nothing of the time that a handshake takes.
	if r := history.Summarize(append(all[a.Identity()], history.Handshake{Opened: true})); r.Opened != 2 || r.Best != 20*time.Millisecond {
		t.Errorf("the record is %+v", r)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("no line\n"), strings.Repeat(string(text), 1500)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := history.Save(path, history.Handshake{Host: "last", At: at}); err != nil {
		t.Fatal(err)
	}
	all = history.Load(path)
	n := len(all[a.Identity()]) + len(all[b.Identity()]) + len(all["last"])
	if n != 4000 || len(all["last"]) != 1 {
		t.Errorf("%d handshakes are kept", n)
	}
}

// Offsets and verdicts are kept beside the history, by host, and are bounded.
func TestOffsetsAndVerdictsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "history.jsonl")
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for i := range 510 {
		if err := history.SaveDiagnosis(path, history.Diagnosis{Host: "a", At: at.Add(time.Duration(i) * time.Minute), Verdict: "open"}); err != nil {
			t.Fatal(err)
		}
	}
	if all := history.LoadDiagnoses(path)["a"]; len(all) != 500 || !all[499].At.Equal(at.Add(509*time.Minute)) {
		t.Errorf("%d verdicts are kept", len(all))
	}
	for _, host := range []string{"a", "b", "a"} {
		if err := history.SaveOffset(path, history.Offset{Host: host, At: at, Low: -1.5, High: 2}); err != nil {
			t.Fatal(err)
		}
	}
	if all := history.LoadOffsets(path); len(all["a"]) != 2 || all["b"][0] != (history.Offset{Host: "b", At: at, Low: -1.5, High: 2}) {
		t.Errorf("the offsets are %v", all)
	}
	if all := history.Load(path); len(all) != 0 {
		t.Errorf("they are handshakes too: %v", all)
	}
}
