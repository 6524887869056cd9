package watch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

// The times of a watch are those of its clock, and a gate counts as gone when no rules
// hold it twice.
func TestEventsHaveTheTimeOfTheClock(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "testdata", "rules", "article.save"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	w := Watcher{clock: func() time.Time { return now }}
	read := func(rules string) []Event {
		now = now.Add(time.Minute)
		changed, _ := w.known.read([]byte(rules))
		return w.compareRules(changed)
	}
	if _, err := w.known.read(text); err != nil {
		t.Fatal(err)
	}
	events := w.apply()
	for _, rules := range []string{string(text), "", "", string(text), string(text)} {
		events = append(events, read(rules)...)
	}
	var got []string
	for _, e := range events {
		got = append(got, string(e.Kind)+e.Time.Format(" 15:04"))
	}
	if want := "gate 08:30, lost 08:33, gate 08:35"; strings.Join(got, ", ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !w.counted.Equal(now) {
		t.Errorf("counters of %v", w.counted)
	}
}
