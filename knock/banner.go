package knock

import (
	"bytes"
	"net"
	"strings"
	"time"
)

const (
	// maxBanner is the most that is ever read: RFC 4253, section 4.2, limits the
	// identification string to 255 bytes.
	maxBanner = 255
	// chatter is how long a server that greeted with something else may take to
	// come to its SSH- line, which RFC 4253 lets it do.
	chatter = 700 * time.Millisecond
)

// readBanner waits until deadline for the first lines that the server says, and
// judges them. They stay unread where the platform can peek, so that the
// connection can be handed on whole; else the returned connection gives them
// again.
func readBanner(c net.Conn, deadline time.Time) (state SSHState, text string, whole net.Conn) {
	var seen []byte
	state = SSHSilent
	whole, ended := c, false
	for !ended && state != SSHOpen && state != SSHRefusing && len(seen) < maxBanner {
		var next []byte
		next, whole, ended = peek(whole, len(seen), deadline)
		if len(next) > len(seen) {
			seen = next
			was := state
			state, _ = judge(seen, false)
			if state == SSHNotSSH && was != SSHNotSSH {
				if soon := time.Now().Add(chatter); soon.Before(deadline) {
					deadline = soon
				}
			}
		}
	}
	state, text = judge(seen, true)
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
		s := clean(string(bytes.TrimRight(line, "\r\n")), maxBanner)
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
