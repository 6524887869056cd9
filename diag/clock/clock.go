// Package clock finds out how far a server's clock is off, without a login.
//
// [Clocks.Read] asks all sources in parallel, each a file source_*.go and a row in
// clock.go: the Date of a web server (HTTP and HTTPS), NTP, the greeting of a mail
// server, the daytime and time services, and ICMP timestamps. NTP servers that the
// user names are asked for this machine's own clock. Each source yields a [Reading]:
// the offset from this machine's clock with its uncertainty, or the reason why there
// is no offset.
//
// A [Report] combines the readings of each [Side] by a vote ([Intersect]) and marks
// the outvoted ones. [Report.Summary] says what that means for the scheme: which
// hour's sequence the server expects, and when that changes. A gate that opened is
// a source too: see [FromKnock] and [Report.Add].
//
// All times are measured with the monotonic clock, so a step of this machine's
// clock during Read does no harm. What a server sends is limited in length and
// cleaned before it is shown.
package clock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"rapport/knock"
)

// DefaultTimeout is the usual limit for [Clocks.Read]: it leaves time to find the
// start of a server's second twice.
const DefaultTimeout = 3 * time.Second

// Errors of readings that callers test for.
var (
	ErrRefused     = errors.New("refused")     // nothing listens there, or a firewall rejects
	ErrUnreachable = errors.New("unreachable") // there is no route, or a router says so
	ErrNoAnswer    = errors.New("no answer")   // none came in time
	ErrNeedsRoot   = errors.New("needs root")  // which alone may open a raw socket
)

// Ports are where a host's services listen, by the names of the sources. A service
// that is not in it has its usual port.
type Ports map[string]uint16

var usualPorts = Ports{SourceHTTP: 80, SourceHTTPS: 443, SourceNTP: 123, SourceSMTP: 25, SourceDaytime: 13, SourceTime: 37}

// Clocks reads the clocks of a server and of this machine. The zero value is ready
// to use.
type Clocks struct {
	Clock knock.Clock // this machine's
	Ports Ports
	// NTP are the servers to ask for this machine's clock, each a name or an
	// address, with a port if it is not 123. None are asked where it is empty.
	NTP     []string
	Only    []string      // the server's sources to ask, by name; nil is all
	Timeout time.Duration // for all sources together; zero is DefaultTimeout
	// Dial connects to the services, by TCP and UDP; nil is the system's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Rough, if not nil, is called with what the first answer of a web server tells, to the
	// second, on Read's own goroutine: the reading comes when its second is found.
	Rough func(Reading)
}

// Read asks every source that the host at addr may have, and the NTP servers, all
// in parallel. host is the name that a web server is asked for. on, if not nil,
// is called with every reading as it comes, on Read's own goroutine; Outvoted is
// not set yet.
//
// A source that fails says so in its reading. The error is ctx's cause
// if ctx ended; the report holds what was learnt by then.
func (c *Clocks) Read(ctx context.Context, host string, addr netip.Addr, on func(Reading)) (Report, error) {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()

	a := asker{host: host, addr: addr, ports: c.Ports, connect: c.Dial, now: steady(c.Clock)}
	if a.connect == nil {
		a.connect = new(net.Dialer).DialContext
	}
	sources := slices.DeleteFunc(a.sources(c.NTP), func(s source) bool {
		return c.Only != nil && s.of == Server && !slices.Contains(c.Only, s.name)
	})
	report := Report{Schema: 1, Host: host, Address: addr.String(), Local: LocalClock{Time: a.now()}}
	report.Sources = make([]Reading, len(sources))
	answered, rough := make(chan int), make(chan Reading)
	a.rough = func(r Reading) { rough <- r }
	for n, s := range sources {
		go func() {
			report.Sources[n] = s.read(ctx)
			answered <- n
		}()
	}
	// Every source ends with ctx, so that all of them are waited for.
	for left := len(sources); left > 0; {
		select {
		case r := <-rough:
			if c.Rough != nil {
				c.Rough(r)
			}
		case n := <-answered:
			if left--; on != nil {
				on(report.Sources[n])
			}
		}
	}
	report.vote()
	return report, context.Cause(outer)
}

// steady returns a clock that starts with another one and follows the monotonic
// clock: a step of this machine's clock would make every reading wrong.
func steady(clock knock.Clock) knock.Clock {
	start, base := time.Now(), clock.Now().Round(0)
	return func() time.Time { return base.Add(time.Since(start)) }
}

// asker asks the sources of one host.
type asker struct {
	host    string
	addr    netip.Addr
	ports   Ports
	now     knock.Clock
	connect func(ctx context.Context, network, address string) (net.Conn, error)
	rough   func(Reading) // see [Clocks.Rough]
}

// source is one clock to ask. ask returns the offsets that the answer allows,
// and a note on them.
type source struct {
	name   string
	of     Side
	period time.Duration
	ask    func(context.Context) (Interval, string, error)
}

