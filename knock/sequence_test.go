package knock_test

import (
	"crypto/md5"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rapport/knock"
)

func secret(t testing.TB, s string) knock.Secret {
	t.Helper()
	sec, err := knock.ParseSecret(s)
	if err != nil {
		t.Fatal(err)
	}
	return sec
}

func hour(t testing.TB, s string) knock.Hour {
	t.Helper()
	h, err := knock.ParseHour(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestDeriveFixedPoints(t *testing.T) {
	for _, tt := range []struct {
		hour string
		want [5]uint16
	}{
		{"2026-11-22-07", [5]uint16{10426, 10386, 10281, 10050, 10135}},
		{"2026-11-22-08", [5]uint16{10247, 10363, 10357, 10858, 10938}},
		{"2026-11-22-09", [5]uint16{10288, 10830, 10890, 10262, 10752}},
	} {
		seq := knock.Derive(hour(t, tt.hour), knock.DefaultRange, secret(t, "f00b4r"))
		if seq.Ports() != tt.want || seq.Hour().String() != tt.hour {
			t.Errorf("Derive(%s) = %v of %v, want %v", tt.hour, seq.Ports(), seq.Hour(), tt.want)
		}
	}
}

// A second derivation, with big integers, as in the article.
func deriveBig(h knock.Hour, r knock.Range, secret string) (ports [5]uint16) {
	sum := md5.Sum([]byte(h.String() + "-" + secret + "\n"))
	num, size := new(big.Int).SetBytes(sum[:]), big.NewInt(int64(r.Size()))
	for k := range ports {
		q := new(big.Int).Div(num, new(big.Int).Exp(size, big.NewInt(int64(k)), nil))
		ports[k] = uint16(q.Mod(q, size).Int64() + int64(r.Bottom()))
	}
	return ports
}

func TestDeriveAgreesWithBigIntegers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		a, b := 1+rnd.IntN(65535), 1+rnd.IntN(65535)
		if a == b {
			continue
		}
		r, err := knock.NewRange(min(a, b), max(a, b))
		if err != nil {
			t.Fatal(err)
		}
		h := hour(t, "2000-01-01-00").Add(rnd.IntN(1 << 20))
		text := fmt.Sprintf("s%x", rnd.Uint64())
		got := knock.Derive(h, r, secret(t, text)).Ports()
		if want := deriveBig(h, r, text); got != want {
			t.Fatalf("Derive(%v, %v, %s) = %v, want %v", h, r, text, got, want)
		}
	}
}

func TestDeriveAllocatesNothing(t *testing.T) {
	h, s := hour(t, "2026-11-22-08"), secret(t, "f00b4r")
	if n := testing.AllocsPerRun(100, func() { knock.Derive(h, knock.DefaultRange, s) }); n != 0 {
		t.Errorf("%v allocations a sequence, want none", n)
	}
}

func BenchmarkDerive(b *testing.B) {
	h, s := hour(b, "2026-11-22-08"), secret(b, "f00b4r")
	b.ReportAllocs()
	for b.Loop() {
		knock.Derive(h, knock.DefaultRange, s)
	}
}

func TestRepeats(t *testing.T) {
	r, err := knock.NewRange(7000, 7002) // three ports for five knocks
	if err != nil {
		t.Fatal(err)
	}
	seq := knock.Derive(hour(t, "2026-11-22-08"), r, secret(t, "f00b4r"))
	if !seq.Repeats() {
		t.Errorf("%v does not repeat", seq.Ports())
	}
	if knock.Derive(hour(t, "2026-11-22-08"), knock.DefaultRange, secret(t, "f00b4r")).Repeats() {
		t.Error("five different ports repeat")
	}
}

func TestHoursAtTheHourChange(t *testing.T) {
	for _, tt := range []struct {
		at   string
		want []string
	}{
		{"08:00:00", []string{"08", "07"}},
		{"08:01:29", []string{"08", "07"}},
		{"08:01:30", []string{"08"}},
		{"08:59:29", []string{"08"}},
		{"08:59:30", []string{"08", "09"}},
		{"08:59:59", []string{"08", "09"}},
	} {
		at, err := time.Parse(time.DateTime, "2026-11-22 "+tt.at)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range knock.HoursAt(at) {
			got = append(got, h.String()[11:])
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("HoursAt(%s) = %v, want %v", tt.at, got, tt.want)
		}
	}
}
