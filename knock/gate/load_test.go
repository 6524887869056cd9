package gate_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"rapport/knock/gate"
	"rapport/knock/knocktest"
)

// The rules of this machine are read in JSON, and as text where nft has no JSON.
func TestReadLocalReadsNFT(t *testing.T) {
	knocktest.Need(t, "nft")
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(nft, "-f", filepath.Join("testdata", "rules", "native.nft")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command(nft, "flush", "ruleset").Run() })
	for _, c := range []struct{ name, form, script string }{
		{"JSON", "json", `exec ` + nft + ` "$@"`},
		{"no JSON", "text", `if [ "$1" = -j ]; then echo JSON support not compiled-in >&2; exit 1; fi; exec ` + nft + ` "$@"`},
		{"JSON cut off", "text", `if [ "$1" = -j ]; then echo '{"nftables": ['; exit; fi; exec ` + nft + ` "$@"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			// The script records the form that was read last.
			record := "case $1 in -j) echo json;; *) echo text;; esac >" + filepath.Join(dir, "form") + "\n"
			knocktest.WriteFile(t, filepath.Join(dir, "nft"), "#!/bin/sh\n"+record+c.script+"\n", 0o755)
			t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
			f, _, err := gate.ReadLocal(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			g, ok := f.Gate()
			if !ok || f.Kind != gate.FromNFT || !slices.Equal(g.Ports, articlePorts) || g.SSHPort != 22 || len(f.Gates) != 2 {
				t.Errorf("%v gates %d, %+v", f.Kind, len(f.Gates), g.Ports)
			}
			if form, err := os.ReadFile(filepath.Join(dir, "form")); err != nil || string(form) != c.form+"\n" {
				t.Errorf("read %s, %v, want %s", form, err, c.form)
			}
		})
	}
}

// A file in JSON holds the same gate as the text.
func TestReadRulesInJSON(t *testing.T) {
	for _, name := range []string{"native", "strict"} {
		t.Run(name, func(t *testing.T) {
			a := readRules(t, rules(t, name+".nft"))
			b, err := gate.ReadRulesFile(filepath.Join("..", "netfilter", "testdata", "dumps", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Gates) != 2 || len(b.Gates) != 2 {
				t.Fatalf("gates %d and %d", len(a.Gates), len(b.Gates))
			}
			for i, g := range a.Gates {
				h := b.Gates[i]
				if !slices.Equal(g.Ports, h.Ports) || !slices.Equal(g.Lists, h.Lists) || !slices.Equal(g.Windows, h.Windows) || g.Accept != h.Accept || g.SSHPort != h.SSHPort || g.Strict != h.Strict || g.SweepGuard != h.SweepGuard {
					t.Errorf("%+v\n%+v", g, h)
				}
			}
		})
	}
}
