package hosts_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"rapport/knock/hosts"
)

// Packages install the example. It can be read, and so can each line of it that is
// offered behind a #, alone.
func TestExampleCanBeRead(t *testing.T) {
	text, err := os.ReadFile("hosts.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	offered := regexp.MustCompile(`(?m)^# ([a-z_]+ = )`)
	lines := offered.FindAllStringIndex(string(text), -1)
	if len(lines) < 10 {
		t.Fatalf("%d lines are offered", len(lines))
	}
	for _, at := range append(lines, []int{0, 0}) {
		variant := string(text[:at[0]]) + offered.ReplaceAllString(string(text[at[0]:at[1]]), "$1") + string(text[at[1]:])
		if strings.HasPrefix(variant[at[0]:], "secret_file") || strings.HasPrefix(variant[at[0]:], "keyring") {
			variant = strings.Replace(variant, "\nsecret_command", "\n# secret_command", 1)
		}
		file, err := hosts.Load(hostsFile(t, variant))
		if err != nil {
			t.Error(err)
		} else if h, ok := file.Host("myserver"); !ok || h.Address != "server.example.org" {
			t.Errorf("%+v", h)
		}
	}
}
