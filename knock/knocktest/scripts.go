package knocktest

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rapport/knock"
)

// scripts are the article's, see their first lines.
//
//go:embed calc.sh gate.sh portknock.sh
var scripts embed.FS

// exitKernel is gate.sh's exit code when the kernel lacks a match of the rules.
const exitKernel = 77

// shellPrograms is what calc_knock_ports calls.
var shellPrograms = []string{"sh", "date", "md5sum", "awk", "tr", "dc"}

// writeScripts writes the scripts into a folder.
func writeScripts(t testing.TB, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, scripts); err != nil {
		t.Fatal(err)
	}
}

// ArticleClient writes the article's client script, portknock.sh HOST PORT,
// for the secret, the range and the hour of the server, and returns its path.
// It waits for a second after each dropped knock, as in the article.
func ArticleClient(t testing.TB, s *Server) string {
	t.Helper()
	Need(t, append([]string{"nc", "cat", "dirname"}, shellPrograms...)...)
	dir := t.TempDir()
	writeScripts(t, dir)
	for name, text := range map[string]string{
		"secret": s.Secret.Reveal(),
		"range":  fmt.Sprintf("%d %d", s.Range.Bottom(), s.Range.Top()),
		"at":     fmt.Sprintf("@%d", s.Hour.Start().Unix()),
	} {
		WriteFile(t, filepath.Join(dir, name), text+"\n", 0o600)
	}
	path := filepath.Join(dir, "portknock.sh")
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// Derivation is what a sequence is computed from.
type Derivation struct {
	Hour   knock.Hour
	Range  knock.Range
	Secret knock.Secret
}

// ShellPorts computes sequences by the article's shell function, all in one
// run of the shell, at about 20 ms each. It needs no namespace.
func ShellPorts(t testing.TB, ds ...Derivation) [][knock.Knocks]uint16 {
	t.Helper()
	needAll(t, nil, shellPrograms)
	dir := t.TempDir()
	writeScripts(t, dir)
	var in strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&in, "@%d %d %d %s\n", d.Hour.Start().Unix(), d.Range.Bottom(), d.Range.Top(), d.Secret.Reveal())
	}
	cmd := exec.Command(lookPath("sh"), filepath.Join(dir, "gate.sh"), "ports")
	cmd.Env = environ()
	cmd.Stdin = strings.NewReader(in.String())
	out := strings.NewReader(run(t, cmd))
	all := make([][knock.Knocks]uint16, len(ds))
	for i := range all {
		p := &all[i]
		if _, err := fmt.Fscan(out, &p[0], &p[1], &p[2], &p[3], &p[4]); err != nil {
			t.Fatalf("the shell's ports of line %d: %v", i+1, err)
		}
	}
	return all
}
