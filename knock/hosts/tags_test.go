package hosts_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

func TestNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.toml")
	knocktest.WriteFile(t, path, "[hosts.a]\ntags = [\"web\", \"home\"]\n[hosts.b]\n[hosts.c]\ntags = [\"Web\"]\n", 0o600)
	file, err := hosts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		all  bool
		want string // names, or what the error says
	}{
		{args: "@web", want: "a c"},
		{args: "b @WEB A other", want: "b a c other"},
		{args: "c", all: true, want: "c a b"},
		{args: "@mail", want: `no host has the tag "mail"`},
	} {
		names, err := file.Names(strings.Fields(tt.args), tt.all)
		if err != nil {
			names = []string{err.Error()}
		}
		if got := strings.Join(names, " "); got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s: %s, want %s", tt.args, got, tt.want)
		}
	}
	if _, err := (hosts.File{}).Names(nil, true); err == nil {
		t.Error("all of no hosts is no error")
	}
	if tags := strings.Join(file.Tags(), " "); tags != "@web @home" {
		t.Errorf("tags: %s", tags)
	}
	if entries := file.Entries(); !slices.Equal(entries[0].Tags, []string{"web", "home"}) || entries[1].Tags == nil {
		t.Errorf("tags: %q, %q", entries[0].Tags, entries[1].Tags)
	}
	for _, tag := range []string{"", "two words", "a,b", "@a", "a\x1b", strings.Repeat("x", 65)} {
		if hosts.CheckTags([]string{"fine", tag}) == nil {
			t.Errorf("%q is a tag", tag)
		}
	}
}
