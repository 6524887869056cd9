package knock

import (
	"net"
)

// replayed is a connection whose first bytes were read ahead and are read again.
type replayed struct {
	net.Conn
	first []byte
}

// Read reads the bytes read ahead, then the connection.
func (r *replayed) Read(b []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(b, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// peek returns the bytes read ahead so far, with more than had of them unless
// the connection ended or its deadline came. Go's poller cannot peek on Windows,
// so the bytes are stored.
func peek(c net.Conn, had int) (seen []byte, whole net.Conn, ended bool) {
	r, ok := c.(*replayed)
	if !ok {
		r = &replayed{Conn: c}
	}
	buf := make([]byte, maxBanner-had)
	n, err := r.Conn.Read(buf)
	r.first = append(r.first, buf[:n]...)
	return r.first, r, err != nil
}
