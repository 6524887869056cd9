package knock

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultSSHPort is the SSH port of a host that names none.
const DefaultSSHPort = 22

// maxHost bounds a host's name, in bytes: that of a domain name (RFC 1035).
const maxHost = 255

// CheckHost reports why s cannot be a host's name or address: it must be 1 to
// 255 printable bytes of UTF-8 without white space, and not start with '-',
// which ssh and others would take for an option.
func CheckHost(s string) error {
	switch {
	case s == "":
		return errors.New("a host's name is empty")
	case len(s) > maxHost:
		return fmt.Errorf("host name %s has %d bytes, at most %d are taken", Quote(s), len(s), maxHost)
	case !utf8.ValidString(s):
		return fmt.Errorf("host name %s is not valid UTF-8", Quote(s))
	case strings.HasPrefix(s, "-"):
		return fmt.Errorf("host name %s starts with '-', as options do", Quote(s))
	}
	for _, c := range s {
		switch {
		case unicode.IsSpace(c):
			return fmt.Errorf("host name %s holds white space", Quote(s))
		case !unicode.IsPrint(c):
			return fmt.Errorf("host name %s holds a character that does not print", Quote(s))
		}
	}
	return nil
}
