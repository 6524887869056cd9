package knock

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	// maxBanner is the most that is ever read: RFC 4253, section 4.2, limits the
	// identification string to 255 bytes.
	maxBanner = 255
	// chatter is how long a server that has begun to speak may take to go on: to
	// finish its line, or to come to the SSH- line after others, which RFC 4253
	// lets it send first.
	chatter = time.Second
)

// reader reads the banner of one connection.
type reader struct {
	conn net.Conn
	mu   sync.Mutex
	end  time.Time // the deadline in force
	over bool      // the connection is no longer the reader's
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

// banner waits until deadline, or until expires ends it, for the first lines
// that the server says, and judges them. They stay unread where the platform
// can peek, so that the connection can be handed on whole; else the returned
// connection gives them again.
func (r *reader) banner(deadline time.Time) (state SSHState, text string, whole net.Conn) {
	r.expires(deadline)
	var seen []byte
	whole, ended := r.conn, false
	for state = SSHSilent; !ended && state != SSHOpen && state != SSHRefusing && len(seen) < maxBanner; {
		var next []byte
		next, whole, ended = peek(whole, len(seen))
		if len(next) > len(seen) {
			seen = next
			state, _ = judge(seen, false)
			r.expires(time.Now().Add(chatter))
		}
	}
	state, text = judge(seen, true)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	_ = whole.SetDeadline(time.Time{})
	return state, text, whole
}

// judge says what the bytes read so far mean. Until last, a line without its
// end decides nothing.
func judge(seen []byte, last bool) (SSHState, string) {
	state, text := SSHSilent, ""
	for line := range bytes.Lines(seen) {
		if !last && line[len(line)-1] != '\n' {
			break
		}
		s := Clean(string(bytes.TrimRight(line, "\r\n")), maxBanner)
		switch {
		case strings.HasPrefix(s, "SSH-"):
			return SSHOpen, s
		case strings.HasPrefix(s, "Not allowed at this time"), // OpenSSH 9.8 on: PerSourcePenalties
			strings.HasPrefix(s, "Exceeded MaxStartups"): // OpenSSH to 9.7
			return SSHRefusing, s
		case s == "" || strings.HasPrefix("SSH-", s): // nothing said, or cut off within the word
		case text == "":
			state, text = SSHNotSSH, s
		}
	}
	return state, text
}
