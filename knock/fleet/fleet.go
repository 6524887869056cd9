// Package fleet knocks on, and probes, many servers side by side. A [Fleet] reads the
// secret of each ([Secrets]), resolves its name and goes to work; a result comes as soon
// as it is known, and a [Tally] says in the end what came of all.
package fleet

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
)

// maxParallel is how many servers are worked on at a time. socketsEach is how many
// sockets a handshake has open at most, while its last attempts overlap.
const (
	maxParallel = 64
	socketsEach = 48
)

// Fleet knocks on or probes many servers. Only the client is required.
type Fleet struct {
	Client  *knock.Client
	Options knock.Options
	// Gaps, if not nil, returns the gaps of a target's attempts.
	Gaps    func(knock.Target) []time.Duration
	Resolve time.Duration // how long a name may take; zero is [knock.DefaultTimeout]
	// BothFamilies works on an IPv4 and an IPv6 address of each name that has both.
	BothFamilies bool
	Secrets      Secrets
	Parallel     int // servers at a time; zero is 64, or what descriptors allow
}

// Knocked is what a handshake with one address did. Its JSON form is one line of knock
// --json.
type Knocked struct {
	knock.Report
	Error string         `json:"error,omitempty"` // why there was no handshake
	Addr  netip.AddrPort `json:"-"`
	Err   error          `json:"-"`
}

// Probed is what a probe of one address saw. Its JSON form is one line of probe --json.
type Probed struct {
	knock.ProbeReport
	Error string         `json:"error,omitempty"` // why nothing was seen
	Addr  netip.AddrPort `json:"-"`
	Err   error          `json:"-"`
}

// Knock makes a handshake with each server and calls on with every result, one call at a
// time, as it comes. It returns when all are done; at the end of ctx soon.
func (f *Fleet) Knock(ctx context.Context, servers []hosts.Host, on func(Knocked)) {
	each(ctx, f, servers, on, func(h hosts.Host, emit func(Knocked)) {
		t := h.Target()
		empty := knock.Report{Schema: 1, Host: h.Name, Hour: knock.HourOf(f.Client.Clock.Now().Add(h.Skew)), Attempts: []knock.Attempt{}}
		var err error
		if t.Secret, err = f.Secrets.read(ctx, h); err != nil {
			emit(Knocked{Report: empty, Error: explain(err), Err: err})
			return
		}
		o := f.Options
		if f.Gaps != nil {
			o.Gaps = f.Gaps(t)
		}
		f.addresses(ctx, h, func(addr netip.Addr, err error) {
			k := Knocked{Report: empty, Err: err}
			if err == nil {
				at := t
				at.Addr = netip.AddrPortFrom(addr, t.Addr.Port())
				k.Addr = at.Addr
				k.Report, k.Err = f.Client.Knock(ctx, at, o, nil)
			}
			if k.Err != nil {
				k.Error = explain(k.Err)
			}
			emit(k)
		})
	})
}

// explain is an error as one line of a result.
func explain(err error) string { return knock.Clean(err.Error(), 400) }

// Probe probes SSH at each server, as Knock knocks. It needs no secret.
func (f *Fleet) Probe(ctx context.Context, servers []hosts.Host, on func(Probed)) {
	each(ctx, f, servers, on, func(h hosts.Host, emit func(Probed)) {
		f.addresses(ctx, h, func(addr netip.Addr, err error) {
			p := Probed{ProbeReport: knock.ProbeReport{Schema: 1, Host: h.Name}, Err: err}
			if err == nil {
				p.Addr = netip.AddrPortFrom(addr, h.Target().Addr.Port())
				p.ProbeReport, p.Err = f.Client.Probe(ctx, h.Name, p.Addr, f.Options)
			}
			if p.Err != nil {
				p.Error = explain(p.Err)
			}
			emit(p)
		})
	})
}

// each runs work for each server, a bounded number at a time, and passes what they emit
// to on.
func each[R any](ctx context.Context, f *Fleet, servers []hosts.Host, on func(R), work func(h hosts.Host, emit func(R))) {
	parallel := f.Parallel
	if parallel <= 0 {
		parallel = max(1, min(maxParallel, descriptors()/socketsEach))
	}
	results := make(chan R)
	go func() {
		defer close(results)
		var running sync.WaitGroup
		defer running.Wait()
		slots := make(chan struct{}, parallel)
		for _, h := range servers {
			slots <- struct{}{}
			if ctx.Err() != nil {
				return
			}
			running.Go(func() {
				defer func() { <-slots }()
				work(h, func(r R) { results <- r })
			})
		}
	}()
	for r := range results {
		on(r)
	}
}

// addresses calls do with the address of h, or with one of each family side by side. A
// family that a name has no address of is left out where the other has one.
func (f *Fleet) addresses(ctx context.Context, h hosts.Host, do func(netip.Addr, error)) {
	resolve := func(family knock.Family) (netip.Addr, error) {
		timeout := f.Resolve
		if timeout <= 0 {
			timeout = knock.DefaultTimeout
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return f.Client.Resolve(ctx, h.Lookup(), family)
	}
	if !f.BothFamilies {
		do(resolve(h.Family))
		return
	}
	var both sync.WaitGroup
	for _, family := range []knock.Family{knock.Family4, knock.Family6} {
		both.Go(func() {
			addr, err := resolve(family)
			if !errors.Is(err, knock.ErrFamily) {
				do(addr, err)
			}
		})
	}
	both.Wait()
}
