package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// What a command prints follows from the machine's clock alone: the hour, what is left of
// it, and how long the command took.
func TestCommandsReadOneClock(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	rules := filepath.Join(dir, "rules")
	text, err := os.ReadFile(filepath.Join("..", "..", "knock", "gate", "testdata", "rules", "article.save"))
	if err != nil {
		t.Fatal(err)
	}
	knocktest.WriteFile(t, rules, string(text), 0o600)
	at := time.Date(2026, 11, 22, 8, 41, 30, 0, time.UTC) // the rules are of this hour
	now := func() time.Time { return at }
	for args, want := range map[string]string{
		"seq 192.0.2.1":                                        "> 2026-11-22-08   10247 10363 10357 10858 10938   now, 18:30 left\n",
		"seq 192.0.2.1 --skew 20m":                             "  2026-11-22-08   10247 10363 10357 10858 10938   previous\n",
		"knock --explain 192.0.2.1 --json":                     `"hour": "2026-11-22-08"`,
		"trace " + rules + " 192.0.2.1 --json":                 `"opened": true`,
		"inspect " + rules + " 192.0.2.1 --json":               `"elapsed_ms": 0`,
		"audit " + rules + " 192.0.2.1 --attack replay --json": `"elapsed_ms": 0`,
	} {
		t.Setenv(secretVariable, "f00b4r") // a command removes it
		var out bytes.Buffer
		cmd := newRoot(now, nil)
		cmd.SetArgs(append(strings.Fields(args), "--config", os.DevNull))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		_ = cmd.ExecuteContext(t.Context()) // a check may say no
		if !strings.Contains(out.String(), want) {
			t.Errorf("rapport %s: no %q in\n%s", args, want, &out)
		}
	}
}
