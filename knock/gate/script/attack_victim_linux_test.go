package script_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// spoof sends wrong SYNs as if they came from the address.
func (a attacked) spoof(from netip.Addr, n int) {
	a.t.Helper()
	var all []knocktest.Packet
	for _, port := range a.wrong(n) {
		all = append(all, knocktest.Packet{From: from, Port: port})
	}
	a.x.Send(all...)
}

// tryAs does the handshake of the hour from an address.
func (a attacked) tryAs(from netip.Addr) bool {
	a.t.Helper()
	ports := a.sequence(at)
	return a.knocksFrom(from, ports[:]...)
}

// lockout is how many spoofed wrong SYNs lock a victim out.
func (a attacked) lockout(v6 bool) int {
	a.t.Helper()
	for n := 1; n <= 3*script.DefaultSweepGuard; n++ {
		from := stranger(n, v6)
		if a.spoof(from, n); !a.tryAs(from) {
			return n
		}
	}
	return 0
}

// One more spoofed wrong SYN than the guard forgives locks a victim out, in IPv6
// with all of its /64, and nobody else.
func TestSpoofedWrongPortsLockAVictimOut(t *testing.T) {
	guards(t, nil, func(t *testing.T, a attacked) {
		for _, v6 := range []bool{false, true} {
			if n := a.lockout(v6); n < script.DefaultSweepGuard || n > script.DefaultSweepGuard+2 {
				t.Errorf("IPv6 %v: locked out by %d wrong SYNs", v6, n)
			}
			victim := stranger(1000, v6)
			a.spoof(victim, script.DefaultSweepGuard+2)
			if neighbour := victim.Next(); a.tryAs(neighbour) != !v6 {
				t.Errorf("IPv6 %v: the neighbour %v gets in: %v", v6, neighbour, v6)
			}
		}
	})
}

// BenchmarkVictim measures what spoofed SYNs do to the address that they seem to
// come from: how many lock it out, and for how long.
func BenchmarkVictim(b *testing.B) {
	fmt.Print("| gate | family | spoofed SYNs that lock out | until it opens again |\n|---|---|--:|--:|\n")
	for _, d := range defences {
		if !d.guarded {
			continue
		}
		a := d.attack(b, nil)
		for _, v6 := range []bool{false, true} {
			family, n, victim := "IPv4", a.lockout(v6), stranger(1000, v6)
			if v6 {
				family = "IPv6, its /64"
			}
			start := time.Now()
			for a.spoof(victim, n); !a.tryAs(victim); time.Sleep(50 * time.Millisecond) {
				if time.Since(start) > 5*time.Minute {
					b.Fatal("the victim stays locked out")
				}
			}
			fmt.Printf("| %s | %s | %d | %.1f s |\n", d.name, family, n, time.Since(start).Seconds())
		}
	}
}

// during is how many of n handshakes by rapport's client open, each from a new
// address, while one source of the client's family sweeps the range at 20,000 SYN/s, and how many
// at the first attempt.
func (a attacked) during(to netip.Addr, n int) (opened, first int) {
	sweeper, k := stranger(1, to.Is6()), a.Range.Size()
	stop := a.background(20_000, func(i int) knocktest.Packet {
		return knocktest.Packet{From: sweeper, Port: uint16(a.Range.Bottom() + i%k)}
	})
	defer stop()
	for range n {
		a.MoveClient(a.t, to)
		r := a.knocks(to, at)
		if r.Opened && r.Before.State == knock.SSHFiltered {
			opened++
			if len(r.Attempts) == 1 {
				first++
			}
		}
	}
	return opened, first
}

// A handshake opens as ever while a sweep runs.
func TestHandshakesOpenDuringASweep(t *testing.T) {
	knocktest.Long(t)
	guards(t, nil, func(t *testing.T, a attacked) {
		for _, to := range a.addresses() {
			if opened, first := a.during(to, 10); opened != 10 {
				t.Errorf("%v: %d of 10 handshakes open, %d at the first attempt", to, opened, first)
			}
		}
	})
}

// BenchmarkHandshakesDuringASweep makes the table of these.
func BenchmarkHandshakesDuringASweep(b *testing.B) {
	fmt.Print("| gate | IPv4: opened | at the first attempt | IPv6: opened | at the first attempt |\n|---|--:|--:|--:|--:|\n")
	for _, d := range defences {
		if !d.guarded {
			continue
		}
		fmt.Printf("| %s |", d.name)
		a := d.attack(b, nil)
		for _, to := range a.addresses() {
			opened, first := a.during(to, 20)
			fmt.Printf(" %d of 20 | %d |", opened, first)
		}
		fmt.Println()
	}
}
