package watch_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/watch"
	"rapport/knock/netfilter/machine"
)

// at is the time by the clocks of these tests.
var at = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// sample is a reading after so many seconds. on says which addresses are in which
// phase since when, 6 being accepted; conns which are connected, one letter each;
// guard which have opened the gate, with a full replay guard; change how the gate
// changed just before the reading.
type sample struct {
	after           float64
	on, conns       string
	passed, dropped uint64
	guard, change   string
	down            bool
	waiting         string // connections that sshd has not accepted, as conns
}

// letters are a to d close to each other, and x to z far from all others.
func letter(s string) netip.Addr {
	if s[0] >= 'x' {
		return netip.AddrFrom4([4]byte{203, 0, s[0], 1})
	}
	return netip.AddrFrom4([4]byte{100, 64, s[0], 1})
}

func seconds(s float64) time.Time {
	return at.Add(time.Duration(math.Round(s*1000)) * time.Millisecond)
}

func (s sample) reading() watch.Sample {
	reading := watch.Sample{Time: seconds(s.after), Counted: seconds(s.after),
		Down:   s.down,
		Passed: machine.Count{Known: true, Packets: s.passed}, Dropped: machine.Count{Known: true, Packets: s.dropped}}
	for _, w := range strings.Fields(s.on) { // a3@1.5
		var phase int
		var since float64
		if _, err := fmt.Sscanf(w[1:], "%d@%g", &phase, &since); err != nil {
			panic(err)
		}
		reading.On = append(reading.On, watch.Sighting{Addr: letter(w), Phase: phase, Since: seconds(since), Slack: 5 * time.Millisecond})
	}
	for _, w := range strings.Fields(s.conns) { // a1: its first connection
		reading.Connections = append(reading.Connections, watch.Connection{Client: netip.AddrPortFrom(letter(w), 50000+uint16(w[1])), Port: 22})
	}
	for _, w := range strings.Fields(s.waiting) {
		reading.Waiting = append(reading.Waiting, watch.Connection{Client: netip.AddrPortFrom(letter(w), 50000+uint16(w[1])), Port: 22})
		reading.Waits++
	}
	for _, w := range strings.Fields(s.guard) {
		reading.Guards = []watch.Guard{{Family: knock.Family4, Full: true, Opened: []netip.Addr{letter(w)}}}
	}
	return reading
}

// told is an event in short: a3@1.5.
func told(e watch.Event) string {
	name := func(a netip.Addr) string { return string(rune(a.As4()[2])) }
	s := fmt.Sprintf("%s %s%d@%g", e.Kind, name(e.Addr), e.Phase, e.Time.Sub(at).Seconds())
	for _, o := range e.Others {
		s += " " + name(o)
	}
	if e.Inferred {
		s += " inferred"
	}
	if e.Earlier {
		s += " earlier"
	}
	if e.Evidence == "counter" || e.Evidence == "door" {
		s += " by the " + e.Evidence
	}
	return s
}

