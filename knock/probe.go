package knock

import (
	"cmp"
	"context"
	"fmt"
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

const (
	// probeTimeout is more than the three seconds after which the kernel reports
	// that ARP found no host: before that "unreachable" looks like "filtered".
	probeTimeout = 4 * time.Second
	// judgeTime is left before a deadline to classify an unfinished banner.
	judgeTime = 50 * time.Millisecond
)

// Probe checks whether SSH answers at addr, with one connection. Of o it uses Timeout, four seconds if
// zero, and Wait: how long SSH may take to accept, Timeout if zero. Errors are those of
// [Client.Knock]. The report holds what was seen, even if there is an error.
func (c *Client) Probe(ctx context.Context, host string, addr netip.AddrPort, o Options) (ProbeReport, error) {
	if o.Timeout == 0 {
		o.Timeout = probeTimeout
	}
	report := ProbeReport{Schema: 1, Host: host, Address: addr.Addr().String()}
	e := c.newEngine(addr.Addr())
	deadline := e.start.Add(o.Timeout)
	e.record = func(o outcome) {
		if o.state == stateConnected {
			e.readBanner(o.socket, deadline.Add(-judgeTime))
		}
	}
	s, err := e.send(socket{port: addr.Port(), probe: true}, false)
	if err != nil {
		return report, probeError(addr.Port(), err)
	}
	e.watch(s, e.start.Add(cmp.Or(o.Wait, o.Timeout)))
	err = e.await(ctx, deadline, s.done)
	e.end()
	s.closeConn()
	report.SSH = s.seen()
	switch {
	case err != nil:
	case s.state == stateNoRoute:
		err = unreachable(addr.Addr())
	case s.state == stateFailed:
		err = probeError(addr.Port(), s.err)
	}
	return report, err
}

func probeError(port uint16, err error) error {
	return sendError(fmt.Sprintf("connection to SSH port %d", port), err)
}
