package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// ErrNoFdpass says that a connection cannot be handed over to ssh here.
var ErrNoFdpass = errors.New("cannot hand the connection over")

// PassTo fails with ErrNoFdpass: Windows has no way to hand a socket over to ssh.
func PassTo(*os.File, net.Conn) error {
	return fmt.Errorf("%w: Windows has no way to", ErrNoFdpass)
}
