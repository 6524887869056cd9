package hosts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/knock/hosts"
)

// The history keeps hosts apart, drops its oldest lines, and survives what is no line.
func TestHistoryIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "history.jsonl")
	a, b := hosts.NewHost("alpha"), hosts.NewHost("alpha")
	b.Address = "192.0.2.1"
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for i, h := range []hosts.Host{a, b, a} {
		if err := hosts.SaveHandshake(path, hosts.Handshake{Host: h.Identity(), At: at.Add(time.Duration(i) * time.Hour), Opened: i > 0, Took: float64(10 * i)}); err != nil {
			t.Fatal(err)
		}
	}
	all := hosts.LoadHistory(path)
	if len(all) != 2 || len(all[a.Identity()]) != 2 || len(all[b.Identity()]) != 1 {
		t.Fatalf("the history is %v", all)
	}
	if r := hosts.Summarize(all[a.Identity()]); r.Share() != 0.5 || r.Median != 20*time.Millisecond {
		t.Errorf("the record is %+v", r)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("no line\n"), strings.Repeat(string(text), 1500)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := hosts.SaveHandshake(path, hosts.Handshake{Host: "last", At: at}); err != nil {
		t.Fatal(err)
	}
	all = hosts.LoadHistory(path)
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
		if err := hosts.SaveDiagnosis(path, hosts.Diagnosis{Host: "a", At: at.Add(time.Duration(i) * time.Minute), Verdict: "open"}); err != nil {
			t.Fatal(err)
		}
	}
	if all := hosts.LoadDiagnoses(path)["a"]; len(all) != 500 || !all[499].At.Equal(at.Add(509*time.Minute)) {
		t.Errorf("%d verdicts are kept", len(all))
	}
	for _, host := range []string{"a", "b", "a"} {
		if err := hosts.SaveOffset(path, hosts.Offset{Host: host, At: at, Low: -1.5, High: 2}); err != nil {
			t.Fatal(err)
		}
	}
	if all := hosts.LoadOffsets(path); len(all["a"]) != 2 || all["b"][0] != (hosts.Offset{Host: "b", At: at, Low: -1.5, High: 2}) {
		t.Errorf("the offsets are %v", all)
	}
	if all := hosts.LoadHistory(path); len(all) != 0 {
		t.Errorf("they are handshakes too: %v", all)
	}
}

func TestSettingsOfTheScreens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.toml")
	for text, want := range map[string]string{
		"": "",
		"theme = \"light\"\nhistory = false\nmotion = false\nmouse = true\n[hosts.a]\n": "",
		"theme = \"../pink\"\n":       `theme "../pink" is neither dark nor light nor the NAME of themes/NAME.toml`,
		"mouse = 1\n":                 "mouse must be true or false",
		"history = 1\n":               "history",
		"[hosts.a]\ntheme = \"dark\"": "unknown key",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := hosts.Load(path)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v", text, err)
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case text == "" && file.Settings != hosts.DefaultSettings():
			t.Errorf("the settings of no file are %+v", file.Settings)
		case want == "" && text != "" && file.Settings != (hosts.Settings{Theme: "light", Mouse: true}):
			t.Errorf("%q: %+v", text, file.Settings)
		}
	}
}
