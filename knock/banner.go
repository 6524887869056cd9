package knock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	// maxBanner is the most of a line that is kept: RFC 4253, section 4.2, limits the
	// identification string to 255 bytes.
	maxBanner = 255
	// maxGreeting is the most that is ever read: the same section sets no limit to the
	// lines before that string.
	maxGreeting = 8 << 10
	// bannerLineTimeout is how long a server may take from its first bytes on: to finish
	// a line, or to send the SSH- line after the others.
	bannerLineTimeout = time.Second
)

// reader reads the banner of one connection.
type reader struct {
	conn net.Conn
	mu   sync.Mutex
	end  time.Time // the deadline in force
	over bool      // the reader has returned the connection
}

// expires brings the deadline forward to t.
func (r *reader) expires(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over && (r.end.IsZero() || t.Before(r.end)) {
		r.end = t
		_ = r.conn.SetReadDeadline(t)
	}
}

// greeting is what the server sent first.
type greeting struct {
	state SSHState // SSHSilent, SSHOpen, SSHRefusing or SSHNotSSH
	text  string
	shut  bool     // the server ended the connection, without a word
	conn  net.Conn // reads everything from the first byte on
}

// read waits for the first lines that the server sends and classifies them. It
// ends at deadline, or earlier when expires says so. Where the platform can peek,
// the lines stay in the socket; elsewhere the returned connection reads them
// again.
func (r *reader) read(deadline time.Time) greeting {
	r.expires(deadline)
	var seen []byte
	whole, end := r.conn, error(nil)
	for state := SSHSilent; end == nil && state != SSHOpen && state != SSHRefusing && len(seen) < maxGreeting; {
		var next []byte
		next, whole, end = peek(whole, len(seen))
		if len(next) > len(seen) {
			seen = next
			state, _ = judge(seen, false)
			r.expires(time.Now().Add(bannerLineTimeout))
		}
	}
	state, text := judge(seen, true)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	_ = whole.SetDeadline(time.Time{})
	return greeting{state, text, len(seen) == 0 && errors.Is(end, io.EOF), whole}
}

// judge says what the bytes read so far mean. An unfinished line counts only if it is
// too long, or last is set: nothing will follow.
func judge(seen []byte, last bool) (SSHState, string) {
	state, text := SSHSilent, ""
	for line := range bytes.Lines(seen) {
		if !last && line[len(line)-1] != '\n' && len(line) < maxBanner {
			break
		}
		s := Clean(string(bytes.TrimRight(line[:min(len(line), maxBanner)], "\r\n")), maxBanner)
		switch {
		case strings.HasPrefix(s, "SSH-"):
			return SSHOpen, s
		case strings.HasPrefix(s, "Not allowed at this time"), // OpenSSH 9.8 on: PerSourcePenalties
			strings.HasPrefix(s, "Exceeded MaxStartups"): // OpenSSH to 9.7
			return SSHRefusing, s
		case s == "" || strings.HasPrefix("SSH-", s): // empty, or cut off inside the prefix
		case text == "":
			state, text = SSHNotSSH, s
		}
	}
	return state, text
}
