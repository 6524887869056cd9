package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/fleet"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// standIns starts n gates on loopback, each at an address of its own, and returns the
// hosts that stand for them.
func standIns(t testing.TB, n int) (all []hosts.Host) {
	t.Helper()
	for i := range n {
		addr := netip.AddrFrom4([4]byte{127, 0, 7, byte(i + 1)})
		s, err := demo.Start(t.Context(), demo.Config{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, SSHPort: 2222, Addr: addr, Window: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		h := hosts.NewHost(fmt.Sprintf("h%d", i))
		h.Address, h.SSHPort, h.Secret.Inline = addr.String(), 2222, knocktest.NewSecret(t, "f00b4r")
		all = append(all, h)
	}
	return all
}

// Many hosts are worked on a bounded number at a time, each gets its result, and a shut
// one and a name that does not exist spoil nothing.
func TestKnockMany(t *testing.T) {
	knocktest.Need(t)
	all := standIns(t, 40)
	all[7].Secret.Inline = knocktest.NewSecret(t, "another")
	all[9].Address = "nosuch.invalid"
	all[11].Secret = hosts.SecretRef{}
	errNone := errors.New("nobody knows it")
	f := fleet.Fleet{
		Client:  &knock.Client{Resolver: knocktest.NewResolver(t, nil)},
		Secrets: fleet.Secrets{Ask: func(_ context.Context, h hosts.Host) (knock.Secret, error) { return knock.Secret{}, errNone }},
	}
	seen := map[string]fleet.Knocked{}
	var tally fleet.Tally
	f.Knock(t.Context(), all, func(k fleet.Knocked) {
		seen[k.Host] = k
		tally.Add(k.Host, k.Opened, k.Err)
	})
	if got, want := tally.String(), "37 of 40 open; shut: h7; failed: "; !strings.HasPrefix(got, want) || len(seen) != 40 {
		t.Errorf("%s, and %d results", got, len(seen))
	}
	if err := seen["h9"].Err; !errors.Is(err, knock.ErrName) {
		t.Errorf("the name: %v", err)
	}
	if k := seen["h11"]; !errors.Is(k.Err, errNone) || !strings.HasSuffix(k.Line(4), "  -                     nobody knows it") {
		t.Errorf("no secret: %q", k.Line(4))
	}
	if line := seen["h3"].Line(4); !strings.HasPrefix(line, "h3    127.0.7.4:2222        open after ") || !strings.HasSuffix(line, "SSH-2.0-rapport_demo") {
		t.Errorf("open: %q", line)
	}
	open := 0
	f.Probe(t.Context(), all, func(p fleet.Probed) {
		if p.SSH.State == knock.SSHOpen {
			open++
		}
	})
	if open != 37 {
		t.Errorf("%d are open to a probe", open)
	}
}

// A name with addresses of both families gets a handshake with each; one with an address
// of one family gets that, and a name that does not resolve one error for each.
func TestBothFamilies(t *testing.T) {
	knocktest.Need(t)
	s := knocktest.NewServer(t, knocktest.Options{})
	other := s.Addr4.Next().Next().Next()
	client := &knock.Client{Resolver: knocktest.NewResolver(t, map[string][]netip.Addr{
		"both.example": {s.Addr4, s.Addr6}, "six.example": {s.Addr6}, "half.example": {other, s.Addr6},
	})}
	for name, want := range map[string]string{
		"both.example":    "open " + s.Addr4.String() + ", open " + s.Addr6.String(),
		"six.example":     "open " + s.Addr6.String(),
		"half.example":    "failed " + other.String() + ", open " + s.Addr6.String(),
		s.Addr4.String():  "open " + s.Addr4.String(),
		"nothing.example": "failed , failed ",
	} {
		h := hosts.NewHost(name)
		h.Secret.Inline = s.Secret
		f := fleet.Fleet{Client: client, BothFamilies: true}
		var got []string
		f.Knock(t.Context(), []hosts.Host{h}, func(k fleet.Knocked) {
			state := "shut"
			if k.Err != nil {
				state = "failed"
			} else if k.Opened {
				state = "open"
			}
			got = append(got, state+" "+k.Address)
		})
		slices.SortFunc(got, func(a, b string) int {
			_, a, _ = strings.Cut(a, " ")
			_, b, _ = strings.Cut(b, " ")
			return strings.Compare(strings.ReplaceAll(a, "fd", "~"), strings.ReplaceAll(b, "fd", "~")) // IPv4 first
		})
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: %s, want %s", name, text, want)
		}
	}
}

// The end of the context ends all handshakes, and starts no more.
func TestFleetIsStopped(t *testing.T) {
	knocktest.Need(t)
	all := standIns(t, 8)
	for i := range all {
		all[i].Secret.Inline = knocktest.NewSecret(t, "another")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	errMine := errors.New("mine")
	f := fleet.Fleet{Client: &knock.Client{}, Parallel: 2}
	time.AfterFunc(200*time.Millisecond, func() { cancel(errMine) })
	n := 0
	f.Knock(ctx, all, func(k fleet.Knocked) {
		n++
		if !errors.Is(k.Err, errMine) {
			t.Errorf("%s: %v", k.Host, k.Err)
		}
	})
	if n == 0 || n > 4 {
		t.Errorf("%d results of 8", n)
	}
}

func TestTallyOfMany(t *testing.T) {
	var tally fleet.Tally
	for i := range 13 {
		tally.Add(fmt.Sprint(i), false, nil)
	}
	if got, want := tally.String(), "0 of 13 open; shut: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// BenchmarkKnock200 knocks on 200 gates on one machine, and on one of them.
func BenchmarkKnock200(b *testing.B) {
	knocktest.Need(b)
	all := standIns(b, 200)
	for b.Loop() {
		for _, n := range []int{1, 200} {
			f := fleet.Fleet{Client: &knock.Client{}}
			var tally fleet.Tally
			started := time.Now()
			f.Knock(b.Context(), all[200-n:], func(k fleet.Knocked) { tally.Add(k.Host, k.Opened, k.Err) })
			took := time.Since(started)
			if tally.Open != n {
				b.Fatal(tally.String(), tally.Err)
			}
			b.ReportMetric(float64(took.Milliseconds()), fmt.Sprintf("ms/%d-hosts", n))
			if took > 3*time.Second {
				b.Errorf("%d hosts take %v", n, took)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
}
