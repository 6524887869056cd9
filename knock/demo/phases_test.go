package demo_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/demo"
)

// secret is one that no other package's tests use: a stand-in of theirs on the
// same machine is then not moved by the knocks of these.
func secret(t testing.TB) knock.Secret {
	t.Helper()
	s, err := knock.ParseSecret("knock-gate-test")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// like returns the first hour in which the sequence repeats ports as the
// pattern says: in "abacd" the third port is the first one again.
func like(t testing.TB, r knock.Range, pattern string) knock.Sequence {
	t.Helper()
	h, err := knock.ParseHour("2000-01-01-00")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100_000 {
		seq := knock.Derive(h.Add(n), r, secret(t))
		fits := true
		for i, p := range seq.Ports() {
			for k, q := range seq.Ports() {
				fits = fits && (p == q) == (pattern[i] == pattern[k])
			}
		}
		if fits {
			return seq
		}
	}
	t.Fatalf("no sequence like %s in %v", pattern, r)
	return knock.Sequence{}
}

// Scripts are read word by word. "b:2" is a knock to the port with the letter b
// in the pattern, which takes its sender into phase 2; "a:1,2" enters two phases
// and "x:" is another port; "a:" moves nothing. "+4s" lets time pass, "@2" lets
// another address go on, "open" and "shut" look at SSH, "refresh" brings the
// next hour, with the ports of the second pattern, capital letters.
func TestPhases(t *testing.T) {
	for _, tt := range []struct{ name, pattern, script string }{
		{"in order", "abcde", "shut a:1 shut b:2 shut c:3 shut d:4 shut e:5 open"},
		{"closes after the window", "abcde", "a:1 b:2 c:3 d:4 e:5 +5s open +1ns shut"},
		{"looking neither uses up nor extends", "abcde", "a:1 b:2 c:3 d:4 e:5 +3s open open +2s open +1ns shut"},
		{"each phase has a window of its own", "abcde", "a:1 +5s b:2 +5s c:3 +5s d:4 +5s e:5 +5s open"},
		{"a phase runs out", "abcde", "a:1 b:2 +5001ms c: d: e: shut"},
		{"knocked again, a phase starts anew", "abcde", "a:1 +4s a:1 +4s b:2 c:3 d:4 e:5 open"},
		{"the whole handshake again extends", "abcde", "a:1 b:2 c:3 d:4 e:5 +4s a:1 b:2 c:3 d:4 e:5 +4s open"},
		{"the last knock again does not", "abcde", "a:1 b:2 c:3 d:4 e:5 +4s e: +4s shut"},
		{"wrong ports reset nothing", "abcde", "x: a:1 x: b:2 x: x: c:3 d:4 x: e:5 x: open"},
		{"right ports too early reset nothing", "abcde", "a:1 c: e: b:2 e: c:3 a:1 d:4 e:5 open"},
		{"wrong order", "abcde", "b: a:1 c: d: e: shut"},
		{"backwards", "abcde", "e: d: c: b: a:1 shut"},
		{"one missing", "abcde", "a:1 b:2 d: e: shut"},
		{"the address moves on out of a phase", "abcde", "a:1 b:2 b: c:3 c: d:4 e:5 open"},

		{"1 and 2 the same", "aabcd", "a:1,2 a:1,2 b:3 c:4 d:5 open"},
		{"1 and 2 the same, sent once", "aabcd", "a:1,2 b:3 c:4 d:5 open"},
		{"2 and 3 the same", "abbcd", "a:1 b:2,3 b: c:4 d:5 open"},
		{"4 and 5 the same", "abcdd", "a:1 b:2 c:3 d:4,5 d: open"},
		{"1 and 3 the same", "abacd", "a:1 b:2 a:1,3 c:4 d:5 open"},
		{"1 and 5 the same", "abcda", "a:1 b:2 c:3 d:4 a:1,5 open"},
		{"2 and 4 the same", "abcbd", "a:1 b:2 c:3 b:4 d:5 open"},
		{"1, 3 and 5 the same", "abaca", "a:1 b:2 a:1,3 c:4 a:1,5 open"},
		{"all the same", "aaaaa", "shut a:1,2,3,4,5 open a:1,2,3,4,5 open"},

		{"a new hour in the middle", "abcde ABCDE", "a:1 b:2 c:3 refresh d: e: shut D: E: shut"},
		{"a new hour has new ports", "abcde ABCDE", "refresh a: b: c: d: e: shut A:1 B:2 C:3 D:4 E:5 open"},
		{"a new hour shuts", "abcde ABCDE", "a:1 b:2 c:3 d:4 e:5 open refresh shut"},

		{"two addresses apart", "abcde", "a:1 b:2 @2 c: a:1 b:2 @1 c:3 d:4 e:5 open @2 shut d: e: shut c:3 d:4 e:5 open"},
		{"an IPv4 address in IPv6 is the same", "abcde", "a:1 b:2 @mapped c:3 d:4 @1 e:5 open @mapped open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := knock.NewRange(7000, 7004)
			first, second, _ := strings.Cut(tt.pattern, " ")
			seq := like(t, r, first)
			letters := portsOf(first, seq)
			var next knock.Sequence
			if second != "" {
				r, _ = knock.NewRange(7100, 7104)
				next = like(t, r, strings.ToLower(second))
				for c, p := range portsOf(second, next) {
					letters[c] = p
				}
			}
			addrs := map[string]netip.Addr{
				"1":      netip.MustParseAddr("192.0.2.1"),
				"2":      netip.MustParseAddr("192.0.2.2"),
				"mapped": netip.MustParseAddr("::ffff:192.0.2.1"),
			}
			now, addr := time.Unix(0, 0), addrs["1"]
			p := demo.NewPhases(seq, 5*time.Second)
			for n, word := range strings.Fields(tt.script) {
				switch {
				case word == "open", word == "shut":
					if got := p.Open(addr, now); got != (word == "open") {
						t.Errorf("word %d, %s: open is %v", n+1, word, got)
					}
				case word == "refresh":
					p.Refresh(next)
				case word[0] == '@':
					addr = addrs[word[1:]]
				case word[0] == '+':
					d, err := time.ParseDuration(word)
					if err != nil {
						t.Fatal(err)
					}
					now = now.Add(d)
				default:
					entered := p.Knock(addr, letters[word[0]], now)
					if got := strings.Trim(strings.ReplaceAll(fmt.Sprint(entered), " ", ","), "[]"); got != word[2:] {
						t.Errorf("word %d, %s: entered %q", n+1, word, got)
					}
				}
			}
		})
	}
}

func portsOf(pattern string, seq knock.Sequence) map[byte]uint16 {
	letters := map[byte]uint16{'x': 1}
	for k, p := range seq.Ports() {
		letters[pattern[k]] = p
	}
	return letters
}

func TestPhasesForgetTheOldestAddress(t *testing.T) {
	r, _ := knock.NewRange(7000, 7004)
	seq := like(t, r, "abcde")
	for others, stays := range map[int]bool{99: true, 100: false} {
		p, now, me := demo.NewPhases(seq, 5*time.Second), time.Unix(0, 0), netip.MustParseAddr("192.0.2.1")
		p.Knock(me, seq.Ports()[0], now)
		for n := range others {
			p.Knock(netip.MustParseAddr("198.51.100."+strconv.Itoa(n)), seq.Ports()[0], now)
		}
		if got := len(p.Knock(me, seq.Ports()[1], now)) == 1; got != stays {
			t.Errorf("after %d others the address is in phase 1: %v", others, got)
		}
	}
}
