package gate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock/gate"
	"rapport/knock/knocktest"
)

// Gates in the styles in which they are described on the net. What is found in the
// rules as the kernel dumps them is what packets do there: the knocks open SSH, in
// time, and without one of them it stays shut.
func TestStylesOfGates(t *testing.T) {
	knocktest.Long(t)
	knocktest.Need(t, "iptables-restore", "iptables-save", "nft", "bash", "timeout")
	s := time.Second
	for _, tt := range []struct {
		file    string
		ports   []uint16
		windows []time.Duration
		accept  gate.AcceptKind
		strict  bool
	}{
		{"auth_gate_chains.rules", []uint16{1111, 2222, 3333}, []time.Duration{2 * s, 2 * s, 3 * s}, gate.OneShot, true},
		{"address_and_port.nft", []uint16{123, 234, 345, 456}, []time.Duration{2 * s, 2 * s, 2 * s, 3 * s}, gate.Fixed, false},
		{"not_in_set_return.nft", []uint16{1001, 1002, 1003, 1004}, []time.Duration{2 * s, 2 * s, 2 * s, 3 * s}, gate.Fixed, false},
		{"verdict_map.nft", []uint16{2001, 2002, 2003, 2004, 2005}, []time.Duration{2 * s, 2 * s, 2 * s, 2 * s, 3 * s}, gate.OneShot, true},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			path, err := filepath.Abs(filepath.Join("testdata", "styles", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			check := func(text string) {
				t.Helper()
				g, ok := readRules(t, text).Gate()
				if !ok || !slices.Equal(g.Ports, tt.ports) || !slices.Equal(g.Windows, tt.windows) || g.Accept != tt.accept || g.Strict != tt.strict || g.SSHPort != 22 {
					t.Errorf("ports %v, windows %v, accept %s, strict %v, ssh %d in\n%s", g.Ports, g.Windows, g.Accept, g.Strict, g.SSHPort, text)
				}
			}
			check(string(text))
			server := knocktest.NewServer(t, knocktest.Options{NoSSHD: true, NoGate: true})
			server.Run(t, "nft", "flush", "ruleset")
			if strings.HasSuffix(path, ".nft") {
				server.Run(t, "nft", "-f", path)
				check(server.Run(t, "nft", "list", "ruleset"))
			} else {
				server.Run(t, "iptables-restore", path)
				check(server.Run(t, "iptables-save"))
			}
			for k := range tt.ports {
				if opens(t, server, slices.Delete(slices.Clone(tt.ports), k, k+1)...) {
					t.Errorf("it opens without port %d", tt.ports[k])
				}
				time.Sleep(3200 * time.Millisecond)
			}
			if !opens(t, server, tt.ports...) {
				t.Error("the handshake does not open")
			}
		})
	}
}

// opens knocks from the server itself, and reports whether SSH opens: nothing listens
// there, so who is let in is refused at once, and the others wait in vain.
func opens(t *testing.T, s *knocktest.Server, ports ...uint16) bool {
	t.Helper()
	for _, p := range ports {
		s.Run(t, "bash", "-c", fmt.Sprintf("timeout 0.3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d' 2>/dev/null; true", p))
	}
	return strings.TrimSpace(s.Run(t, "bash", "-c", "timeout 0.8 bash -c 'exec 3<>/dev/tcp/127.0.0.1/22' 2>/dev/null; echo $?")) != "124"
}
