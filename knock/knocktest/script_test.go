//go:build linux

package knocktest_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// Rapport's own rules, whose guard lets a sequence through for one address only:
// another client has used it.
func TestScriptWithItsGuardUsedUp(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{NoGate: true})
	sh := s.NewScript(t)
	rules := script.Rules{
		Format: script.NFT, Host: "server", Range: s.Range, SSHPort: s.SSHPort, Window: s.Window,
		SecretPath: sh.SecretPath(), Secret: s.Secret, ReplayGuard: 1,
	}
	text, err := rules.Script()
	if err != nil {
		t.Fatal(err)
	}
	sh.Install(t, text)
	sh.Run(t, "setup")
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		sh.SetClock(t, s.Hour.Start())
		sh.Run(t, "refresh")
		other := net.Dialer{LocalAddr: &net.TCPAddr{IP: s.NewAddress(t, a).AsSlice()}, Timeout: 50 * time.Millisecond}
		for _, p := range sequence(s).Ports() {
			if c, err := other.Dial("tcp", netip.AddrPortFrom(a, p).String()); err == nil {
				c.Close()
			}
		}
		handshake(t, a, sequence(s))
		wantShut(t, s.SSHAddr(a))

		next := s.Hour.Add(1)
		sh.SetClock(t, next.Start())
		sh.Run(t, "refresh")
		handshake(t, a, knock.Derive(next, s.Range, s.Secret))
		wantOpen(t, s.SSHAddr(a))
	})
	if out, err := sh.Try("dance"); err == nil || !strings.Contains(out, "usage") {
		t.Errorf("an action that there is not: %v\n%s", err, out)
	}
}

func TestNewAddressKnocksForItself(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{Router: true})
	families(t, s, func(t *testing.T, a, client netip.Addr) {
		one, two := s.NewAddress(t, a), s.NewAddress(t, a)
		seen := s.Capture(t)
		for _, from := range []netip.Addr{one, two} {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: 50 * time.Millisecond}
			if _, err := d.Dial("tcp", s.SSHAddr(a).String()); !isTimeout(err) {
				t.Errorf("SSH, shut: %v", err)
			}
		}
		wantShut(t, s.SSHAddr(a))
		for i, want := range []netip.Addr{one, two, client} {
			if got := seen.SYNs()[i].Src.Addr(); got != want {
				t.Errorf("SYN %d comes from %v, want %v", i, got, want)
			}
		}
	})
}