// read asks the source.
func (s source) read(ctx context.Context) Reading {
	start := time.Now()
	r := Reading{Name: s.name, Of: s.of, period: s.period}
	i, note, err := s.ask(ctx)
	if err == nil {
		err = believable(i)
	}
	if r.Err = explain(ctx, err); r.Err == nil {
		r.Offset, r.Uncertainty, r.Note = i.Middle(), i.HalfWidth(), note
	}
	r.Elapsed = time.Since(start)
	return r
}

// sources lists the sources, local NTP servers first.
func (a *asker) sources(local []string) []source {
	var all []source
	for _, name := range local {
		all = append(all, source{name: SourceNTP + " " + knock.Clean(name, 80), of: Local, ask: func(ctx context.Context) (Interval, string, error) { return a.localNTP(ctx, name) }})
	}
	return append(all,
		source{name: SourceHTTP, of: Server, ask: func(ctx context.Context) (Interval, string, error) { return a.web(ctx, SourceHTTP) }},
		source{name: SourceHTTPS, of: Server, ask: func(ctx context.Context) (Interval, string, error) { return a.web(ctx, SourceHTTPS) }},
		source{name: SourceNTP, of: Server, ask: a.serverNTP},
		source{name: SourceSMTP, of: Server, ask: a.smtp},
		source{name: SourceDaytime, of: Server, ask: a.daytime},
		source{name: SourceTime, of: Server, ask: a.time37},
		source{name: SourceICMP, of: Server, period: day, ask: a.icmp},
	)
}

// address is where the host's service for a source listens.
func (a *asker) address(source string) netip.AddrPort {
	return netip.AddrPortFrom(a.addr, cmp.Or(a.ports[source], usualPorts[source]))
}

// withinSecond returns the offsets that a time in whole seconds allows, if it was
// written between two times of this machine.
func withinSecond(told, from, to time.Time) Interval {
	return Interval{told.Sub(to), told.Add(time.Second + coarse).Sub(from)}
}

// coarse is how far the time in an answer may lag behind the server's clock:
// time(2) on Linux returns the time of the last timer tick, at most 10 ms ago.
const coarse = 10 * time.Millisecond

// dial connects. The end of ctx ends every wait for the connection.
func (a *asker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := a.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return endWith(ctx, conn), nil
}

// endWith makes the end of ctx end every wait for conn.
func endWith(ctx context.Context, conn net.Conn) net.Conn {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Unix(1, 0)) // a connection without deadlines ends by itself
		close(ended)
	})
	return &boundConn{conn, stop, ended}
}

// boundConn is a connection that waits no longer than its context.
type boundConn struct {
	net.Conn
	stop  func() bool
	ended chan struct{}
}

// Close closes the connection, and waits for its goroutine.
func (b *boundConn) Close() error {
	if !b.stop() {
		<-b.ended
	}
	return b.Conn.Close()
}

// Deadlines other than the context's are ignored: the NTP client and TLS set their
// own, which would replace it.
func (b *boundConn) SetDeadline(time.Time) error      { return nil }
func (b *boundConn) SetReadDeadline(time.Time) error  { return nil }
func (b *boundConn) SetWriteDeadline(time.Time) error { return nil }

// believable fails for offsets that no clock has, and whose sums overflow.
func believable(i Interval) error {
	const maxOffset = 150 * 365 * day
	if i.Low < -maxOffset || i.High > maxOffset {
		return fmt.Errorf("its time is more than %d years from this machine's", maxOffset/(365*day))
	}
	return nil
}

// explain returns an error that says in a few words why a source did not answer.
func explain(ctx context.Context, err error) error {
	var timeout net.Error
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case err == nil, errors.Is(err, ErrNeedsRoot):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Cause(ctx)
	case errors.As(err, &dns) && dns.IsNotFound:
		return errors.New("no such host")
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ErrNoAnswer
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaRefused):
		return ErrRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, wsaNetUnreachable), errors.Is(err, wsaHostUnreachable):
		return ErrUnreachable
	case errors.Is(err, fs.ErrPermission):
		return errors.New("a firewall on this machine forbids it")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, wsaReset):
		return errors.New("closed without an answer")
	case errors.As(err, &op): // the last part says what: dial tcp 192.0.2.7:80: socket: too many open files
		return cleaned(op.Err)
	}
	return cleaned(err)
}

// The numbers of winsock: package syscall's own are not what connections fail
// with on Windows. Elsewhere no error has them.
const (
	wsaAccess          = syscall.Errno(10013)
	wsaNetUnreachable  = syscall.Errno(10051)
	wsaReset           = syscall.Errno(10054)
	wsaRefused         = syscall.Errno(10061)
	wsaHostUnreachable = syscall.Errno(10065)
)

// cleaned makes an error one safe line: some quote what a server sent.
func cleaned(err error) error {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	if clean := knock.Clean(text, 200); clean != err.Error() {
		return fmt.Errorf("%s", clean)
	}
	return err
}
