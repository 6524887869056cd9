package check

import (
	"rapport/diag/scan"
	"rapport/knock"
)

// leftOut stands for what a server said, in a report that may be passed on.
const leftOut = "left out"

// WithoutBanner returns a check without what the server said.
func (c Check) WithoutBanner() Check {
	c.Args.SSH = NoBanner(c.Args.SSH)
	c.Args.Handshake = NoBannerAfter(c.Args.Handshake)
	c.Args.Scan = NoBannerIn(c.Args.Scan)
	return c
}

// NoBanner returns what SSH answered without what it said.
func NoBanner(s knock.SSH) knock.SSH {
	if s.Banner != "" {
		s.Banner = leftOut
	}
	return s
}

// NoBannerAfter is [NoBanner] for a handshake, nil for none.
func NoBannerAfter(h *knock.Report) *knock.Report {
	if h == nil {
		return nil
	}
	out := *h
	out.SSH = NoBanner(h.SSH)
	return &out
}

// NoBannerIn is [NoBanner] for a scan, nil for none.
func NoBannerIn(s *scan.Report) *scan.Report {
	if s == nil {
		return nil
	}
	out := *s
	out.SSH, out.Stopped.SSH = NoBanner(s.SSH), NoBanner(s.Stopped.SSH)
	return &out
}
