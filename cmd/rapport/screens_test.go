package main

import (
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// The screens start ssh with the settings applied in them, whatever the flags and
// the hosts file say.
func TestSSHFromTheScreensKnocksAsTheyDo(t *testing.T) {
	knocktest.Need(t, "ssh")
	root := newRoot(nil, nil)
	if err := root.ParseFlags([]string{"--range", "7000-7999", "-4"}); err != nil {
		t.Fatal(err)
	}
	h := hosts.NewHost("myserver")
	h.Address, h.Skew, h.Family = "server.example.org", -3*time.Hour, knock.Family6
	t.Setenv("HOME", t.TempDir()) // whose ssh configuration may name the host key
	c, err := sshCommand(root)(t.Context(), h, "/run/it")
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Join(c.Args, " ")
	for _, want := range []string{"--range=10000-10999", "--skew=-3h", "--ipv6=true", "--secret-file=/run/it", "-o HostKeyAlias=server.example.org"} {
		if !strings.Contains(args, want) {
			t.Errorf("no %s in %s", want, args)
		}
	}
	if strings.Contains(args, "ipv4") {
		t.Errorf("both families are in %s", args)
	}
}
