package script_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// guards runs a test at the gates of both formats with the guard, side by side.
func guards(t *testing.T, change func(*script.Rules), test func(t *testing.T, a attacked)) {
	for _, d := range defences {
		if d.guarded {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				test(t, d.attack(t, change))
			})
		}
	}
}

// knocksFrom sends SYNs from one source, the last to SSH, and returns whether
// that is answered.
func (a attacked) knocksFrom(from netip.Addr, ports ...uint16) bool {
	a.t.Helper()
	var all []knocktest.Packet
	for _, port := range append(slices.Clone(ports), uint16(a.SSHPort)) {
		all = append(all, knocktest.Packet{From: from, Port: port})
	}
	a.x.Send(all...)
	return slices.Contains(a.x.Answers(), from)
}

// SYNs to ports outside the range change nothing: 64,535 of them in the middle of
// a handshake neither end it nor count against the budget, which wrong ports then
// use up to the last.
func TestOutsideTheRangeNothingCounts(t *testing.T) {
	slow := func(r *script.Rules) { r.Window = time.Minute } // a busy machine takes its time
	guards(t, slow, func(t *testing.T, a attacked) {
		var outside []uint16
		for p := 1; p <= 65535; p++ {
			if !a.Range.Contains(p) && p != a.SSHPort {
				outside = append(outside, uint16(p))
			}
		}
		ports := a.sequence(at)
		for _, v6 := range []bool{false, true} {
			if all := slices.Concat(ports[:4], outside, ports[4:]); !a.knocksFrom(stranger(1, v6), all...) {
				t.Errorf("IPv6 %v: SYNs outside the range end a handshake", v6)
			}
			// Whom the gate ignores it shuts out, also in the window.
			if all := a.wrong(script.DefaultSweepGuard); !a.knocksFrom(stranger(1, v6), all...) {
				t.Errorf("IPv6 %v: SYNs outside the range count as wrong ports", v6)
			}
			if all := slices.Concat(a.wrong(script.DefaultSweepGuard+2), ports[:]); a.knocksFrom(stranger(3, v6), all...) {
				t.Errorf("IPv6 %v: no wrong port counts", v6)
			}
		}
	})
}

// disguise makes of a SYN what an attacker may think that the guard does not
// count.
type disguise struct {
	name  string
	knock bool // the gate takes it for a knock
	make  func(p knocktest.Packet, to netip.Addr) [][]byte
}

// flags is a disguise by TCP flags alone.
func flags(name string, f byte, knock bool) disguise {
	return disguise{name, knock, func(p knocktest.Packet, to netip.Addr) [][]byte {
		p.Flags = f
		return [][]byte{knocktest.AppendTCP(nil, p, to)}
	}}
}

// disguises are those that were thought of.
func disguises() []disguise {
	return []disguise{
		flags("SYN", 0x02, true),
		flags("SYN that asks for ECN", 0xc2, true),
		flags("SYN and PSH", 0x0a, true),
		flags("ACK", 0x10, false),
		flags("SYN and ACK", 0x12, false),
		flags("FIN", 0x01, false),
		flags("SYN and FIN", 0x03, false),
		flags("SYN and RST", 0x06, false),
		{"SYN in fragments", true, fragmented},
		{"SYN behind IP options", true, optioned},
		{"UDP", false, func(p knocktest.Packet, to netip.Addr) [][]byte {
			b := knocktest.AppendTCP(nil, p, to)
			b[protocolAt(b)] = 17
			binary.BigEndian.PutUint16(b[len(b)-16:], 20) // the length, where TCP has the sequence number
			binary.BigEndian.PutUint16(b[len(b)-14:], 0)  // no checksum
			return [][]byte{resum(b)}
		}},
	}
}

// protocolAt is where an IP packet without options says what is in it.
func protocolAt(b []byte) int {
	if b[0]>>4 == 4 {
		return 9
	}
	return 6
}

