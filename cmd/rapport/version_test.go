//go:build unix

package main

import (
	"os/exec"
	"strings"
	"testing"
)

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
