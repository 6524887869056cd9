//go:build unix

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// The Go tool records what it builds from; the linker is told nothing.
func TestVersionIsThatOfTheCommit(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("../../.git"); err != nil {
		knocktest.Lack(t, "a clone: "+err.Error())
	}
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			t.Fatalf("%s %s: %v", name, args, err)
		}
		return strings.TrimSpace(string(out))
	}
	path := build(t)
	var got struct {
		Schema                int
		Version, Revision, Go string
		Date                  time.Time `json:"commit_date"`
		Modified              *bool
	}
	if err := json.Unmarshal([]byte(run(path, "version", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	revision, date, _ := strings.Cut(run("git", "log", "-1", "--format=%H %cI"), " ")
	if want, err := time.Parse(time.RFC3339, date); err != nil || got.Revision != revision || !got.Date.Equal(want) {
		t.Errorf("%+v, want revision %s of %s (%v)", got, revision, date, err)
	}
	modified := run("git", "status", "--porcelain") != ""
	if got.Schema != 1 || got.Go != run("go", "env", "GOVERSION") || got.Modified == nil || *got.Modified != modified {
		t.Errorf("%+v, want schema 1, modified %v", got, modified)
	}
	if text := run(path, "version"); !strings.HasPrefix(got.Version, "v") || !strings.HasPrefix(text, "rapport "+got.Version+" ("+revision[:12]+" of ") {
		t.Errorf("%s, want version %s of %s", text, got.Version, revision)
	}
}

// Where the Go tool has recorded no revision, as in a test, nothing is said of changes after it.
func TestVersionWithoutVersionControl(t *testing.T) {
	if text, err := json.Marshal(version()); err != nil || strings.Contains(string(text), "modified") {
		t.Errorf("%s, %v", text, err)
	}
}

// The program calls no method by its name, as text/template does: the linker would
// keep all methods of all packages.
func TestLinkerDropsMethods(t *testing.T) {
	symbols, err := exec.Command("go", "tool", "nm", build(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(symbols); !strings.Contains(s, " main.newRoot") || strings.Contains(s, "text/template.(*state)") {
		t.Error("text/template is linked in, or there are no symbols")
	}
}