// resum fills in an IPv4 packet's length and header checksum again, and an IPv6
// packet's length.
func resum(b []byte) []byte {
	if b[0]>>4 == 6 {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
		return b
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	b[10], b[11] = 0, 0
	sum := uint32(0)
	for i := 0; i < 4*int(b[0]&15); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
	return b
}

// fragmented has the TCP flags in the second fragment. In IPv6 the kernel wants
// all of the header in the first one, so there is but one.
func fragmented(p knocktest.Packet, to netip.Addr) [][]byte {
	b := knocktest.AppendTCP(nil, p, to)
	if to.Is4() {
		binary.BigEndian.PutUint16(b[4:], p.Port^p.SourcePort)
		one, two := slices.Clone(b[:28]), slices.Concat(b[:20], b[28:])
		one[6], two[7] = 0x20, 1 // more fragments; at 8 bytes
		return [][]byte{resum(one), resum(two)}
	}
	b = slices.Concat(b[:40], []byte{6, 0, 0, 0, 0, 0, byte(p.SourcePort >> 8), byte(p.SourcePort)}, b[40:])
	b[6] = 44
	return [][]byte{resum(b)}
}

// optioned has no-operations in the IPv4 header, or a header of destination
// options in IPv6.
func optioned(p knocktest.Packet, to netip.Addr) [][]byte {
	b := knocktest.AppendTCP(nil, p, to)
	if to.Is4() {
		b = slices.Concat(b[:20], []byte{1, 1, 1, 0}, b[20:])
		b[0] = 0x46
	} else {
		b = slices.Concat(b[:40], []byte{6, 0, 1, 4, 0, 0, 0, 0}, b[40:])
		b[6] = 60
	}
	return [][]byte{resum(b)}
}

// What the gate takes for a knock opens gates without a guard by five passes in
// descending order, and none with it; nothing else opens any.
func TestSweepsInDisguise(t *testing.T) {
	knocktest.Long(t)
	for _, d := range defences[1:] {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			a := d.attack(t, nil)
			for i, how := range disguises() {
				for _, v6 := range []bool{false, true} {
					from, to := stranger(i, v6), a.Addr4
					if v6 {
						to = a.Addr6
					}
					opened, sourcePort := false, uint16(1024)
					for range 5 {
						for port := a.Range.Top(); port >= a.Range.Bottom(); port-- {
							sourcePort++
							a.x.SendIP(how.make(knocktest.Packet{From: from, Port: uint16(port), SourcePort: sourcePort}, to)...)
						}
						opened = a.knocksFrom(from) || opened
					}
					if want := how.knock && !d.guarded; opened != want {
						t.Errorf("%s, IPv6 %v: five passes open: %v, want %v", how.name, v6, opened, want)
					}
				}
			}
		})
	}
}

// diversion is what an attacker sends from other sources, before and while 24
// of them sweep at 20,000 SYN/s.
type diversion struct {
	name   string
	rate   int
	warm   time.Duration // before the sweeps
	packet func(a attacked, ports diverted, i int) knocktest.Packet
}

// diverted are ports for diversions.
type diverted struct{ one, wrong []uint16 }

// diversions returns those that were thought of.
func diversions() []diversion {
	return []diversion{
		{"wrong SYNs of new sources fill the table of counts", 1000, 66 * time.Second,
			func(_ attacked, p diverted, i int) knocktest.Packet {
				return knocktest.Packet{From: stranger(100_000+i%500_000, i%2 == 1), Port: p.wrong[i%len(p.wrong)]}
			}},
		{"sources that get ignored fill the list of these", 1000, 10 * time.Second,
			func(_ attacked, p diverted, i int) knocktest.Packet {
				return knocktest.Packet{From: stranger(100_000+i/40, i/40%2 == 1), Port: p.wrong[i%len(p.wrong)]}
			}},
		{"100,000 wrong SYNs/s keep the gate strict", 100_000, 3 * time.Second,
			func(_ attacked, p diverted, i int) knocktest.Packet {
				return knocktest.Packet{From: stranger(100_000+i%500_000, i%2 == 1), Port: p.wrong[i%len(p.wrong)]}
			}},
		{"SYNs of new sources to all ports of the range, 50,000/s", 50_000, 7 * time.Second,
			func(a attacked, _ diverted, i int) knocktest.Packet {
				return knocktest.Packet{From: stranger(100_000+i%500_000, i%2 == 1), Port: uint16(a.Range.Bottom() + i%a.Range.Size())}
			}},
		{"port one is known: first knocks of 100,000 sources fill phase 1", 50_000, 7 * time.Second,
			func(_ attacked, p diverted, i int) knocktest.Packet {
				return knocktest.Packet{From: stranger(100_000+i%100_000, i%2 == 1), Port: p.one[0]}
			}},
	}
}

