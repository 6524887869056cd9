package clock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"rapport/knock"
)

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
		return errors.New("unreachable")
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
