package watch

import (
	"strings"
	"testing"
	"time"

	"rapport/knock/gate"
)

// From the kernel's own count the age of an entry is known to a tick; without
// it, to the time between two readings, and better with every entry that is new.
func TestJiffiesAreLearnt(t *testing.T) {
	const hz = 250
	zero := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	count := func(after time.Duration) uint64 { return 1<<32 + uint64(after*hz/time.Second) }
	type reading struct{ from, to, of time.Duration }
	for _, tt := range []struct {
		name     string
		readings []reading
		slack    time.Duration
	}{
		{"timer_list", []reading{{time.Second, time.Second + 100*time.Microsecond, time.Second}}, 3 * time.Millisecond},
		{"one new entry", []reading{{time.Second, 1200 * time.Millisecond, 1150 * time.Millisecond}}, 103 * time.Millisecond},
		{"two", []reading{{time.Second, 1200 * time.Millisecond, 1190 * time.Millisecond}, {2 * time.Second, 2200 * time.Millisecond, 2010 * time.Millisecond}}, 12 * time.Millisecond},
		{"the clock was another", []reading{{time.Hour, time.Hour, time.Second}, {time.Second, 1200 * time.Millisecond, 1150 * time.Millisecond}}, 103 * time.Millisecond},
	} {
		j := jiffies{tick: time.Second / hz}
		for _, l := range tt.readings {
			j.learn(zero.Add(l.from), zero.Add(l.to), count(l.of))
		}
		for _, ago := range []time.Duration{0, 3 * time.Second, 40 * time.Hour} {
			at, slack := j.at(count(10*time.Second-ago), zero.Add(11*time.Second))
			if off := at.Sub(zero.Add(10*time.Second - ago)); off.Abs() > slack+j.tick || slack > tt.slack {
				t.Errorf("%s: %v ago is %v off, and may be %v", tt.name, ago, off, slack)
			}
		}
	}
	var unknown jiffies
	if at, _ := unknown.at(5, zero); !at.IsZero() {
		t.Errorf("nothing was learnt, and yet %v", at)
	}
	// On machines of 32 bits the count goes round; five minutes after the start
	// at first.
	j := jiffies{tick: time.Second / hz}
	j.learn(zero, zero, 1000)
	if at, _ := j.at(1<<32-hz, zero); zero.Sub(at).Round(time.Second) != 5*time.Second {
		t.Errorf("before the count went round: %v ago", zero.Sub(at))
	}
}

func TestReadTimerList(t *testing.T) {
	n, ok := counter(strings.NewReader("Timer List Version: v0.10\nnow at 10955017849205 nsecs\n\ncpu: 0\n  .last_jiffies   : 4297696873\njiffies: 4297696874\n"))
	if n != 4297696874 || !ok {
		t.Error(n, ok)
	}
	if _, ok := counter(strings.NewReader("")); ok {
		t.Error("a count of nothing")
	}
}

// The sets of nft as version 1.0.6 prints them.
func TestReadNFTElements(t *testing.T) {
	w := Watcher{lists: []phaseList{{"inet portknock phase1_4", 1}, {"inet portknock phase1_6", 1}, {"inet portknock forever", 2}}}
	var err error
	w.known.found, err = gate.Find([]byte(`table inet portknock {
	set phase1_4 {
		type ipv4_addr
		size 65536
		flags dynamic,timeout
		timeout 5s
		elements = { 10.0.0.1 expires 4s688ms, 10.0.0.2 timeout 1m expires 59s688ms,
			     10.0.0.3 counter packets 3 bytes 180 expires 12ms }
	}

	set phase1_6 {
		type ipv6_addr
		timeout 5s
		elements = { 2001:db8::7 expires 4s688ms,
			     fe80::1 expires 4s688ms }
	}

	set forever {
		type ipv4_addr
		elements = { 10.0.0.9 }
	}
}
`))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	want := map[string]time.Duration{
		"10.0.0.1": 312 * time.Millisecond, "10.0.0.2": 312 * time.Millisecond, "10.0.0.3": 4988 * time.Millisecond,
		"2001:db8::7": 312 * time.Millisecond, "fe80::1": 312 * time.Millisecond,
	}
	got := w.readElements(now, now)
	for _, s := range got {
		if ago := now.Sub(s.Since); ago != want[s.Addr.String()] || s.Phase != 1 {
			t.Errorf("%v came %v ago", s.Addr, ago)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d addresses: %+v", len(got), got)
	}
}
