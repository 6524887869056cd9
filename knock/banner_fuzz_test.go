//go:build unix

package knock

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
)

// FuzzBanner: any bytes from a server give a bounded, printable result, more of
// them do not change a decision, and the connection still reads every byte.
func FuzzBanner(f *testing.F) {
	for _, s := range []string{
		"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n", "hello\r\nSSH-2.0-x\r\n", "Not allowed at this time\r\n",
		"Exceeded MaxStartups\r\n", "220 mail ESMTP\r\n", "SS", "\n\n\r\n", "SSH-\x1b]0;owned\a\u009b31m\u202e\xff\n", "SSH-" + strings.Repeat("x", 300),
		strings.Repeat("Welcome\r\n", 500) + "SSH-2.0-x\r\n", strings.Repeat("Welcome\r\n", 1000) + "SSH-2.0-x\r\n",
	} {
		f.Add([]byte(s), 7)
	}
	f.Fuzz(func(t *testing.T, said []byte, cut int) {
		if len(said) > 2*maxGreeting { // a socket's buffer takes no more
			return
		}
		state, text := judge(said[:min(len(said), maxGreeting)], true)
		if (text == "") != (state == SSHSilent) || (state == SSHOpen) != strings.HasPrefix(text, "SSH-") || len([]rune(text)) > maxBanner {
			t.Errorf("%q is %s %q", said, state, text)
		}
		ssh := SSH{State: state, Banner: text}
		shown, err := json.Marshal(ProbeReport{SSH: ssh})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{text, ssh.Summary(), Report{SSH: ssh}.Summary(), string(shown)} {
			if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Errorf("%q does not print", s)
			}
		}
		if early, _ := judge(said[:min(max(cut, 0), len(said))], false); early == SSHOpen || early == SSHRefusing {
			if late, _ := judge(said, true); late != early {
				t.Errorf("%q is %s after %d bytes and %s in the end", said, early, cut, late)
			}
		}
		// Text that only its end decides has to be waited for, which is too slow.
		if early, _ := judge(said, false); len(said) > 0 && len(said) < maxGreeting && early != SSHOpen && early != SSHRefusing {
			return
		}
		conn := saying(t, said)
		defer conn.Close()
		r := reader{conn: conn}
		g := r.read(time.Now().Add(time.Minute))
		if g.state != state || g.text != text {
			t.Errorf("%q is %s %q, read it is %s %q", said, state, text, g.state, g.text)
		}
		if got, err := io.ReadAll(g.conn); err != nil || !bytes.Equal(got, said) {
			t.Errorf("the connection gives %q, %v, of %q", got, err, said)
		}
	})
}

// saying returns a connection whose other end has sent something and closed.
func saying(t *testing.T, said []byte) net.Conn {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Write(fds[1], said); err != nil {
		t.Fatal(err)
	}
	syscall.Close(fds[1])
	file := os.NewFile(uintptr(fds[0]), "server")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
