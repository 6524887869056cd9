package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// ErrNoFdpass says that the connection cannot be passed to ssh.
var ErrNoFdpass = errors.New("cannot pass the connection to ssh")

// PassTo fails with ErrNoFdpass: Windows cannot pass a socket to ssh.
func PassTo(*os.File, net.Conn) error {
	return fmt.Errorf("%w: Windows does not support it", ErrNoFdpass)
}
