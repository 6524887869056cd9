package knock

import (
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
	"unique"
)

// maxSecret bounds a secret, in bytes.
const maxSecret = 512

// ErrSecret is wrapped by every error of [ParseSecret].
var ErrSecret = errors.New("this secret cannot be used")

// Secret is the seed text that client and server share. It never prints itself: fmt,
// encoders and loggers show a placeholder, also for an unexported field, since the
// text is behind a handle. Secrets compare with ==. The zero Secret is no secret.
type Secret struct {
	text unique.Handle[string]
}

// ParseSecret returns the secret with the text s, unchanged. It refuses texts that the
// article's shell line date +%Y-%m-%d-%H-$secret would change, for white space, '%' or
// NUL, and invisible characters, such as a byte order mark, which the other side is
// unlikely to have. The error names the reason and never the text, and wraps
// [ErrSecret]. The caller removes the newline that ends a file.
func ParseSecret(s string) (Secret, error) {
	switch {
	case s == "":
		return Secret{}, fmt.Errorf("%w: it is empty", ErrSecret)
	case len(s) > maxSecret:
		return Secret{}, fmt.Errorf("%w: it has %d bytes, at most %d are taken", ErrSecret, len(s), maxSecret)
	case !utf8.ValidString(s):
		return Secret{}, fmt.Errorf("%w: it is not valid UTF-8", ErrSecret)
	}
	for _, c := range s {
		switch {
		case c == '\n':
			return Secret{}, fmt.Errorf("%w: it holds a newline, which the server's shell would turn into a space", ErrSecret)
		case c == '%':
			return Secret{}, fmt.Errorf("%w: it holds a %%, which the server's date command would take for a format", ErrSecret)
		case unicode.IsSpace(c):
			return Secret{}, fmt.Errorf("%w: it holds white space, at which the server's shell would cut it", ErrSecret)
		case unicode.IsControl(c):
			return Secret{}, fmt.Errorf("%w: it holds a control character", ErrSecret)
		case IsUnseen(c):
			return Secret{}, fmt.Errorf("%w: it holds a character that nobody sees (%U)", ErrSecret, c)
		}
	}
	return Secret{unique.Make(s)}, nil
}

// IsUnseen reports whether c is invisible in a text: white space, control and
// format characters, and those that fonts do not draw (Unicode's
// Default_Ignorable_Code_Point), such as U+200B, U+3164 and U+FE0F.
func IsUnseen(c rune) bool {
	return unicode.IsSpace(c) || unicode.IsControl(c) ||
		unicode.In(c, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// IsZero reports whether s is the zero Secret.
func (s Secret) IsZero() bool { return s == Secret{} }

// Reveal returns the text, for the derivation and for the places in which the
// user asked to store it. It is "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.text.Value()
}

// String returns a placeholder.
func (s Secret) String() string { return "(secret)" }

// Format implements [fmt.Formatter] with the placeholder, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements [encoding.TextMarshaler] with the placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
