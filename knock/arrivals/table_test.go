package arrivals_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// query is a table for hour 2026-11-22-08 and the article's secret and range.
func query(t testing.TB) arrivals.Query {
	t.Helper()
	hour, err := knock.ParseHour("2026-11-22-08")
	if err != nil {
		t.Fatal(err)
	}
	return arrivals.Query{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, Hour: hour, Reach: arrivals.DefaultReach}
}

// truths returns every candidate of the table, with its sequence.
func truths(q arrivals.Query) (all []solve.Candidate, ports [][knock.Knocks]uint16) {
	ranges := slices.Concat([]knock.Range{q.Range}, solve.Neighbours(q.Range), slices.DeleteFunc(solve.CommonRanges(), func(r knock.Range) bool { return r == q.Range }))
	for offset := -q.Reach; offset <= q.Reach; offset++ {
		for _, v := range solve.Variants(q.Secret) {
			for _, r := range ranges {
				c := solve.Candidate{Hour: q.Hour.Add(offset), Offset: offset, Range: r, Variant: v}
				all, ports = append(all, c), append(ports, v.Ports(c.Hour, r, q.Secret))
			}
		}
	}
	return all, ports
}

// TestFind: every candidate is found by its five ports, by any four of them, and by
// all five in a wrong order; random ports are none's.
func TestFind(t *testing.T) {
	knocktest.Long(t)
	q := query(t)
	table := arrivals.NewTable(q)
	dice := rand.New(rand.NewPCG(1, 2))
	all, sequences := truths(q)
	if table.Len() != len(all) {
		t.Fatalf("%d candidates, want %d", table.Len(), len(all))
	}
	for i, want := range all {
		five := distinct(sequences[i][:])
		sets := [][]uint16{five}
		for k := range five {
			if len(five) == knock.Knocks { // else a port that repeats is missing
				sets = append(sets, slices.Delete(slices.Clone(five), k, k+1))
			}
		}
		mixed := slices.Clone(five)
		dice.Shuffle(len(mixed), func(a, b int) { mixed[a], mixed[b] = mixed[b], mixed[a] })
		for _, ports := range append(sets, mixed) {
			if m, ok := table.Find(ports); !ok || m.Candidate != want || m.Matched != len(ports) {
				t.Fatalf("%v of %v: %v %+v", ports, want.Made(), ok, m)
			}
		}
	}
	wrong := 0
	const scans = 100_000
	for range scans {
		ports := make([]uint16, 5)
		for k := range ports {
			ports[k] = uint16(10000 + dice.IntN(1000))
		}
		if _, ok := table.Find(distinct(ports)); ok {
			wrong++
		}
	}
	// The table promises less than one in ten thousand.
	if wrong > scans/10_000 {
		t.Errorf("%d of %d random sequences have a candidate", wrong, scans)
	}
	t.Logf("%d candidates, all found by 5 ports and by 4; %d of %d random sequences are taken for one", len(all), wrong, scans)
}

// TestFindFew: of this hour's sequence with nothing changed two ports are enough.
func TestFindFew(t *testing.T) {
	q := query(t)
	table := arrivals.NewTable(q)
	p := knock.Derive(q.Hour, q.Range, q.Secret).Ports()
	m, ok := table.Find([]uint16{p[1], p[3]})
	if !ok || m.Offset != 0 || m.Range != q.Range || m.Variant != solve.AsGiven || m.Ports != p || m.Matched != 2 {
		t.Errorf("%v %+v", ok, m)
	}
	if m, ok := table.Find([]uint16{p[1]}); ok {
		t.Errorf("one port is %+v", m)
	}
}

func distinct(ports []uint16) (all []uint16) {
	for _, p := range ports {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

func BenchmarkNewTable(b *testing.B) {
	q := query(b)
	b.ReportAllocs()
	for b.Loop() {
		arrivals.NewTable(q)
	}
	b.ReportMetric(float64(arrivals.NewTable(q).Len()), "candidates")
}

func BenchmarkFind(b *testing.B) {
	q := query(b)
	table := arrivals.NewTable(q)
	p := knock.Derive(q.Hour.Add(-3), q.Range, q.Secret).Ports()
	b.ReportAllocs()
	for b.Loop() {
		table.Find(p[:])
	}
}
