package solve

import "rapport/knock"

// CommonRanges returns ranges that people use, the commonest first: [knock.DefaultRange].
func CommonRanges() (all []knock.Range) {
	for _, ends := range [][2]int{
		{10000, 10999}, {10000, 20000}, {20000, 29999}, {30000, 39999}, {1024, 65535}, {49152, 65535}, {10000, 19999}, {20000, 30000}, {30000, 40000},
		{10000, 65535}, {32768, 65535}, {32768, 60999}, {40000, 49999}, {50000, 59999}, {40000, 50000}, {50000, 60000},
		{1025, 65535}, {16384, 32767}, {1000, 9999}, {2000, 2999}, {5000, 5999}, {7000, 7999}, {8000, 8999}, {9000, 9999}, {60000, 65535},
	} {
		r, err := knock.NewRange(ends[0], ends[1])
		if err == nil {
			all = append(all, r)
		}
	}
	return all
}

// Neighbours returns the ranges with one end of r or both off by one.
func Neighbours(r knock.Range) (all []knock.Range) {
	for _, d := range [][2]int{{0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, -1}} {
		if n, err := knock.NewRange(r.Bottom()+d[0], r.Top()+d[1]); err == nil {
			all = append(all, n)
		}
	}
	return all
}
