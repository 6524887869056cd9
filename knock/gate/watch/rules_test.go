package watch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A search is for rules that differ; of the same ones only counters and elements are
// new.
func TestRulesReadAgain(t *testing.T) {
	for file, tt := range map[string]struct {
		busy   *strings.Replacer // what packets change
		rule   [2]string
		passed uint64
	}{
		"native.nft": {strings.NewReplacer("packets 3 bytes 180", "packets 5 bytes 300", "192.0.2.7 timeout 5s expires 3s120ms,\n\t\t\t     ", "192.0.2.9 timeout 5s expires 5s, "),
			[2]string{"tcp dport 10858 ip saddr", "tcp dport 10859 ip saddr"}, 5},
		"article.save": {strings.NewReplacer("-A portknock_accept -j", "[5:300] -A portknock_accept -j"), [2]string{"--dport 10858", "--dport 10859"}, 5},
	} {
		t.Run(file, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("..", "testdata", "rules", file))
			if err != nil {
				t.Fatal(err)
			}
			text := string(raw)
			var k known
			for i, now := range []struct {
				text    string
				changed bool
			}{
				{text, true}, {text, false}, {tt.busy.Replace(text), false},
				{strings.Replace(text, tt.rule[0], tt.rule[1], 1), true}, {"*filter\nCOMMIT\n", true}, {text, true}, {tt.busy.Replace(text), false},
			} {
				changed, _ := k.read([]byte(now.text))
				if changed != now.changed {
					t.Errorf("reading %d: changed %t", i, changed)
				}
			}
			g, ok := k.found.Gate()
			if !ok || g.Accepted().Rule.Count.Packets != tt.passed {
				t.Errorf("the accept rule has let through %+v", g.Accepted().Rule)
			}
			if set := k.found.Set("inet knocking phase5_4"); file == "native.nft" && set.Elements[0].Addr != "192.0.2.9" {
				t.Errorf("elements %+v", set.Elements)
			}
		})
	}
}
