package script_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// owners is how many clients knock during a flood.
const owners = 6

// storm is a flood of SYNs from spoofed sources, one after the other and again.
type storm struct {
	d       defence
	window  time.Duration
	wrong   bool // ports, any that are not the gate's own; else the first knock
	known   int  // knocks of each source, if more than the first
	v6      bool
	sources int
	rate    int // SYNs a second
}

// stormResult is what became of the owners.
type stormResult struct {
	storm
	opened, first int // owners who got in, and of these at the first attempt
	rate          int // SYNs a second that really came
	memory        int // KiB that the kernel took meanwhile
}

// run floods the gate, and once its tables are as full as they get the owners
// come, one after the other over a window, each from an address of its own.
func (f storm) run(a attacked) stormResult {
	r := stormResult{storm: f}
	to := a.Addr4
	if f.v6 {
		to = a.Addr6
	}
	ports, wrong := a.sequence(at), a.wrong(700)
	a.MoveClient(a.t, to)
	before, start := slab(a.t), time.Now()
	stop := a.background(f.rate, func(i int) knocktest.Packet {
		p := knocktest.Packet{From: stranger(i%f.sources, f.v6), Port: ports[0]}
		if f.wrong {
			p.Port = wrong[i/f.sources%len(wrong)]
		}
		if f.known > 1 {
			p = knocktest.Packet{From: stranger(i/f.known%f.sources, f.v6), Port: ports[i%f.known]}
		}
		return p
	})
	time.Sleep(min(f.window, time.Duration(f.sources)*time.Second/time.Duration(f.rate)) + time.Second)
	for range owners {
		time.Sleep(min(f.window/owners, 5*time.Second))
		if got := a.knocks(to, at); got.Opened && got.Before.State == knock.SSHFiltered {
			r.opened++
			if len(got.Attempts) == 1 {
				r.first++
			}
		}
		a.MoveClient(a.t, to)
	}
	r.memory = slab(a.t) - before
	r.rate = int(float64(stop()) / time.Since(start).Seconds())
	return r
}

// slab is the memory of the kernel's small objects, the tables of the gate among
// them, in KiB, for the whole machine.
func slab(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); f[0] == "SUnreclaim:" {
			if n, err := strconv.Atoi(f[1]); err == nil {
				return n
			}
		}
	}
	t.Fatalf("no SUnreclaim in\n%s", text)
	return 0
}

const stormHead = `| gate | window | SYNs to | sources | SYN/s | came | owners in | at the first attempt | kernel memory |
|---|--:|---|--:|--:|--:|--:|--:|--:|
`

// String is the result's row of the table.
func (r stormResult) String() string {
	port := "port one"
	if r.wrong {
		port = "wrong ports"
	}
	if r.known > 1 {
		port = fmt.Sprintf("the first %d ports", r.known)
	}
	return fmt.Sprintf("| %s | %.0f s | %s | %d | %d | %d | %d of %d | %d | %.1f MiB |\n", r.d.name, r.window.Seconds(), port,
		r.sources, r.storm.rate, r.rate, r.opened, owners, r.first, float64(r.memory)/1024)
}

// A flood of 100,000 sources, at port one or at wrong ports, locks nobody out of a
// gate of nft. Of iptables' lists, which hold 100 addresses, it pushes out who takes
// longer between two knocks than 100 others; attempts that send all knocks at once get
// in, unless this machine stops them in between. Wrong ports get into no list.
func TestFloodsLockNobodyOut(t *testing.T) {
	knocktest.Long(t)
	guards(t, nil, func(t *testing.T, a attacked) {
		for _, f := range []storm{{wrong: true}, {}, {v6: true}} {
			f.window, f.sources, f.rate = time.Second, 100_000, 50_000
			r := f.run(a)
			stopped := 0
			if !f.wrong && a.rules.Format == script.IPTables {
				stopped = 2
			}
			if r.opened < owners-stopped {
				t.Errorf("IPv6 %v: not all owners get in:\n%s%s", f.v6, stormHead, r)
			}
			if !f.wrong && a.rules.Format == script.NFT && r.rate > 40_000 && !a.crowded(f.v6) {
				t.Errorf("IPv6 %v: phase 1 was never full: no proof", f.v6)
			}
		}
	})
}

// crowded reports whether newcomers have been noted in the set crowd.
func (a attacked) crowded(v6 bool) bool {
	a.t.Helper()
	family := "4"
	if v6 {
		family = "6"
	}
	return strings.Contains(a.Server.Run(a.t, "nft", "list", "set", "inet", "portknock", "crowd_"+family), "elements")
}

// BenchmarkFloods makes the table of floods.
func BenchmarkFloods(b *testing.B) {
	fmt.Print(stormHead)
	for _, f := range stormTable() {
		b.Run(strings.NewReplacer(" ", "", ",", "-").Replace(f.d.name), func(b *testing.B) {
			a := f.d.attack(b, func(r *script.Rules) { r.Window = f.window })
			fmt.Print(f.run(a))
		})
	}
}

// stormTable is what BenchmarkFloods runs.
func stormTable() (all []storm) {
	for _, d := range defences {
		if d.guarded { // by somebody who knows the sequence, or two ports of it
			all = append(all, storm{d: d, window: 5 * time.Second, sources: 1_000_000, rate: 100_000, known: 2})
		}
		for _, sources := range []int{10_000, 100_000, 1_000_000} {
			for _, rate := range []int{10_000, 50_000, 100_000} {
				f := storm{d: d, window: 5 * time.Second, sources: sources, rate: rate}
				if d.guarded || rate == 50_000 {
					all = append(all, f)
				}
				if !d.guarded {
					continue
				}
				if f.wrong = true; sources == 1_000_000 {
					all = append(all, f)
				}
				if rate == 50_000 {
					f.wrong, f.window = false, time.Minute
					all = append(all, f)
				}
			}
		}
	}
	return all
}