func TestVisits(t *testing.T) {
	idle := sample{after: -1}
	for _, tt := range []struct {
		name     string
		accept   gate.AcceptKind
		readings []sample
		want     []string
		totals   watch.Totals
	}{
		{
			name: "knock by knock, and in",
			readings: []sample{idle, {after: 0.2, on: "a1@0.1"}, {after: 1.2, on: "a2@1.1"}, {after: 2.2, on: "a3@2.1"}, {after: 3.2, on: "a4@3.1"},
				{after: 4.2, on: "a5@4.1"}, {after: 4.4, on: "a5@4.1", conns: "a1"}, {after: 20, on: "a5@4.1", conns: "a1"}},
			want:   []string{"phase a1@0.1", "phase a2@1.1", "phase a3@2.1", "phase a4@3.1", "phase a5@4.1", "in a5@4.4"},
			totals: watch.Totals{Handshakes: 1, In: 1},
		},
		{
			name: "in, and sshd does not take the connection; another is taken late",
			readings: []sample{idle, {after: 0.2, on: "a5@0.1 x5@0.1", conns: "a1 x1", waiting: "a1 x1"}, {after: 0.8, on: "a5@0.1 x5@0.1", conns: "a1 x1", waiting: "a1"},
				{after: 1.4, on: "a5@0.1", conns: "a1 x1", waiting: "a1"}, {after: 3, on: "a5@0.1", conns: "a1", waiting: "a1 z1"}, {after: 9, waiting: "a1 z1"}},
			want: []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1",
				"phase x1@0.1 inferred", "phase x2@0.1 inferred", "phase x3@0.1 inferred", "phase x4@0.1 inferred", "phase x5@0.1", "in a5@0.2", "in x5@0.2", "ssh-silent a5@0.2"},
			totals: watch.Totals{Handshakes: 2, In: 2, Silent: 1},
		},
		{
			name: "in, a repeated knock, and sshd does not take the connection",
			readings: []sample{idle, {after: 0.2, on: "a5@0.1", conns: "a1", waiting: "a1"}, {after: 1, on: "a1@0.9 a5@0.1", conns: "a1", waiting: "a1"},
				{after: 1.4, on: "a1@0.9 a5@0.1", conns: "a1", waiting: "a1"}, {after: 8, waiting: "a1"}, {after: 9, on: "a1@8.9", waiting: "a1"}},
			want: []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "in a5@0.2",
				"phase a1@0.9", "ssh-silent a1@0.2", "stuck a1@5.9", "phase a1@8.9"},
			totals: watch.Totals{Handshakes: 1, In: 1, Silent: 1, Stuck: [5]int{1}},
		},
		{
			name:     "all between two readings",
			readings: []sample{idle, {after: 0.2, on: "a5@0.1", conns: "a1"}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "in a5@0.2"},
			totals:   watch.Totals{Handshakes: 1, In: 1},
		},
		{
			name:     "left on the lists behind it, as some rules leave it",
			readings: []sample{idle, {after: 0.2, on: "a1@0.1 a2@0.15 a3@0.18"}, {after: 5.4, on: "a1@0.1 a2@0.15 a3@0.18"}, {after: 5.8, on: "a1@0.1 a2@0.15 a3@0.18"}},
			want:     []string{"phase a1@0.1", "phase a2@0.15", "phase a3@0.18", "stuck a3@5.18"},
			totals:   watch.Totals{Stuck: [5]int{2: 1}},
		},
		{
			name:     "half of it, and once more",
			readings: []sample{idle, {after: 0.2, on: "a2@0.1"}, {after: 6, on: "a2@0.1"}, {after: 9, on: "a1@8.9 a2@0.1"}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1", "stuck a2@5.1", "phase a1@8.9"},
			totals:   watch.Totals{Stuck: [5]int{1: 1}},
		},
		{
			name:     "a SYN repeated starts nothing, and keeps the window open",
			readings: []sample{idle, {after: 0.2, on: "a1@0.1"}, {after: 1.2, on: "a1@1.1"}, {after: 6, on: "a1@1.1"}, {after: 6.2, on: "a2@6.05"}, {after: 7, on: "a2@6.05 a1@6.9"}},
			want:     []string{"phase a1@0.1", "phase a2@6.05"},
			totals:   watch.Totals{},
		},
		{
			name:     "open, and nobody comes",
			readings: []sample{idle, {after: 0.2, on: "a4@0.05"}, {after: 0.4, on: "a5@0.1"}, {after: 6, on: "a5@0.1"}, {after: 7, on: "a5@0.1"}},
			want:     []string{"phase a1@0.05 inferred", "phase a2@0.05 inferred", "phase a3@0.05 inferred", "phase a4@0.05", "phase a5@0.1", "stuck a5@5.1"},
			totals:   watch.Totals{Handshakes: 1, Stuck: [5]int{4: 1}},
		},
		{
			name:     "what was over before counts apart",
			readings: []sample{{after: 0, on: "a1@-100 x5@-100 y1@-1", conns: "z1"}, {after: 6, on: "a1@-100 x5@-100 y1@-1", conns: "z1"}},
			want: []string{"phase a1@-100 earlier", "phase x1@-100 inferred earlier", "phase x2@-100 inferred earlier", "phase x3@-100 inferred earlier",
				"phase x4@-100 inferred earlier", "phase x5@-100 earlier", "phase y1@-1", "stuck a1@-95 earlier", "stuck y1@4"},
			totals: watch.Totals{Stuck: [5]int{0: 1}},
		},
		{
			name:     "a connection that nothing led to",
			readings: []sample{idle, {after: 0.2, conns: "a1"}, {after: 0.4, conns: "a1 a2"}},
			want:     []string{"in a0@0.2"},
			totals:   watch.Totals{},
		},
		{
			name:     "a short connection, by the accept rule's counter",
			readings: []sample{{after: -1, passed: 3}, {after: 0.2, on: "a5@0.1", passed: 4}, {after: 8, on: "a5@0.1", passed: 4}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "in a5@0.2 by the counter"},
			totals:   watch.Totals{Handshakes: 1, In: 1},
		},
		{
			name:     "the counter does not say which of two",
			readings: []sample{{after: -1, passed: 3}, {after: 0.2, on: "a5@0.1 x5@0.1", passed: 3}, {after: 0.4, on: "a5@0.1 x5@0.1", passed: 4}},
			want: []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1",
				"phase x1@0.1 inferred", "phase x2@0.1 inferred", "phase x3@0.1 inferred", "phase x4@0.1 inferred", "phase x5@0.1"},
			totals: watch.Totals{Handshakes: 2},
		},
		{
			name: "a sliding accept rule", accept: gate.Sliding,
			readings: []sample{idle, {after: 0.2, on: "a5@0.1"}, {after: 4, on: "a5@3"}, {after: 7, on: "a5@3"}, {after: 10, on: "a5@3"}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "stuck a5@8"},
			totals:   watch.Totals{Handshakes: 1, Stuck: [5]int{4: 1}},
		},
		{
			name:     "readings that waver are no new knocks",
			readings: []sample{idle, {after: 0.2, on: "a1@0.1"}, {after: 0.7, on: "a1@0.108"}, {after: 1.2, on: "a1@0.092"}, {after: 6, on: "a1@0.1"}},
			want:     []string{"phase a1@0.1", "stuck a1@5.1"},
			totals:   watch.Totals{Stuck: [5]int{0: 1}},
		},
		{
			name:     "two near addresses stuck at the same time",
			readings: []sample{idle, {after: 1, on: "a1@0.1 x1@0.2"}, {after: 3, on: "a2@2 x1@0.2 b1@2.5"}, {after: 6, on: "a2@2 b1@2.5"}, {after: 9}},
			want:     []string{"phase a1@0.1", "phase x1@0.2", "phase a2@2", "phase b1@2.5", "stuck x1@5.2", "stuck a2@7", "stuck b1@7.5", "shared b1@7.5 a"},
			totals:   watch.Totals{Stuck: [5]int{2, 1}, Shared: 1},
		},
		{
			name:     "one after the other is two clients",
			readings: []sample{idle, {after: 1, on: "a1@0.1"}, {after: 7}, {after: 8, on: "b1@7.5"}, {after: 14}},
			want:     []string{"phase a1@0.1", "stuck a1@5.1", "phase b1@7.5", "stuck b1@12.5"},
			totals:   watch.Totals{Stuck: [5]int{2}},
		},
		{
			name: "the accept rule's list proves what no reading found", accept: gate.OneShot,
			readings: []sample{idle, {after: 0.2, on: "a6@0.1", conns: "a1"}, {after: 0.7, on: "a6@0.1"}, {after: 1.2, on: "a6@1.1"}, {after: 1.7, on: "a1@1.6 a6@1.1", conns: "a2"}},
			want: []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1 inferred", "in a5@0.1 by the door",
				"phase a1@1.1 inferred", "phase a2@1.1 inferred", "phase a3@1.1 inferred", "phase a4@1.1 inferred", "phase a5@1.1 inferred", "in a5@1.1 by the door", "phase a1@1.6"},
			totals: watch.Totals{Handshakes: 2, In: 2},
		},
		{
			name:     "another connection within the window",
			readings: []sample{idle, {after: 0.2, on: "a5@0.1"}, {after: 0.7, on: "a5@0.1 a6@0.5"}, {after: 2.2, on: "a5@0.1 a6@2"}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "in a5@0.5 by the door"},
			totals:   watch.Totals{Handshakes: 1, In: 1},
		},
		{
			name:     "a replay guard that is full",
			readings: []sample{idle, {after: 0.2, on: "a4@0.1 b4@0.1", guard: "b"}, {after: 6, guard: "b"}},
			want: []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1",
				"phase b1@0.1 inferred", "phase b2@0.1 inferred", "phase b3@0.1 inferred", "phase b4@0.1", "refused a4@5.1", "stuck b4@5.1"},
			totals: watch.Totals{Stuck: [5]int{3: 1}, Refused: 1},
		},
		{
			name:     "a replay guard has no say before the last phase",
			readings: []sample{idle, {after: 0.2, on: "a3@0.1", guard: "b"}, {after: 6, guard: "b"}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1", "stuck a3@5.1"},
			totals:   watch.Totals{Stuck: [5]int{2: 1}},
		},
		{
			name: "the gate changes in the middle, and its lists go on",
			readings: []sample{idle, {after: 0.2, on: "a5@0.1 b1@0.15 x1@0.2"}, {after: 0.4, on: "a5@0.1 b1@0.15 x1@0.2", change: "same lists"},
				{after: 0.6, on: "a5@0.1 b1@0.15 x2@0.5", conns: "a1"}, {after: 9}, {after: 10, on: "b1@9.9"}},
			want: []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1",
				"phase b1@0.15", "phase x1@0.2", "phase x2@0.5", "in a5@0.6", "phase b1@9.9"},
			totals: watch.Totals{Handshakes: 1, In: 1},
		},
		{
			name: "another gate, whose lists tell of an earlier time too",
			readings: []sample{{after: -1}, {after: 0.2, on: "a5@0.1 b1@0.15", conns: "c1"}, {after: 0.4, on: "x5@-20", conns: "c1 d1", change: "other lists"},
				{after: 0.6, on: "x5@-20 a1@0.5"}, {after: 9}},
			want: []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "phase b1@0.15", "in c0@0.2",
				"phase x1@-20 inferred earlier", "phase x2@-20 inferred earlier", "phase x3@-20 inferred earlier", "phase x4@-20 inferred earlier", "phase x5@-20 earlier",
				"phase a1@0.5", "stuck a1@5.5"},
			totals: watch.Totals{Handshakes: 1, Stuck: [5]int{1}},
		},
		{
			name:     "a gate of fewer phases",
			readings: []sample{idle, {after: 0.2, on: "a5@0.1 b4@0.1"}, {after: 0.4, on: "b3@0.3", change: "three phases"}, {after: 9}},
			want: []string{"phase b1@0.1 inferred", "phase b2@0.1 inferred", "phase b3@0.1 inferred", "phase b4@0.1",
				"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1",
				"phase b1@0.3 inferred", "phase b2@0.3 inferred", "phase b3@0.3", "stuck b3@5.3"},
			totals: watch.Totals{Handshakes: 2, Stuck: [5]int{2: 1}},
		},
		{
			name:     "the rules go away under two that may be one client",
			readings: []sample{idle, {after: 0.2, on: "a1@0.1 b1@0.2"}, {after: 1, change: "lost"}, {after: 9}},
			want:     []string{"phase a1@0.1", "phase b1@0.2"},
		},
		{
			name:     "open, and nothing listens",
			readings: []sample{{after: -1, down: true}, {after: 0.2, on: "a5@0.1", down: true}, {after: 7, down: true}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "ssh-down a5@5.1"},
			totals:   watch.Totals{Handshakes: 1, SSHDown: 1},
		},
		{
			name: "accepted, and nothing listens",
			readings: []sample{{after: -1, passed: 1, down: true}, {after: 0.2, on: "a5@0.1", passed: 1, down: true}, {after: 0.4, on: "a5@0.1", passed: 2, down: true},
				{after: 0.6, on: "a5@0.1", passed: 3, conns: "x1", down: true}, {after: 9, down: true}},
			want:   []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "ssh-down a5@0.4"},
			totals: watch.Totals{Handshakes: 1, SSHDown: 1},
		},
		{
			name:     "a server that starts anew at the wrong moment",
			readings: []sample{idle, {after: 0.2, on: "a5@0.1", down: true}, {after: 0.4, on: "a5@0.1"}, {after: 7}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "stuck a5@5.1"},
			totals:   watch.Totals{Handshakes: 1, Stuck: [5]int{4: 1}},
		},
		{
			name:     "two near addresses that each made three phases",
			readings: []sample{idle, {after: 0.2, on: "a3@0.1"}, {after: 1.2, on: "b3@1.1"}, {after: 9}},
			want: []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1", "phase b1@1.1 inferred", "phase b2@1.1 inferred", "phase b3@1.1",
				"stuck a3@5.1", "stuck b3@6.1"},
			totals: watch.Totals{Stuck: [5]int{2: 2}},
		},
		{
			name:     "two near addresses that came one after the other within a window",
			readings: []sample{idle, {after: 0.2, on: "a1@0.1"}, {after: 4.2, on: "b1@4.1"}, {after: 12}},
			want:     []string{"phase a1@0.1", "phase b1@4.1", "stuck a1@5.1", "stuck b1@9.1"},
			totals:   watch.Totals{Stuck: [5]int{2}},
		},
		{
			name:     "a crowd is a scan",
			readings: []sample{idle, {after: 1, on: "a1@0.1 b1@0.2 c1@0.3 d1@0.4 e1@0.5"}, {after: 1.2, on: "e1@0.5"}, {after: 9}},
			want: []string{"phase a1@0.1", "phase b1@0.2", "phase c1@0.3", "phase d1@0.4", "phase e1@0.5",
				"stuck a1@5.1", "stuck b1@5.2", "stuck c1@5.3", "stuck d1@5.4", "stuck e1@5.5"},
			totals: watch.Totals{Stuck: [5]int{5}},
		},
		{
			name:     "open, and others are dropped",
			readings: []sample{{after: -1, dropped: 7}, {after: 0.2, on: "a5@0.1", dropped: 8}, {after: 1.2, on: "a5@0.1", dropped: 9}, {after: 7, dropped: 20}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "stuck a5@5.1", "shared a5@5.1"},
			totals:   watch.Totals{Handshakes: 1, Stuck: [5]int{4: 1}, Shared: 1},
		},
		{
			name:     "dropped before it opened, and after it closed",
			readings: []sample{{after: -1, dropped: 7}, {after: 0.2, on: "a5@0.1", dropped: 8}, {after: 1.2, on: "a5@0.1", dropped: 8}, {after: 7, dropped: 20}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "stuck a5@5.1"},
			totals:   watch.Totals{Handshakes: 1, Stuck: [5]int{4: 1}},
		},
		{
			name:     "others are dropped, and there is one reading while it is open",
			readings: []sample{{after: -3, dropped: 7}, {after: 3, on: "a5@0.1", dropped: 8}, {after: 6.2, dropped: 10}, {after: 7, dropped: 10}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "stuck a5@5.1", "shared a5@5.1"},
			totals:   watch.Totals{Handshakes: 1, Stuck: [5]int{4: 1}, Shared: 1},
		},
		{
			name:     "others are dropped, and there is none while it is open",
			readings: []sample{{after: 0, dropped: 7}, {after: 6, on: "a5@0.1", dropped: 8}, {after: 7, dropped: 8}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "stuck a5@5.1", "shared a5@5.1"},
			totals:   watch.Totals{Handshakes: 1, Stuck: [5]int{4: 1}, Shared: 1},
		},
		{
			name:     "readings too rare to tell",
			readings: []sample{{after: -3, dropped: 7}, {after: 3, on: "a5@0.1", dropped: 8}, {after: 9, dropped: 10}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "stuck a5@5.1"},
			totals:   watch.Totals{Handshakes: 1, Stuck: [5]int{4: 1}},
		},
		{
			name:     "dropped when it had closed, which one reading just after does not change",
			readings: []sample{{after: -1, dropped: 7}, {after: 0.2, on: "a5@0.1", dropped: 8}, {after: 4, on: "a5@0.1", dropped: 8}, {after: 6, dropped: 20}, {after: 7, dropped: 20}},
			want:     []string{"phase a1@0.1 inferred", "phase a2@0.1 inferred", "phase a3@0.1 inferred", "phase a4@0.1 inferred", "phase a5@0.1", "stuck a5@5.1"},
			totals:   watch.Totals{Handshakes: 1, Stuck: [5]int{4: 1}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const w = 5 * time.Second
			v := watch.NewVisits([]time.Duration{w, w, w, w, w}, tt.accept)
			var got []string
			for _, s := range tt.readings {
				switch s.change {
				case "lost":
					v.GateLost()
				case "same lists":
					v.GateChanged([]time.Duration{w, w, w, w, w}, gate.Fixed, true)
				case "other lists":
					v.GateChanged([]time.Duration{w, w, w, w, w}, gate.Fixed, false)
				case "three phases":
					v.GateChanged([]time.Duration{w, w, w}, gate.Fixed, true)
				}
				for _, e := range v.Record(s.reading()) {
					got = append(got, told(e))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.totals, v.Totals); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A scan from many addresses leaves the newest.
func TestVisitsAreBounded(t *testing.T) {
	v := watch.NewVisits([]time.Duration{time.Second}, gate.Fixed)
	for i := range 1300 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		now := seconds(float64(i))
		v.Record(watch.Sample{Time: now, On: []watch.Sighting{{Addr: addr, Phase: 1, Since: now}}})
	}
	list := v.List()
	if len(list) != 1000 || !list[0].Changed.After(list[999].Changed) || !list[999].Changed.After(seconds(290)) {
		t.Errorf("%d visits", len(list))
	}
}

func TestWatchEventAsJSON(t *testing.T) {
	e := watch.Event{Kind: watch.SharedHandshake, Time: at, Age: 1234567 * time.Microsecond, Addr: letter("a"), Phase: 2, Others: []netip.Addr{letter("b")}}
	got, err := json.Marshal(e)
	want := `{"schema":1,"time":"2026-11-22T08:30:00Z","event":"shared","address":"100.64.97.1","family":"4","phase":2,"age_s":1.235,"others":["100.64.98.1"],` +
		`"summary":"100.64.97.1 and 100.64.98.1 are stuck at the same time: perhaps one client behind carrier NAT, whose knocks leave by more than one address"}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
	found := watch.Event{Kind: watch.GateFound, Time: at, Gate: &watch.Gate{
		Kind: gate.FromNFT, Families: []knock.Family{knock.Family4}, SSHPort: 22, Door: gate.Fixed, Windows: []time.Duration{2500 * time.Millisecond}}}
	got, err = json.Marshal(found)
	want = `{"schema":1,"time":"2026-11-22T08:30:00Z","event":"gate","gate":{"kind":"nft","families":["4"],"ssh_port":22,"door":"rcheck",` +
		`"short_connections_seen":false,"dropped_attempts_counted":false,"windows_s":[2.5]},"summary":"watching the nft gate"}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
}
