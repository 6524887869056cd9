//go:build !linux

package demo

import (
	"errors"
	"net"
	"time"
)

// hold is how long knocks are gathered. Clients send a handshake within about
// 4 ms, and the goroutines that accept run a little late.
const hold = 10 * time.Millisecond

// arrivals accepts connections on many ports, each by a goroutine of its own.
// Which of these runs first is chance, so that of knocks that come within hold
// the order is not known.
type arrivals struct {
	accepted chan arrival
	closed   chan struct{}
}

func newArrivals() (*arrivals, error) {
	return &arrivals{make(chan arrival), make(chan struct{})}, nil
}

// add accepts what comes to port by l from now on, until l is closed.
func (a *arrivals) add(port uint16, l *net.TCPListener) error {
	go func() {
		for {
			c, err := l.AcceptTCP()
			switch {
			case err == nil:
				addr := remote(c)
				_ = c.Close()
				if !a.hand(arrival{addr, port}) {
					return
				}
			case errors.Is(err, net.ErrClosed):
				return
			default:
				time.Sleep(backOff)
			}
		}
	}()
	return nil
}

func (a *arrivals) hand(k arrival) bool {
	select {
	case a.accepted <- k:
		return true
	case <-a.closed:
		return false
	}
}

// wait returns the next knocks; its error is that of a closed set.
func (a *arrivals) wait() (batch, error) {
	var b batch
	var over <-chan time.Time
	for {
		select {
		case k := <-a.accepted:
			if b.late = append(b.late, k); over == nil {
				over = time.After(hold)
			}
		case <-over:
			return b, nil
		case <-a.closed:
			return batch{}, net.ErrClosed
		}
	}
}

// close ends wait.
func (a *arrivals) close() { close(a.closed) }
