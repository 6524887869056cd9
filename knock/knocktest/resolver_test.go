//go:build linux

package knocktest_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

func TestResolver(t *testing.T) {
	t.Parallel()
	four, six := netip.MustParseAddr("10.99.1.2"), netip.MustParseAddr("fd99:1::2")
	r := knocktest.NewResolver(t, map[string][]netip.Addr{
		"both.example.org":   {four, six},
		"Four.example.org.":  {four},
		"six.example.org":    {six},
		"silent.example.org": nil,
	})
	for _, tt := range []struct {
		network, name string
		want          []netip.Addr
	}{
		{"ip", "both.example.org", []netip.Addr{four, six}},
		{"ip4", "both.example.org", []netip.Addr{four}},
		{"ip6", "BOTH.example.org", []netip.Addr{six}},
		{"ip", "four.example.org", []netip.Addr{four}},
		{"ip6", "four.example.org", nil},
		{"ip", "six.example.org", []netip.Addr{six}},
		{"ip", "none.example.org", nil},
	} {
		got, err := r.LookupNetIP(t.Context(), tt.network, tt.name)
		slices.SortFunc(got, netip.Addr.Compare)
		var failed *net.DNSError
		if !slices.Equal(got, tt.want) || (tt.want == nil) != (errors.As(err, &failed) && failed.IsNotFound) {
			t.Errorf("%s %s is %v, %v; want %v", tt.network, tt.name, got, err, tt.want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if got, err := r.LookupNetIP(ctx, "ip", "silent.example.org"); !isTimeout(err) {
		t.Errorf("a name whose server is silent is %v, %v", got, err)
	}
	c := knock.Client{Resolver: r}
	if got, err := c.Resolve(t.Context(), "both.example.org", knock.Family6); got != six {
		t.Errorf("rapport's client resolves it to %v, %v", got, err)
	}
}
