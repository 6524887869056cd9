package proxy

import (
	"fmt"
	"net"
	"os"
)

// PassTo fails with ErrNoFdpass: Windows cannot pass a socket to ssh.
func PassTo(*os.File, net.Conn) error {
	return fmt.Errorf("%w: Windows does not support it", ErrNoFdpass)
}
