package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
)

// FuzzArguments runs the commands that send nothing: with any arguments they print
// only printable text, or fail with one line.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{
		"seq\nh", "seq\nh\n--at\n2026-11-22-08\n--hours\n2\n--range\n1-2", "seq\nh\n--skew\n-2562047h47m16.854775808s\n--json", "seq\n\x1b[31m\n--at\n\u202e",
		"rules\nh\n--format\nnft\n--forward\n80=[::1]:1\n--grace\n90\n--window\n5", "rules\n$(id)\n--replay-guard=3\n--cron", "rules\nh\n--embed-secret\n--grace=-9223372036854775808",
		"ssh-config\n-oProxyCommand=x\n--ssh-port\n99999999999999999999", "hosts\nlist\n--json", "hosts\nshow\nx\n-46",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		args := strings.Split(s, "\n")
		switch args[0] {
		case "seq", "rules", "ssh-config":
		case "hosts": // the others of its commands ask, or write
			if len(args) < 2 || args[1] != "list" {
				return
			}
		default:
			return
		}
		// The test must not read files of this machine.
		if strings.ContainsAny(s, "/~") || strings.Contains(s, "file") || strings.Contains(s, "config\n") && args[0] != "ssh-config" || strings.Contains(s, "--config") {
			return
		}
		t.Setenv("XDG_CONFIG_HOME", t.TempDir())
		t.Setenv("HOME", t.TempDir())
		t.Setenv(secretVariable, "f00b4r")
		var out, errs bytes.Buffer
		cmd := newRoot(nil, nil)
		cmd.SetArgs(args)
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		err := cmd.ExecuteContext(t.Context())
		unfit := func(c rune) bool { return !unicode.IsPrint(c) && c != '\n' && c != '\t' }
		if err != nil && strings.ContainsFunc(oneLine(err), func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Errorf("%q fails with %q", args, err)
		}
		if bytes.ContainsFunc(out.Bytes(), unfit) || bytes.ContainsFunc(errs.Bytes(), unfit) {
			t.Errorf("%q prints %q, %q", args, out.String(), errs.String())
		}
	})
}
