package script_test

import (
	"context"
	"encoding/binary"
	"net/netip"
	"testing"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// defence is what stands before SSH when it is attacked.
type defence struct {
	name    string
	format  script.Format // the article's rules when empty
	guarded bool          // by the sweep guard
}

// defences are those that the tables compare.
var defences = []defence{
	{name: "article"},
	{name: "iptables, no guard", format: script.IPTables},
	{name: "nft, no guard", format: script.NFT},
	{name: "iptables", format: script.IPTables, guarded: true},
	{name: "nft", format: script.NFT, guarded: true},
}

// attacked is a gate and who attacks it.
type attacked struct {
	*gated
	x *knocktest.Sender
}

// attack makes a server with the defence, and an attacker.
func (d defence) attack(t testing.TB, change func(*script.Rules)) attacked {
	t.Helper()
	return d.attackIn(t, knock.Range{}, change)
}

// attackIn is attack for a gate with another range than the default.
func (d defence) attackIn(t testing.TB, r knock.Range, change func(*script.Rules)) attacked {
	t.Helper()
	s := knocktest.NewServer(t, knocktest.Options{At: at, NoGate: d.format != "", Range: r})
	a := attacked{&gated{Server: s, t: t}, s.NewSender(t)}
	if d.format == "" {
		return a
	}
	a.gated = install(t, s, d.format, func(r *script.Rules) {
		if !d.guarded {
			r.SweepGuard = 0
		}
		if change != nil {
			change(r)
		}
	})
	a.run("setup")
	return a
}

// background sends rate packets a second until stop is called, which returns how
// many there were. It is another sender than a.x.
func (a attacked) background(rate int, packet func(i int) knocktest.Packet) (stop func() int) {
	a.t.Helper()
	x := a.NewSender(a.t)
	ctx, cancel := context.WithCancel(context.Background())
	sent, i := make(chan int), 0
	go func() {
		sent <- x.Flood(ctx, rate, 0, func() knocktest.Packet {
			i++
			return packet(i - 1)
		})
	}()
	return func() int {
		cancel()
		return <-sent
	}
}

// stranger is an address that no host has: one of 10.16.0.0/12, or of a /64 of
// its own.
func stranger(i int, v6 bool) netip.Addr {
	if !v6 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 10<<24+16<<16+uint32(i))
		return netip.AddrFrom4(a)
	}
	a := [16]byte{0: 0xfd, 1: 0x10, 15: 1}
	binary.BigEndian.PutUint32(a[4:], uint32(i))
	return netip.AddrFrom16(a)
}
