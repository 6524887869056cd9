//go:build linux

package knocktest_test

import (
	"crypto/md5"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// portsOf are those of a server that hashes the text, in the range 10000-10999.
func portsOf(text string) (ports [knock.Knocks]uint16) {
	sum := md5.Sum([]byte(text))
	num, size, port := new(big.Int).SetBytes(sum[:]), big.NewInt(1000), new(big.Int)
	for k := range ports {
		num.DivMod(num, size, port)
		ports[k] = uint16(10000 + port.Uint64())
	}
	return ports
}

func TestHashedOtherwise(t *testing.T) {
	t.Parallel()
	change := strings.ToUpper
	s := knocktest.NewServer(t, knocktest.Options{Hashed: func(text string) string { return change(text) }})
	handshake(t, s.Addr4, sequence(s))
	wantShut(t, s.SSHAddr(s.Addr4))
	for name, c := range map[string]func(string) string{
		"as it is":    func(text string) string { return text },
		"CR":          func(text string) string { return text[:len(text)-1] + "\r\n" },
		"no newline":  func(text string) string { return text[:len(text)-1] },
		"two of them": func(text string) string { return text + "\n" },
		"upper case":  strings.ToUpper,
	} {
		t.Run(name, func(t *testing.T) {
			change = c
			s.Refresh(t, s.Hour.Add(1).Start())
			for _, p := range portsOf(change(s.Hour.String() + "-f00b4r\n")) {
				syn(t, netip.AddrPortFrom(s.Addr4, p))
			}
			wantOpen(t, s.SSHAddr(s.Addr4))
		})
	}
}

func TestGuardsDiffer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		v4, v6 knocktest.Guard
	}{
		{knocktest.Gated, knocktest.Shut},
		{knocktest.Shut, knocktest.Unguarded},
		{knocktest.Unguarded, knocktest.Gated},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			t.Parallel()
			s := knocktest.NewServer(t, knocktest.Options{V4: tt.v4, V6: tt.v6})
			for range 2 {
				families(t, s, func(t *testing.T, a, _ netip.Addr) {
					guard := tt.v4
					if a.Is6() {
						guard = tt.v6
					}
					if guard == knocktest.Unguarded {
						wantOpen(t, s.SSHAddr(a))
						return
					}
					wantShut(t, s.SSHAddr(a))
					handshake(t, a, sequence(s))
					if guard == knocktest.Gated {
						wantOpen(t, s.SSHAddr(a))
					} else {
						wantShut(t, s.SSHAddr(a))
					}
				})
				s.Refresh(t, s.Hour.Add(1).Start())
			}
		})
	}
}

func TestCutOff(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{CutOff: true})
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		wantShut(t, s.SSHAddr(a))
		handshake(t, a, sequence(s))
		c, err := net.DialTimeout("tcp", s.SSHAddr(a).String(), enough)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); !isTimeout(err) {
			t.Errorf("%d bytes, %v; want silence", n, err)
		}
	})
}

func TestUnreachable(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	for refusal, want := range map[knocktest.Refusal][2]error{
		knocktest.AdminProhibited: {syscall.EHOSTUNREACH, syscall.EACCES},
		knocktest.HostUnreachable: {syscall.EHOSTUNREACH, syscall.EHOSTUNREACH},
	} {
		s := knocktest.NewServer(t, knocktest.Options{Refusal: refusal})
		for i, a := range []netip.Addr{s.Addr4, s.Addr6} {
			if _, err := banner(s.SSHAddr(a), enough); !errors.Is(err, want[i]) {
				t.Errorf("%v, %v: SSH, shut: %v, want %v", refusal, a, err, want[i])
			}
			handshake(t, a, sequence(s))
			wantOpen(t, s.SSHAddr(a))
		}
	}
}
