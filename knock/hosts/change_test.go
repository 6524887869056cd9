package hosts_test

import (
	"testing"
	"time"

	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// A change works with the flags that were given when it was found, so its command has them.
func TestChangeCommandRepeatsFlags(t *testing.T) {
	skew := -3 * time.Hour
	given := []hosts.Flag{{Name: "config", Value: "it's.toml"}, {Name: "ipv4", Value: "true", Alone: true}, {Name: "json", Value: "true", Alone: true},
		{Name: "range", Value: "20000-29999"}, {Name: "secret-file", Value: "s"}, {Name: "skew", Value: "1h"}, {Name: "ssh-port", Value: "2222"}, {Name: "timeout", Value: "9s"}}
	rest := ` --config 'it'\''s.toml' --ipv4 --range 20000-29999 --secret-file s --ssh-port 2222`
	for listed, want := range map[bool]string{true: "rapport hosts edit my --skew=-3h" + rest, false: "rapport knock my --skew=-3h" + rest} {
		if got := (hosts.Change{Skew: &skew}).Command("my", listed, given); got != want {
			t.Errorf("listed %v: %s\nwant %s", listed, got, want)
		}
	}
	if got := (hosts.Change{Range: knocktest.NewRange(t, 10000, 10998), Family: "6", SSHPort: 22}).Command("my", true, given); got != `rapport hosts edit my --range=10000-10998 -6 --ssh-port=22 --config 'it'\''s.toml' --secret-file s --skew 1h` {
		t.Error(got)
	}
}
