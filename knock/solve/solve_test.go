package solve_test

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// solveHour is the client's hour in these tests.
var solveHour = knock.HourOf(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))

// made computes the ports of a server that hashes "HOUR-" and text, with the
// numbers of any length that dc has.
func made(h knock.Hour, r knock.Range, text string) (p [knock.Knocks]uint16) {
	sum := md5.Sum([]byte(h.String() + "-" + text))
	num := new(big.Int).SetBytes(sum[:])
	size, digit := big.NewInt(int64(r.Size())), new(big.Int)
	for k := range p {
		num.DivMod(num, size, digit)
		p[k] = uint16(digit.Int64()) + uint16(r.Bottom())
	}
	return p
}

// changed are the texts that servers hash for a secret, by what happened to it.
func changed(s string) map[solve.Variant]string {
	return map[solve.Variant]string{
		solve.AsGiven: s + "\n", solve.NoNewline: s, solve.TwoNewlines: s + "\n\n",
		solve.CarriageReturn: s + "\r\n", solve.BareCR: s + "\r",
		solve.BlankBefore: " " + s + "\n", solve.BlankAfter: s + " \n", solve.BlanksAround: " " + s + " \n",
		solve.UpperCase: strings.ToUpper(s) + "\n", solve.LowerCase: strings.ToLower(s) + "\n",
		solve.FirstUpper: strings.ToUpper(s[:1]) + s[1:] + "\n", solve.FirstLower: strings.ToLower(s[:1]) + s[1:] + "\n",
	}
}

func query(t testing.TB, ports [knock.Knocks]uint16) solve.Query {
	return solve.Query{Ports: ports, Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, Hour: solveHour, Past: 48, Future: 48}
}

func solution(t testing.TB, p solve.Query) solve.Solution {
	t.Helper()
	s, err := solve.Solve(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSolveSaysWhatDiffers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		hours  int
		bottom int
		top    int
		text   string
		want   []string
	}{
		{"nothing", 0, 10000, 10999, "f00b4r\n", nil},
		{"an old hour", -3, 10000, 10999, "f00b4r\n", []string{"rules are from 3 hours ago"}},
		{"a coming hour", 1, 10000, 10999, "f00b4r\n", []string{"rules are for 1 hour ahead"}},
		{"the farthest hours", -48, 10000, 10999, "f00b4r\n", []string{"rules are from 48 hours ago"}},
		{"one port more", 0, 10000, 11000, "f00b4r\n", []string{"top port is 11000 there, 10999 here"}},
		{"another bottom", 0, 20000, 20999, "f00b4r\n", []string{"bottom port is 20000 there, 10000 here", "top port is 20999 there, 10999 here"}},
		{"every port", 0, 1, 65535, "f00b4r\n", []string{"bottom port is 1 there, 10000 here", "top port is 65535 there, 10999 here"}},
		{"no newline", 0, 10000, 10999, "f00b4r", []string{"the secret was taken without the newline at its end there"}},
		{"upper case", 0, 10000, 10999, "F00B4R\n", []string{"the secret was taken in upper case there"}},
		{"all of it", 48, 1024, 65535, "f00b4r\r\n", []string{"rules are for 48 hours ahead", "bottom port is 1024 there, 10000 here",
			"top port is 65535 there, 10999 here", "the secret was taken with a carriage return at its end there"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := query(t, made(solveHour.Add(tt.hours), knocktest.NewRange(t, tt.bottom, tt.top), tt.text))
			s := solution(t, p)
			if len(s.Candidates) != 1 {
				t.Fatalf("%d matches: %v", len(s.Candidates), s.Candidates)
			}
			if got := s.Candidates[0].Differs(p.Range); !slices.Equal(got, tt.want) {
				t.Errorf("differs %q, want %q", got, tt.want)
			}
		})
	}
}

// The oracle is the article's arithmetic done with big numbers. What a range
// of a few ports leaves open is told as several matches, never as a wrong one.
func TestSolveRandomServers(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	random := rand.New(rand.NewPCG(2026, 11))
	alone, first := 0, 0
	const servers = 60
	for n := range servers {
		size := 2 + random.IntN(65534)
		switch n % 4 {
		case 1:
			size = 100 + random.IntN(2000)
		case 2:
			size = 10 + random.IntN(200)
		}
		bottom := 1 + random.IntN(65536-size)
		r := knocktest.NewRange(t, bottom, bottom+size-1)
		text := fmt.Sprintf("seCret-%d", random.Uint32())
		offset := random.IntN(97) - 48
		ways := changed(text)
		names := make([]solve.Variant, 0, len(ways))
		for v := range ways {
			if v != solve.FirstLower { // it is so already
				names = append(names, v)
			}
		}
		slices.Sort(names)
		way := names[random.IntN(len(names))]

		hour := solveHour.Add(offset)
		p := solve.Query{Ports: made(hour, r, ways[way]), Secret: knocktest.NewSecret(t, text), Range: knock.DefaultRange, Hour: solveHour, Past: 48, Future: 48}
		if n%2 == 0 {
			p.Range = r // the client has the range right
		}
		truth := solve.Candidate{Hour: hour, Offset: offset, Range: r, Variant: way}
		s := solution(t, p)
		if !slices.Contains(s.Candidates, truth) {
			t.Fatalf("server %d: %+v is not among %d matches and %d more", n, truth, len(s.Candidates), s.More)
		}
		for _, m := range s.Candidates {
			if made(m.Hour, m.Range, ways[m.Variant]) != p.Ports {
				t.Errorf("server %d: %+v does not make its ports", n, m)
			}
		}
		if len(s.Candidates) == 1 {
			alone++
		}
		if s.Candidates[0] == truth {
			first++
		}
	}
	t.Logf("of %d servers %d have one answer, and %d the right one first", servers, alone, first)
	if first < servers*95/100 {
		t.Errorf("only %d of %d have the right answer first", first, servers)
	}
}

func TestSolveTellsAmbiguity(t *testing.T) {
	r := knocktest.NewRange(t, 10000, 10002)
	p := query(t, made(solveHour, r, "f00b4r\n"))
	p.Range = r
	s := solution(t, p)
	if len(s.Candidates) < 2 {
		t.Fatalf("three ports leave %d matches", len(s.Candidates))
	}
	if got, want := s.Candidates[0], (solve.Candidate{Hour: solveHour, Range: r, Variant: solve.AsGiven}); got != want {
		t.Errorf("first is %+v, want %+v", got, want)
	}
}

func TestSolveFindsNothingForAnotherSecret(t *testing.T) {
	if s := solution(t, query(t, made(solveHour, knock.DefaultRange, "another\n"))); len(s.Candidates) != 0 || s.Searched == 0 {
		t.Errorf("%+v", s)
	}
	if s := solution(t, query(t, [knock.Knocks]uint16{})); len(s.Candidates) != 0 {
		t.Errorf("port 0: %+v", s)
	}
}

func TestSolveStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := query(t, made(solveHour, knock.DefaultRange, "f00b4r\n"))
	if _, err := solve.Solve(ctx, p); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Ports that lie close together leave nearly every size of range to try: the
// longest search.
func BenchmarkSolve(b *testing.B) {
	p := query(b, [knock.Knocks]uint16{10000, 10001, 10002, 10003, 10004})
	var searched uint64
	for b.Loop() {
		searched = solution(b, p).Searched
	}
	b.ReportMetric(float64(searched)*float64(b.N)/b.Elapsed().Seconds(), "candidates/s")
	b.ReportMetric(float64(searched), "candidates")
}
