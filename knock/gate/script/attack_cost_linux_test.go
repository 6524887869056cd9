package script_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// synKind is a kind of SYN that costs a gate the same each time.
type synKind int

const (
	wrongOfMany  synKind = iota // wrong ports, of sources that are counted
	wrongStrict                 // the same in a flood, beyond the global limit
	wrongIgnored                // of a source that is ignored
	wholeSweep                  // of one new source that sweeps the range
	portOne                     // first knocks of new sources
	portOneAgain                // first knocks of one source
	outside                     // a port outside the range
	kinds
)

func (k synKind) String() string {
	return [...]string{"wrong port, many sources", "wrong port, many sources, in a flood of these", "wrong port, a source that is ignored",
		"each port of the range in turn, one source", "port one, many sources", "port one, one source", "port outside the range"}[k]
}

// measured is a server whose rules are timed.
type measured struct {
	attacked
	next  int // the number of the last source
	times [kinds][]time.Duration
}

// costBatch is how many SYNs are timed together. The gate counts as many wrong
// ones in a second.
const costBatch = 1000

// packets are the next SYNs of a kind.
func (m *measured) packets(k synKind, n int) []knocktest.Packet {
	ports, wrong := m.sequence(at), m.wrong(700)
	all := make([]knocktest.Packet, n)
	m.next++
	sweeper := stranger(m.next, false)
	for i := range all {
		m.next++
		p := knocktest.Packet{From: stranger(m.next, false), Port: wrong[i%len(wrong)]}
		switch k {
		case wrongIgnored:
			p.From = stranger(0, false)
		case wholeSweep:
			p.From, p.Port = sweeper, uint16(m.Range.Bottom()+i%m.Range.Size())
		case portOne:
			p.Port = ports[0]
		case portOneAgain:
			p.From, p.Port = stranger(1, false), ports[0]
		case outside:
			p.Port = uint16(m.Range.Top() + 1000 + i)
		}
		all[i] = p
	}
	return all
}

// round times a batch of each kind.
func (m *measured) round() {
	m.x.Send(m.packets(wrongIgnored, 2*script.DefaultSweepGuard)...)
	for _, k := range []synKind{wrongOfMany, wrongIgnored, wholeSweep, portOne, portOneAgain, outside, wrongStrict} {
		if k == wrongStrict { // nothing is left of the global limit
			m.x.Send(m.packets(k, 7*costBatch)...)
		}
		size := costBatch / 5
		if k == wholeSweep { // the first of its SYNs are counted, the others ignored
			size = costBatch
		}
		for batch := range slices.Chunk(m.packets(k, costBatch), size) {
			start := threadTime(m.t)
			m.x.Send(batch...)
			m.times[k] = append(m.times[k], (threadTime(m.t)-start)/time.Duration(len(batch)))
		}
	}
}

// threadTime is the processor's time that this thread has had.
func threadTime(t testing.TB) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// typical is the time of a SYN of the kind: the lower decile of all batches,
// since what else the machine does only adds to it.
func (m *measured) typical(k synKind) time.Duration {
	slices.Sort(m.times[k])
	return m.times[k][len(m.times[k])/10]
}

// BenchmarkCost makes the table of what a SYN costs: the processor's time that a
// pinned thread takes to send it, and with it the kernel to handle it, less the
// same on a server without the gate.
func BenchmarkCost(b *testing.B) {
	const rounds = 60
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		b.Fatal(err)
	}
	bare := func(o knocktest.Options) *measured {
		o.At = at
		s := knocktest.NewServer(b, o)
		return &measured{attacked: attacked{&gated{Server: s, t: b}, s.NewSender(b)}}
	}
	closed := bare(knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut})
	open := bare(knocktest.Options{NoGate: true})
	var gates []*measured
	for _, d := range []defence{defences[0], defences[3], defences[4]} {
		gates = append(gates, &measured{attacked: d.attack(b, nil)})
	}
	one.Set(runtime.NumCPU() - 1)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }() // the thread is not used again if it stays
	for range rounds {
		start := time.Now()
		for _, m := range slices.Concat([]*measured{closed, open}, gates) {
			m.round()
		}
		time.Sleep(time.Until(start.Add(1200 * time.Millisecond)))
	}
	fmt.Print("| SYN to | article | iptables | ratio | nft | ratio |\n|---|--:|--:|--:|--:|--:|\n")
	for k := range kinds {
		article := gates[0].typical(k) - closed.typical(k)
		fmt.Printf("| %v | %d ns |", k, article.Nanoseconds())
		for _, m := range gates[1:] {
			own := m.typical(k) - open.typical(k)
			fmt.Printf(" %d ns | %.2f |", own.Nanoseconds(), float64(own)/float64(article))
		}
		fmt.Println()
	}
}
