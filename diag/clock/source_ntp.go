package clock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/beevik/ntp"

	"rapport/knock"
)

// localNTP asks an NTP server for the true time. Its uncertainty is the distance
// to its own source that it reports, and half the round trip.
func (a *asker) localNTP(ctx context.Context, server string) (Interval, string, error) {
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(strings.Trim(server, "[]"), "123")
	}
	r, err := a.queryNTP(ctx, server)
	if err != nil {
		return Interval{}, "", err
	}
	if unsynchronised(r) {
		return Interval{}, "", errors.New("it is not synchronised itself")
	}
	if err := r.Validate(); err != nil {
		return Interval{}, "", fmt.Errorf("not to be trusted: %w", err)
	}
	return around(r.ClockOffset, r.RootDistance+ntpFloor), "", nil
}

// serverNTP asks the host itself. Its clock is read as it is, right or wrong: the
// distance to its own source does not matter.
func (a *asker) serverNTP(ctx context.Context) (Interval, string, error) {
	r, err := a.queryNTP(ctx, a.address(SourceNTP).String())
	if err != nil {
		return Interval{}, "", err
	}
	note := ""
	if unsynchronised(r) {
		note = "not synchronised"
	}
	return around(r.ClockOffset, r.RTT/2+ntpFloor), note, nil
}

// ntpFloor covers the scheduler's delays on both sides, which the timestamps miss.
const ntpFloor = time.Millisecond

func around(offset, uncertainty time.Duration) Interval {
	return Interval{offset - uncertainty, offset + uncertainty}
}

// unsynchronised reports whether a server says that its clock follows nothing
// (RFC 5905, figures 9 and 11).
func unsynchronised(r *ntp.Response) bool { return r.Leap == ntp.LeapNotInSync || r.Stratum >= 16 }

// askAgain is when a server that has not answered is asked a second time.
const askAgain = 400 * time.Millisecond

// queryNTP asks, and once more where no answer comes soon: nobody repeats a datagram that
// gets lost. The first answer that can be used counts.
func (a *asker) queryNTP(ctx context.Context, address string) (r *ntp.Response, err error) {
	ctx, cancel := context.WithCancel(ctx)
	type answer struct {
		r   *ntp.Response
		err error
	}
	answers, waiting := make(chan answer), 0
	ask := func() {
		waiting++
		go func() {
			r, err := a.queryOnce(ctx, address)
			answers <- answer{r, err}
		}()
	}
	defer func() {
		for cancel(); waiting > 0; waiting-- {
			<-answers
		}
	}()
	again := time.After(askAgain)
	for ask(); waiting > 0; {
		select {
		case <-again:
			ask()
		case got := <-answers:
			waiting--
			if r, err = got.r, got.err; err == nil {
				return r, nil
			}
		}
	}
	return r, err
}

// queryOnce asks once, and checks that the answer's times can be used.
func (a *asker) queryOnce(ctx context.Context, address string) (*ntp.Response, error) {
	conn, err := a.dial(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return queryNTP(conn, a.now)
}

func queryNTP(conn net.Conn, now func() time.Time) (*ntp.Response, error) {
	r, err := ntp.QueryWithOptions("host", ntp.QueryOptions{
		GetSystemTime: now,
		Dialer:        func(string, string) (net.Conn, error) { return ntpConn{conn}, nil },
	})
	switch {
	case err != nil:
		return nil, err
	case r.Stratum == 0: // RFC 5905, 7.4
		return nil, fmt.Errorf("it declined to answer: kiss code %q", knock.Clean(r.KissCode, 4))
	case r.Timestamps.ServerXmit.Before(r.Timestamps.ServerRecv):
		return nil, errors.New("its clock went back while it answered")
	}
	return r, nil
}

// ntpConn is a connection that the library does not close, and that protects it
// from messages on which it panics.
type ntpConn struct{ net.Conn }

func (ntpConn) Close() error { return nil }

// Read reads one message. Its third and fourth byte are powers of two, poll
// interval and precision; beevik/ntp v1.6.0 shifts by the negative of an int8,
// which -128 does not have. Neither is used here.
func (c ntpConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for i := 2; i < min(n, 4); i++ {
		if b[i] == 0x80 {
			b[i] = 0x81
		}
	}
	return n, err
}
