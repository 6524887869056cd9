//go:build !linux

package demo

import (
	"errors"
	"net"
	"time"
)

// gatherTime is how long knocks are gathered. Clients send a handshake within about
// 4 ms, and the accepting goroutines run a little late.
const gatherTime = 10 * time.Millisecond

// arrivals accepts connections on many ports, with a goroutine for each. Which runs
// first is chance, so that the order of knocks within gatherTime is not known.
type arrivals struct {
	accepted chan arrival
	closed   chan struct{}
}

func newArrivals() (*arrivals, error) {
	return &arrivals{make(chan arrival), make(chan struct{})}, nil
}

// add accepts connections to port by l, until l is closed.
func (a *arrivals) add(port uint16, l *net.TCPListener) error {
	go func() {
		for {
			c, err := l.AcceptTCP()
			switch {
			case err == nil:
				addr := remote(c)
				_ = c.Close()
				select {
				case a.accepted <- arrival{addr, port}:
				case <-a.closed:
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

// wait returns the next knocks, or an error once the set is closed.
func (a *arrivals) wait() (batch, error) {
	var b batch
	var over <-chan time.Time
	for {
		select {
		case k := <-a.accepted:
			if b.late = append(b.late, k); over == nil {
				over = time.After(gatherTime)
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
