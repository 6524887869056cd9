package knock

import (
	"context"
	"net/netip"
	"time"
)

// ProbeReport is what a probe saw.
type ProbeReport struct {
	Schema  int    `json:"schema"` // 1
	Host    string `json:"host"`
	Address string `json:"address"`
	SSH     SSH    `json:"ssh"`
}

// probeTimeout outlasts the three seconds after which a machine gives up asking
// its own network who has an address, so that "unreachable" is told from
// "filtered".
const probeTimeout = 4 * time.Second

// Probe looks whether SSH answers at addr, with one connection. Options' Timeout
// counts, four seconds if zero. Errors are as those of Knock.
func (c *Client) Probe(ctx context.Context, host string, addr netip.AddrPort, o Options) (ProbeReport, error) {
	if o.Timeout == 0 {
		o.Timeout = probeTimeout
	}
	h := newHandshake(Target{Host: host, Addr: addr}, o, Plan{Attempts: []PlannedAttempt{{Probes: make([]PlannedProbe, 1)}}}, nil)
	l, err := h.look(false, 0)
	if err == nil {
		h.after = append(h.after, l)
		err = h.await(ctx, h.deadline, func() bool { return l.judged })
	}
	h.finish(false)
	if err == nil && h.noRoute {
		err = unreachable(addr.Addr())
	}
	return ProbeReport{Schema: 1, Host: host, Address: addr.Addr().String(), SSH: h.report.SSH}, err
}
