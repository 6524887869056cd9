package fleet

// descriptors returns more than a fleet uses: Windows has no limit.
func descriptors() int { return 1 << 20 }
