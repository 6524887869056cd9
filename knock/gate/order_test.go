package gate

import (
	"net/netip"
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

func TestKnocksThatComeTogetherOpenInAnyOrder(t *testing.T) {
	addr := netip.MustParseAddr("127.0.0.1")
	for _, seq := range sequences(t) {
		for _, before := range []bool{false, true} { // an earlier attempt got stuck
			permutations(func(order []int) {
				o := ordered{phases: NewPhases(seq, 5*time.Second)}
				now := time.Unix(0, 0)
				if before {
					o.knock(addr, seq.Ports()[0], now)
					o.knock(addr, seq.Ports()[1], now.Add(50*time.Millisecond))
					now = now.Add(time.Second)
				}
				for _, k := range order {
					now = now.Add(time.Millisecond)
					o.knock(addr, seq.Ports()[k], now)
				}
				if !o.phases.Open(addr, now) {
					t.Fatalf("%v in the order %v does not open (stuck before: %v)", seq.Ports(), order, before)
				}
			})
		}
	}
}

// Sent slowly, every order does what it does at a real gate.
func TestKnocksApartAreTakenAsTheyCome(t *testing.T) {
	addr := netip.MustParseAddr("127.0.0.1")
	for _, seq := range sequences(t) {
		permutations(func(order []int) {
			o, plain := ordered{phases: NewPhases(seq, 5*time.Second)}, NewPhases(seq, 5*time.Second)
			now := time.Unix(0, 0)
			for _, k := range order {
				now = now.Add(burst / 2)
				o.knock(addr, seq.Ports()[k], now)
				plain.Knock(addr, seq.Ports()[k], now)
			}
			if o.phases.Open(addr, now) != plain.Open(addr, now) {
				t.Fatalf("%v in the order %v: open is %v, at a real gate %v",
					seq.Ports(), order, o.phases.Open(addr, now), plain.Open(addr, now))
			}
		})
	}
}

// A handshake that lacks a knock does the same as there, however fast it comes.
func TestKnocksThatComeTogetherAreNotCountedTwice(t *testing.T) {
	addr := netip.MustParseAddr("127.0.0.1")
	for _, seq := range sequences(t) {
		for missing := range knock.Knocks {
			o, plain := ordered{phases: NewPhases(seq, 5*time.Second)}, NewPhases(seq, 5*time.Second)
			now := time.Unix(0, 0)
			for k, port := range seq.Ports() {
				if k != missing {
					o.knock(addr, port, now)
					plain.Knock(addr, port, now)
				}
			}
			if o.phases.Open(addr, now) != plain.Open(addr, now) {
				t.Fatalf("%v without knock %d: open is %v, at a real gate %v",
					seq.Ports(), missing+1, o.phases.Open(addr, now), plain.Open(addr, now))
			}
		}
	}
}

func TestKnocksHeldAreBounded(t *testing.T) {
	seq := sequences(t)[0]
	o := ordered{phases: NewPhases(seq, 5*time.Second)}
	for n := range 1000 {
		addr := netip.AddrFrom4([4]byte{127, 0, byte(n >> 8), byte(n)})
		o.knock(addr, seq.Ports()[4], time.Unix(0, 0))
		o.knock(addr, 1, time.Unix(0, 0))
	}
	if len(o.held) > maxHeld {
		t.Errorf("%d knocks are held", len(o.held))
	}
}
