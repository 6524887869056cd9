//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// A connection of which nothing arrives after the server's banner is lost before the
// login: with --keep the proxy knocks again, and ssh, which has seen one banner, logs in.
func TestKeepLogsInAfterALostConnection(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	g := newGated(t, "proxy --keep 3 %h %p")
	// The banner passes; the list of algorithms, which is longer, does not.
	rule := strings.Fields("OUTPUT -p tcp --sport 22 -m length --length 300:65535 -j DROP")
	g.Run(t, "iptables", append([]string{"-w", "-I"}, rule...)...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ssh", "-F", g.config, "gate", "echo through")
	cmd.Env = os.Environ()
	said := &lines{seen: make(chan string, 64)}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case line := <-said.seen:
		if !strings.HasPrefix(line, "rapport: the connection was lost before the login: knocking again (1 of 3)") {
			t.Errorf("ssh says %q", line)
		}
	case <-ctx.Done():
		t.Error("the loss is never noticed")
	}
	g.Run(t, "iptables", append([]string{"-w", "-D"}, rule...)...)
	if err := cmd.Wait(); err != nil || out.String() != "through\n" {
		t.Errorf("ssh prints %q, %v", &out, err)
	}
}

// lines passes on each write of a process.
type lines struct{ seen chan string }

func (l *lines) Write(b []byte) (int, error) {
	select {
	case l.seen <- string(b):
	default:
	}
	return len(b), nil
}

// Two gates in a row: the second is knocked from the first host, on which rapport proxy
// runs as the README says, and opens for that host alone.
func TestSSHThroughAChainOfGates(t *testing.T) {
	t.Parallel()
	g := newGated(t, "proxy --fdpass %h %p", "ProxyUseFdpass yes")
	second := knocktest.NewServer(t, knocktest.Options{Secret: "an0ther-for-the-second"})
	// The first host reaches the second through the test process, which routes.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	g.Run(t, "ip", "route", "add", second.Addr4.String()+"/32", "via", g.Client4.String())
	second.Run(t, "ip", "route", "add", g.Addr4.String()+"/32", "via", second.Client4.String())
	g.write("second.secret", "an0ther-for-the-second\n")
	far := g.write("far.toml", fmt.Sprintf("[hosts.second]\naddress = %q\nsecret_file = \"second.secret\"\n", second.Addr4))
	text, err := os.ReadFile(g.config)
	if err != nil {
		t.Fatal(err)
	}
	stanza := fmt.Sprintf("Host second\n  ProxyCommand ssh -F %s gate %s --config %s proxy -- %%h %%p\n", g.config, g.rapport, far)
	// The keys of the second server are other ones.
	args := second.SSHArgs()
	for i := 0; i+1 < len(args); i += 2 {
		switch k, v := args[i], args[i+1]; {
		case k == "-i":
			stanza += "  IdentityFile " + v + "\n"
		case k == "-o" && strings.HasPrefix(v, "UserKnownHostsFile"):
			stanza += "  " + v + "\n"
		}
	}
	g.config = g.write("ssh_config", stanza+string(text))
	if out := g.ssh("second", "echo through both"); out != "through both\n" {
		t.Errorf("ssh prints %q", out)
	}
	r, err := new(knock.Client).Probe(t.Context(), "second", second.SSHAddr(second.Addr4), knock.Options{})
	if err != nil || r.SSH.State != knock.SSHFiltered {
		t.Errorf("the second is %s from here, %v: it opened for another host than the first", r.SSH.State, err)
	}
}
