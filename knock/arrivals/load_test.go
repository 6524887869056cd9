package arrivals_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/solve"
)

// TestRandomTruth: clients with random candidates knock while strangers scan. All
// handshakes get their candidate, also with one knock lost, and no stranger gets one.
func TestRandomTruth(t *testing.T) {
	s := begin(t)
	dice := rand.New(rand.NewPCG(3, 4))
	all, sequences := truths(s.q)
	want := map[string]solve.Candidate{}
	for i := range 3000 {
		n := dice.IntN(len(all))
		addr := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}).String()
		five := distinct(sequences[n][:])
		if i%2 == 0 && len(five) == knock.Knocks {
			k := dice.IntN(len(five))
			five = append(five[:k:k], five[k+1:]...)
		}
		want[addr] = all[n]
		for k, p := range five {
			s.syn(addr, p, time.Duration(i)*9*time.Millisecond+time.Duration(k)*gap, arrivals.SYN)
		}
	}
	for i := range 3000 {
		addr := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}).String()
		for k := range 2 + dice.IntN(4) {
			s.syn(addr, uint16(10000+dice.IntN(1000)), time.Duration(i)*9*time.Millisecond+time.Duration(k)*gap, arrivals.SYN)
		}
	}
	right, wrong := 0, 0
	for addr, c := range s.run(s.gate()) {
		truth, client := want[addr]
		switch {
		case client && c.Candidate != nil && *c.Candidate == truth:
			right++
		case c.Candidate != nil:
			wrong++
			t.Errorf("%s: %s is taken for %+v", addr, truth.Made(), c.Candidate)
		}
	}
	if right != len(want) || wrong > 0 {
		t.Errorf("recall %d of %d, %d wrong", right, len(want), wrong)
	}
}

// flood sends SYNs of new sources, a rate a second, to random ports of the range.
func flood(t *arrivals.Tracker, dice *rand.Rand, at time.Time, rate, seconds, knocks int, also func(n int, at time.Time)) (told []arrivals.Client) {
	n := uint32(0)
	for second := range seconds {
		for i := range rate {
			n++
			now := at.Add(time.Duration(second)*time.Second + time.Duration(i)*time.Second/time.Duration(rate))
			src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)}), 1024)
			for range knocks {
				t.Add(arrivals.Packet{Src: src, Dst: netip.AddrPortFrom(server4, uint16(10000+dice.IntN(1000))), Seq: dice.Uint32(), Arrived: now})
			}
			if i%(rate/5) == 0 {
				told = append(told, t.Expire(now)...)
			}
			also(int(n), now)
		}
	}
	return told
}

// TestFlood: in a flood of ten thousand sources a second, which go on long after the first are forgotten, every handshake
// is told, the counters are exact, and memory stays bounded.
func TestFlood(t *testing.T) {
	s := begin(t)
	track := arrivals.NewTracker(s.q, s.gate())
	const rate, seconds = 10_000, 30
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	shakes := 0
	told := flood(track, rand.New(rand.NewPCG(5, 6)), s.at, rate, seconds, 1, func(n int, at time.Time) {
		if n%rate == rate/2 {
			shakes++
			src := netip.AddrFrom4([4]byte{203, 0, 113, byte(shakes)})
			for k, p := range append(s.mine(), 22) {
				track.Add(arrivals.Packet{Src: netip.AddrPortFrom(src, uint16(2000+k)), Dst: netip.AddrPortFrom(server4, p), Seq: uint32(k), Arrived: at})
			}
		}
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	told = append(told, track.Flush()...)
	clients := 0
	for _, c := range told {
		if c.Phase == knock.Knocks && strings.HasPrefix(c.Addr.String(), "203.0.113.") {
			clients++
		}
	}
	if clients != seconds || track.Stats.SYNs != rate*seconds+6*seconds || track.Stats.Sources != rate*seconds+seconds || track.Stats.Phases[5] != seconds {
		t.Errorf("%d of %d handshakes; %+v", clients, seconds, track.Stats)
	}
	const most = 30 << 20
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > most {
		t.Errorf("the heap grew by %d bytes, more than %d", grown, most)
	} else {
		t.Logf("the heap grew by %.1f MB", float64(grown)/(1<<20))
	}
	runtime.KeepAlive(track)
}

// TestJSON: a client's JSON has no port when masked, and nothing of the secret.
func TestJSON(t *testing.T) {
	s := begin(t)
	s.shake("198.51.100.2", s.ports(-3, s.q.Range, solve.AsGiven), gap, arrivals.SYN)
	c := s.run(s.gate())["198.51.100.2"]
	plain, err := json.Marshal(c)
	if err != nil || !strings.Contains(string(plain), `"port":`) || !strings.Contains(string(plain), `"code":"hour-behind"`) || !strings.Contains(string(plain), `"hour_offset":-3`) {
		t.Errorf("%v %s", err, plain)
	}
	masked, err := json.Marshal(c.Masked())
	if err != nil || strings.Contains(string(masked), `"port":1`) || strings.Contains(string(masked)+string(plain), "f00b4r") {
		t.Errorf("%v %s", err, masked)
	}
}

// BenchmarkTracker takes ten thousand new sources a second, which knock five times each:
// five times what the watch is to bear.
func BenchmarkTracker(b *testing.B) {
	q := query(b)
	at := q.Hour.Start().Add(30 * time.Minute)
	dice := rand.New(rand.NewPCG(7, 8))
	syns := 0
	for b.Loop() {
		track := arrivals.NewTracker(q, arrivals.Gate{Range: q.Range, SSHPort: 22, Window: 5 * time.Second})
		flood(track, dice, at, 10_000, 10, knock.Knocks, func(int, time.Time) {})
		syns += int(track.Stats.SYNs)
	}
	b.ReportMetric(float64(syns)/b.Elapsed().Seconds(), "SYN/s")
}
