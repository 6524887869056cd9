package diag_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock/knocktest"
)

// TestOnTheServer runs the built program on the server itself: what it sends to itself comes in
// by lo, also to 127.0.0.1, where the demo's stand-in is not.
func TestOnTheServer(t *testing.T) {
	knocktest.Long(t)
	const guards = "-D INPUT -i lo -j ACCEPT" // the article's rules accept lo
	loopback := knocktest.Options{SSHD: []string{"ListenAddress 127.0.0.1"}}
	const nobody = "nothing listens at"
	stopped := knocktest.Options{NoSSHD: true}
	stale := func(o knocktest.Options) knocktest.Options { o.At = shift(-3 * time.Hour); return o }
	for _, x := range []struct {
		name, address string
		server        knocktest.Options
		rule          string
		want          diag.Code
		says          string
	}{
		{"its own address", "", knocktest.Options{}, guards, diag.Opens, "this was made on the server itself"},
		{"its own address, at a gate that rejects", "", knocktest.Options{Refusal: knocktest.Reset}, guards, diag.Opens, "this was made on the server itself"},
		{"its own address, the rules accept lo", "", knocktest.Options{}, "", diag.AlreadyOpen, "run it from another machine"},
		{"its own address, 3 h behind", "", stale(knocktest.Options{}), guards, diag.RulesStale, "the server is this machine, and has its clock"},
		{"its own address, another secret", "", knocktest.Options{Secret: "b4rf00"}, guards, diag.Unexplained, "this was made on the server itself"},
		{"loopback", "127.0.0.1", loopback, guards, diag.Opens, "this was made on the server itself"},
		{"loopback, the rules accept lo", "127.0.0.1", loopback, "", diag.AlreadyOpen, "let the machine itself past the gate"},
		{"loopback, 3 h behind", "127.0.0.1", stale(loopback), guards, diag.RulesStale, "the server is this machine, and has its clock"},
		{"loopback, sshd is stopped, the rules accept lo", "127.0.0.1", stopped, "", diag.SSHDown, nobody},
		{"loopback, sshd is stopped", "127.0.0.1", stopped, guards, diag.SSHDown, nobody},
		{"loopback, sshd is stopped, at a gate that rejects", "127.0.0.1", knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset}, guards, diag.SSHDown, nobody},
		{"loopback, sshd is stopped, 3 h behind", "127.0.0.1", stale(stopped), guards, diag.SSHDown, nobody},
		{"loopback, sshd is at another port, the rules accept lo", "127.0.0.1", knocktest.Options{SSHPort: 2222}, "", diag.SSHDown, "ListenAddress, Port"},
		{"IPv6's loopback, sshd is stopped, the rules accept lo", "::1", stopped, "", diag.SSHDown, nobody},
		{"its own address, sshd is stopped, the rules accept lo", "", stopped, "", diag.SSHDown, nobody},
		{"loopback, sshd is at its own address alone, the rules accept lo", "127.0.0.1", knocktest.Options{}, "", diag.SSHDown, "ListenAddress, Port"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			if x.server.At.IsZero() {
				x.server.At = morning
			}
			s := knocktest.NewServer(t, x.server)
			if x.rule != "" {
				s.AddRule(t, x.rule)
			}
			if x.address == "" {
				x.address = s.Addr4.String()
			}
			dir, err := built()
			if err != nil {
				t.Fatal(err)
			}
			doctor := func(args ...string) string {
				cmd := s.Command(t.Context(), filepath.Join(dir, "rapport"), append([]string{"doctor", x.address, "--config", "/dev/null"}, args...)...)
				cmd.Env = append(cmd.Env, "RAPPORT_SECRET="+knocktest.DefaultSecret, envShift+"="+time.Until(morning).Round(time.Millisecond).String())
				out, _ := cmd.Output() // it says no where something is wrong
				return string(out)
			}
			var r struct {
				Verdict struct {
					Code diag.Code `json:"code"`
				} `json:"verdict"`
			}
			text := doctor("--json")
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				t.Fatal(err, text)
			}
			if r.Verdict.Code != x.want || !strings.Contains(text, x.says) {
				t.Errorf("want %s, %q, got %s", x.want, x.says, text)
			}
		})
	}
}