// run lets the sources sweep during the diversion.
func (v diversion) run(a attacked, d defence, each int) result {
	ports := a.sequence(at)
	p := diverted{ports[:1], a.wrong(700)}
	stop := a.background(v.rate, func(i int) knocktest.Packet { return v.packet(a, p, i) })
	time.Sleep(v.warm)
	r := cell{d: d, rate: 20_000, passes: 5, each: each, together: 25}.run(a, 1000)
	stop()
	return r
}

// tries is how many random ports an attacker tries in a minute from one
// source: about a quarter are the gate's own, the others the guard forgives.
const tries = script.DefaultSweepGuard * 4 / 3

// patient sends SYNs to random ports of the range once a minute from each of n
// sources of either family, and never more than the gate counts. It returns how
// many of the sources have opened.
func patient(a attacked, n, minutes int) int {
	r, opened := rand.New(rand.NewPCG(1, 2)), map[netip.Addr]bool{}
	start, pause := time.Now(), time.Minute/time.Duration(2*n)
	for i := range minutes * 2 * n {
		from := stranger(1000+i%(2*n), i%2 == 1)
		var ports []uint16
		for _, k := range distinct(r, tries, a.Range.Size()) {
			ports = append(ports, uint16(a.Range.Bottom()+k))
		}
		if a.knocksFrom(from, ports...) {
			opened[from] = true
		}
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * pause)))
	}
	return len(opened)
}

// Diversions that take a few seconds.
func TestSweepsBehindADiversion(t *testing.T) {
	knocktest.Long(t)
	guards(t, nil, func(t *testing.T, a attacked) {
		for _, v := range diversions() {
			if v.warm > 5*time.Second {
				continue
			}
			if r := v.run(a, defence{name: v.name}, 2); r.needed != nil {
				t.Errorf("opened:\n%s%s", sweepHead, r)
			}
		}
	})
}

// BenchmarkCleverSweeps makes the table of attackers who know the design.
func BenchmarkCleverSweeps(b *testing.B) {
	fmt.Print("| gate | what the attacker does besides | sources that sweep | SYNs | opened |\n|---|---|--:|--:|--:|\n")
	for _, d := range defences {
		if !d.guarded {
			continue
		}
		for _, v := range diversions() {
			r := v.run(d.attack(b, nil), d, 20)
			fmt.Printf("| %s | %s | %d | %d | %d |\n", d.name, v.name, 120, r.sent, len(r.needed))
		}
	}
}

// BenchmarkPatientSweeps makes the table of attackers who stay below what the
// guard forgives, from as many sources as the gate counts, for ranges of several sizes.
func BenchmarkPatientSweeps(b *testing.B) {
	const n, minutes = 1000, 2
	fmt.Printf("| gate | ports in the range | sources | SYNs a minute from each | minutes | opened |\n|---|--:|--:|--:|--:|--:|\n")
	for _, d := range defences {
		if !d.guarded {
			continue
		}
		for _, top := range []int{10049, 10099, 10199, 10999} {
			r, err := knock.NewRange(10000, top)
			if err != nil {
				b.Fatal(err)
			}
			a := d.attackIn(b, r, nil)
			fmt.Printf("| %s | %d | %d | %d | %d | %d |\n", d.name, r.Size(), 2*n, tries, minutes, patient(a, n, minutes))
		}
	}
}
