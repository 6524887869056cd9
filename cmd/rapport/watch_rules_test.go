//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"rapport/knock/knocktest"
)

// TestWatchAsksTheRules: of a client that knocks rightly and is not let in, watch --clients
// names the rule of the server that stops it, or what the gate wants instead.
func TestWatchAsksTheRules(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save")
	rapport := build(t)
	shut := knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut}
	phases := func(p knocktest.Phases) func(*testing.T, *knocktest.Server) {
		return func(t *testing.T, s *knocktest.Server) { s.ServePhases(t, p) }
	}
	front := func(rule string) func(*testing.T, *knocktest.Server) {
		return func(t *testing.T, s *knocktest.Server) { s.Run(t, "iptables", strings.Fields(rule)...) }
	}
	for i, tt := range []struct {
		name, code, summary string
		server              knocktest.Options
		breaks              func(*testing.T, *knocktest.Server)
	}{
		{"six knocks", "gate-differs", "the gate wants 6 knocks", shut, phases(knocktest.Phases{Knocks: 6})},
		{"high ports", "rule", "drop all five knocks (rule 1 of chain INPUT): ", knocktest.Options{}, front("-I INPUT -p tcp --dport 1024:65535 -j DROP")},
		{"another order", "gate-differs", "in the order 1 3 2 4 5", shut, phases(knocktest.Phases{Order: []int{1, 3, 2, 4, 5}})},
		{"UDP", "gate-differs", "the gate wants UDP packets", shut, phases(knocktest.Phases{Protocol: "udp"})},
		{"a ban that rejects", "rule", "reject all five knocks (rule 1 of chain INPUT): ", knocktest.Options{}, func(t *testing.T, s *knocktest.Server) {
			s.Run(t, "iptables", "-I", "INPUT", "-s", s.Client4.String(), "-j", "REJECT")
		}},
	} {
		if i > 1 && !knocktest.RunsLong() {
			break // of each code one
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			awayFromHourChange()
			s := knocktest.NewServer(t, tt.server)
			tt.breaks(t, s)
			w := watchOn(t, s, rapport, "--clients")
			knockOnce(t, s, rapport)
			e := w.of("client", s.Client4)
			if e.Client.codes() != tt.code || !strings.Contains(e.Client.Summary, tt.summary) {
				t.Errorf("told %q: %s", e.Client.codes(), e.Client.Summary)
			}
		})
	}
}

// knockOnce makes one handshake, which does not lead to a banner.
func knockOnce(t *testing.T, s *knocktest.Server, rapport string) {
	t.Helper()
	cmd := exec.Command(rapport, "knock", s.Addr4.String(), "--attempts", "1", "--config", os.DevNull)
	cmd.Env = append(os.Environ(), "RAPPORT_SECRET="+s.Secret.Reveal())
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Fatalf("SSH opened: %s", out)
	}
}

// TestWatchSuspendedSSHD: a client that got in, and whose connection sshd does not accept, is
// told, and how many wait.
func TestWatchSuspendedSSHD(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save")
	rapport := build(t)
	awayFromHourChange()
	s := knocktest.NewServer(t, knocktest.Options{})
	w := watchOn(t, s, rapport, "--clients")
	s.SuspendSSHD(t)
	knockOnce(t, s, rapport)
	w.of("in", s.Client4)
	if e := w.of("ssh-silent", s.Client4); e.Waiting != 1 || !strings.HasSuffix(e.Summary, "got in; sshd has not taken the connection (1 waiting)") {
		t.Errorf("%d wait: %s", e.Waiting, e.Summary)
	}
	if e := w.of("client", s.Client4); e.Client.codes() != "in ssh-silent" || !strings.Contains(e.Client.Summary, ": got in; sshd has not taken the connection (1 waiting); fix: on the server, restart sshd") {
		t.Errorf("told %q: %s", e.Client.codes(), e.Client.Summary)
	}
}
