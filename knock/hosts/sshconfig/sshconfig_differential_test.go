package sshconfig_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rapport/knock/hosts/sshconfig"
	"rapport/knock/knocktest"
)

// TestSSHConfigAgreesWithSSH: what is said of a name is what ssh -G says, unless
// there is a doubt, or nothing names it; and ssh, too, refuses what is refused.
func TestSSHConfigAgreesWithSSH(t *testing.T) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		knocktest.Lack(t, "ssh")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"alpha", "beta", "alpha.lan", "Alpha", "192.0.2.1"}
	pattern := rapid.SampledFrom([]string{"alpha", "beta", "a*", "*.lan", "*", "?lpha", "Alpha", "!alpha", "!*.lan", "10.0.0.*", "192.0.2.1", "other", "b*a"})
	login := rapid.SampledFrom([]string{me.Username, "bob", "b*", "!bob", "!" + me.Username, "*"})
	list := func(t *rapid.T, g *rapid.Generator[string]) string {
		return strings.Join(rapid.SliceOfN(g, 1, 3).Draw(t, "patterns"), ",")
	}
	criterion := func(t *rapid.T) string {
		not := rapid.SampledFrom([]string{"", "", "!"}).Draw(t, "not")
		switch word := rapid.SampledFrom([]string{"host", "Host", "originalhost", "originalhost", "user", "localuser", "final", "canonical", "exec", "all"}).Draw(t, "criterion"); word {
		case "final", "canonical", "all":
			return not + word
		case "exec":
			return not + word + " " + rapid.SampledFrom([]string{"true", "false"}).Draw(t, "command")
		case "user", "localuser":
			return not + word + " " + list(t, login)
		default:
			return not + word + rapid.SampledFrom([]string{" ", "=", " = ", ` "`}).Draw(t, "sign") + list(t, pattern)
		}
	}
	line := func(t *rapid.T) string {
		switch rapid.SampledFrom([]string{"Host", "Host", "Match", "Match", "HostName", "HostName", "Port", "Port", "User"}).Draw(t, "keyword") {
		case "Host":
			return "Host " + strings.Join(rapid.SliceOfN(pattern, 1, 3).Draw(t, "patterns"), " ")
		case "Match":
			text := "Match"
			for range rapid.IntRange(1, 3).Draw(t, "criteria") {
				c := criterion(t)
				text += " " + c + strings.Repeat(`"`, strings.Count(c, `"`))
			}
			return text
		case "HostName":
			return "  HostName " + rapid.SampledFrom([]string{"10.0.0.1", "beta", "%h.lan", "Gamma.Example.org", "alpha"}).Draw(t, "name")
		case "Port":
			return "  port=" + strconv.Itoa(rapid.IntRange(1, 99).Draw(t, "port"))
		default:
			return "  User " + rapid.SampledFrom([]string{"bob", "ann"}).Draw(t, "user")
		}
	}
	dir := t.TempDir()
	path, included := filepath.Join(dir, "config"), filepath.Join(dir, "more")
	agreed, known := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var text [2]string
		for i := range text {
			for range rapid.IntRange(0, 10).Draw(t, "lines") {
				text[i] += line(t) + "\n"
			}
			if i == 0 && rapid.Bool().Draw(t, "include") {
				text[i] += "Include " + included + "\n" + line(t) + "\n"
			}
		}
		for i, p := range []string{path, included} {
			if err := os.WriteFile(p, []byte(text[i]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		name := rapid.SampledFrom(names).Draw(t, "name")
		h, err := sshconfig.Lookup(path, name)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		out, sshErr := exec.CommandContext(ctx, ssh, "-G", "-F", path, name).Output()
		if err != nil || sshErr != nil {
			if err != nil && sshErr == nil {
				t.Fatalf("ssh accepts what is refused: %v\n%s", err, text)
			}
			return
		}
		if len(h.Doubts) > 0 || !h.Known {
			return
		}
		known++
		address, port := said(out, "hostname"), said(out, "port")
		if !sameHost(h.Address, address) || fmt.Sprint(h.Port) != port {
			t.Fatalf("%s: %+v, ssh says %s port %s\n%s-- included:\n%s", name, h, address, port, text[0], text[1])
		}
		agreed++
	})
	t.Logf("%d of %d agree", agreed, known)
	if known < 10 {
		t.Errorf("only %d configurations could be compared", known)
	}
}

// said returns the value of a key in what ssh -G prints.
func said(out []byte, key string) string {
	for _, line := range bytes.Split(out, []byte("\n")) {
		if value, ok := bytes.CutPrefix(line, []byte(key+" ")); ok {
			return string(value)
		}
	}
	return ""
}

func sameHost(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x == y || strings.EqualFold(a, b)
}
