//go:build linux

package knocktest_test

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

func TestServeSSH(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{NoSSHD: true})
	wantShut(t, s.SSHAddr(s.Addr4))
	for name, tt := range map[string]struct {
		serve func(net.Conn)
		line  string
		ended bool
	}{
		"penalty": {knocktest.Say(knocktest.Penalty), knocktest.Penalty, true},
		"not ssh": {knocktest.Say("220 mail\r\n"), "220 mail\r\n", true},
		"hang up": {knocktest.Say(""), "", true},
		"silent":  {knocktest.Hold, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s.ServeSSH(t, tt.serve)
			families(t, s, func(t *testing.T, a, _ netip.Addr) {
				handshake(t, a, sequence(s))
				c, err := net.DialTimeout("tcp", s.SSHAddr(a).String(), enough)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				wait := enough
				if !tt.ended {
					wait = 300 * time.Millisecond
				}
				_ = c.SetDeadline(time.Now().Add(wait))
				text, err := io.ReadAll(c)
				if string(text) != tt.line || isTimeout(err) == tt.ended {
					t.Errorf("it says %q, %v", text, err)
				}
			})
		})
	}
}
