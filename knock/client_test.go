package knock_test

import (
	"errors"
	"net/netip"
	"testing"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// A name that lives in the other family alone is there: what is wrong is the
// family, and that is said.
func TestResolveInTheOtherFamilyAlone(t *testing.T) {
	c := knock.Client{Resolver: knocktest.NewResolver(t, map[string][]netip.Addr{
		"four.test": {netip.MustParseAddr("10.99.1.2")},
		"six.test":  {netip.MustParseAddr("fd99:1::2")},
	})}
	for _, tt := range []struct {
		host   string
		family knock.Family
		want   string
	}{
		{"four.test", knock.Family6, `name not resolved: "four.test" has no IPv6 address; leave out -6 (family in the hosts file)`},
		{"six.test", knock.Family4, `name not resolved: "six.test" has no IPv4 address; leave out -4 (family in the hosts file)`},
		{"none.test", knock.Family4, `name not resolved: no such host "none.test"; check the spelling`},
		{"none.test", knock.FamilyAuto, `name not resolved: no such host "none.test"; check the spelling`},
		{"10.99.1.2", knock.Family6, `name not resolved: 10.99.1.2 is not an IPv6 address; leave out -6 (family in the hosts file)`},
		{"fd99:1::2", knock.Family4, `name not resolved: fd99:1::2 is not an IPv4 address; leave out -4 (family in the hosts file)`},
	} {
		if got, err := c.Resolve(t.Context(), tt.host, tt.family); !errors.Is(err, knock.ErrName) || err.Error() != tt.want {
			t.Errorf("Resolve(%s, %s) = %v, %v; want %s", tt.host, tt.family, got, err, tt.want)
		}
	}
}
