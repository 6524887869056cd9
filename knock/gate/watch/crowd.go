package watch

import (
	"cmp"
	"slices"
)

// List returns the visits, up to 1000, the last changed first. In a crowd those that got
// in or far stand above the others.
func (v *Visits) List() []Visit {
	list := make([]*Visit, 0, len(v.all))
	for _, one := range v.all {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *Visit) int {
		rank := 0
		if len(list) > crowd {
			rank = cmp.Compare(b.rank(), a.rank())
		}
		return cmp.Or(rank, b.Changed.Compare(a.Changed), a.Addr.Compare(b.Addr))
	})
	listed := make([]Visit, min(len(list), maxListed))
	for i := range listed {
		listed[i] = *list[i]
	}
	return listed
}

// more returns how many visits List leaves out.
func (v *Visits) more() int { return max(0, len(v.all)-maxListed) }

// rank is how much a visit matters among many.
func (v *Visit) rank() int {
	switch {
	case v.gotThrough(), v.State == VisitOpen:
		return 2
	case v.Phase > maxAlone:
		return 1
	}
	return 0
}

// forget makes room: visits that are over go first, the oldest before the others, then
// those in the lowest phases.
func (v *Visits) forget() {
	var over, inside []*Visit
	for _, one := range v.all {
		if one.inside() {
			inside = append(inside, one)
		} else {
			over = append(over, one)
		}
	}
	for _, some := range []struct {
		all  []*Visit
		most int
	}{{over, maxVisits}, {inside, maxInside}} {
		if len(some.all) <= some.most {
			continue
		}
		slices.SortFunc(some.all, func(a, b *Visit) int {
			return cmp.Or(cmp.Compare(b.rank(), a.rank()), b.Changed.Compare(a.Changed), a.Addr.Compare(b.Addr))
		})
		for _, one := range some.all[some.most:] {
			delete(v.all, one.Addr)
			if one.inside() {
				v.forgotten++
			}
		}
	}
}
