//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// The built program on the server reads the server's own rules: the article's, then
// those of nft.
func TestInspectOnTheServer(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft")
	rapport := build(t)
	at := time.Now().Add(-3 * time.Hour)
	s := knocktest.NewServer(t, knocktest.Options{At: at, NoSSHD: true})
	inspect := func() (code int, out, said string) {
		t.Helper()
		cmd := s.Command(t.Context(), rapport, "inspect", "myserver", "--config", t.TempDir()+"/hosts.toml")
		cmd.Env = append(cmd.Env, "RAPPORT_SECRET=f00b4r")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if e := new(exec.ExitError); errors.As(err, &e) {
			code = e.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		return code, stdout.String(), stderr.String()
	}
	match := func(pattern, text string) {
		t.Helper()
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("no %q in:\n%s", pattern, text)
		}
	}

	code, out, said := inspect()
	if code != exitShut {
		t.Errorf("exit %d", code)
	}
	match(`(?m)^gate: iptables for IPv4 and IPv6 in chain portknocking, accept rule fixed to port 22, window 5 s$`, out)
	match(fmt.Sprintf(`(?m)^made with: hour %v, range 10000-10999, the secret as given$`, s.Hour), out)
	match(`^rapport: rules are from [34] hours ago\n$`, said) // the hour may turn meanwhile

	load := func(bottom uint16, policy string) {
		t.Helper()
		p := knock.Derive(knock.HourOf(time.Now()), knock.DefaultRange, s.Secret).Ports()
		rules := "table ip gate {\n"
		for k := range p {
			rules += fmt.Sprintf("set p%d { type ipv4_addr; flags dynamic,timeout; timeout 5s; }\n", k)
		}
		rules += "chain in { type filter hook input priority 0; policy " + policy + ";\nct state established,related accept\n"
		for k, port := range p {
			from := ""
			if k > 0 {
				from = fmt.Sprintf("ip saddr @p%d ", k-1)
			}
			rules += fmt.Sprintf("tcp dport %d ct state new %supdate @p%d { ip saddr }\n", port+bottom, from, k)
		}
		rules += "tcp dport 22 ip saddr @p4 accept\n}\n}\n"
		cmd := s.Command(t.Context(), "nft", "-f", "-")
		cmd.Stdin = bytes.NewBufferString(rules)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}

	// A second gate, of nft, with other ports: no client passes both.
	load(10000, "accept")
	code, out, said = inspect()
	if code != exitShut {
		t.Errorf("exit %d with two gates", code)
	}
	match(`(?m)^error two-gates: `, out)
	match(`(?m)^gate: iptables for IPv4 and IPv6 in chain portknocking, `, out)
	match(`(?m)^other gate: nft for IPv4 in chain in, `, out)
	match(`two gates with different ports are loaded`, said)
	if strings.Contains(out, "also accepts") {
		t.Errorf("the gates are mixed up:\n%s", out)
	}

	s.Run(t, "nft", "flush", "ruleset")
	code, _, said = inspect()
	if code != exitUsage {
		t.Errorf("exit %d without rules", code)
	}
	match(`^rapport: this machine's rules cannot be read: there are none\n$`, said)

	load(0, "drop")
	code, out, said = inspect()
	if code != exitShut {
		t.Errorf("exit %d", code)
	}
	match(`(?m)^gate: nft for IPv4 in chain in, accept rule fixed to port 22, window 5 s$`, out)
	match(`(?m)^error v6-without-gate: `, out)
	match(`IPv6 has no gate and accepts everybody at port 22`, said)
}

// A file may be the text of nft list ruleset or its JSON: inspect says the same.
func TestInspectReadsJSON(t *testing.T) {
	t.Parallel()
	rapport := build(t)
	said := map[string]string{}
	for _, form := range []string{"txt", "json"} {
		cmd := exec.CommandContext(t.Context(), rapport, "inspect", "../../knock/netfilter/testdata/dumps/native."+form, "--at", "2026-11-22-08", "--config", t.TempDir()+"/hosts.toml")
		cmd.Env = append(cmd.Environ(), "RAPPORT_SECRET=f00b4r")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		said[form], _, _ = strings.Cut(string(out), "searched ") // and how long it took
	}
	if said["txt"] != said["json"] || !strings.Contains(said["json"], "made with: hour 2026-11-22-08, range 10000-10999") {
		t.Errorf("text:\n%s\nJSON:\n%s", said["txt"], said["json"])
	}
}
