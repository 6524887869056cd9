package demo

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"rapport/knock"
)

// sequences returns ones without and with repeated ports: five ports for five
// knocks repeat in nearly every way within a few hundred hours.
func sequences(t *testing.T) (all []knock.Sequence) {
	r, err := knock.NewRange(7000, 7004)
	if err != nil {
		t.Fatal(err)
	}
	s, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		all = append(all, knock.Derive(knock.Hour{}.Add(n), r, s))
	}
	return all
}

// permutations calls f with every order of the numbers 0 to 4.
func permutations(f func([]int)) {
	order := []int{0, 1, 2, 3, 4}
	var swap func(int)
	swap = func(k int) {
		if k == len(order) {
			f(order)
			return
		}
		for i := k; i < len(order); i++ {
			order[k], order[i] = order[i], order[k]
			swap(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	swap(0)
}

// orders are all ways to send the five knocks, and all that lack one.
func orders(f func(order []int)) {
	permutations(f)
	for missing := range knock.Knocks {
		f(slices.Delete([]int{0, 1, 2, 3, 4}, missing, missing+1))
	}
}

// read is how a batch of knocks sent in this order is read: of each port the
// first one has its place, the others have none.
func read(from netip.Addr, ports []uint16) (b batch) {
	seen := map[uint16]bool{}
	for _, port := range ports {
		if seen[port] {
			b.late = append(b.late, arrival{from, port})
		} else {
			b.first = append(b.first, arrival{from, port})
		}
		seen[port] = true
	}
	return b
}

// Whatever opens a real gate opens here too, however many of its knocks are read
// together; and nothing else does, unless the sequence repeats a port.
func TestBatchesDoWhatTheSameKnocksDoOneByOne(t *testing.T) {
	addr, now := netip.MustParseAddr("127.0.0.1"), time.Unix(0, 0)
	for _, seq := range sequences(t) {
		repeats := seq.Repeats()
		orders(func(order []int) {
			var ports []uint16
			plain := NewPhases(seq, 5*time.Second)
			for _, k := range order {
				ports = append(ports, seq.Ports()[k])
				plain.Knock(addr, seq.Ports()[k], now)
			}
			for cut := range ports { // two batches
				p := NewPhases(seq, 5*time.Second)
				p.play(read(addr, ports[:cut]), now, nil)
				p.play(read(addr, ports[cut:]), now, nil)
				if got, want := p.Open(addr, now), plain.Open(addr, now); got != want && (want || !repeats) {
					t.Fatalf("%v in the order %v, read in two from %d on: open is %v, at a real gate %v", seq.Ports(), order, cut, got, want)
				}
			}
		})
	}
}

// Where no order is known, knocks open if they do so in any order.
func TestKnocksOfUnknownOrder(t *testing.T) {
	addr, now := netip.MustParseAddr("127.0.0.1"), time.Unix(0, 0)
	for _, seq := range sequences(t)[:100] {
		for missing := -1; missing < knock.Knocks; missing++ {
			var all []batch
			want := false
			permutations(func(order []int) {
				var b batch
				plain := NewPhases(seq, 5*time.Second)
				for _, k := range order {
					if k != missing {
						b.late = append(b.late, arrival{addr, seq.Ports()[k]})
						plain.Knock(addr, seq.Ports()[k], now)
					}
				}
				all = append(all, b)
				want = want || plain.Open(addr, now)
			})
			for _, b := range all {
				p := NewPhases(seq, 5*time.Second)
				if p.play(b, now, nil); p.Open(addr, now) != want {
					t.Fatalf("%v as %v: open is %v, want %v", seq.Ports(), b.late, p.Open(addr, now), want)
				}
			}
		}
	}
}
