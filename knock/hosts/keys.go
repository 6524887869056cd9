package hosts

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"rapport/knock"
)

// key is one key of a host in the hosts file.
type key struct {
	name string
	// set checks a value and puts it into h.
	set func(h *Host, v value) error
	// text is the value of h as TOML, or empty where it is the default.
	text func(h Host) string
}

// Limits of lists and texts in the hosts file: more is a mistake.
const (
	maxList = 64
	maxText = 4096
)

// keys returns the keys of a host, in the order in which they are written.
func keys() []key { return slices.Concat(serverKeys(), gateKeys(), secretKeys()) }

// serverKeys say where a server is.
func serverKeys() []key {
	return []key{
		{"address", func(h *Host, v value) (err error) {
			if h.Address, err = v.text(); err == nil {
				err = knock.CheckHost(h.Address)
			}
			return err
		}, func(h Host) string {
			if h.Address == "" || h.Address == h.Name {
				return ""
			}
			return tomlString(h.Address)
		}},
		{"ssh_port", func(h *Host, v value) (err error) {
			if h.SSHPort, err = v.integer(); err == nil && (h.SSHPort < 1 || h.SSHPort > 65535) {
				err = fmt.Errorf("ssh_port %d is not within 1-65535", h.SSHPort)
			}
			return err
		}, func(h Host) string {
			if h.SSHPort == 0 || h.SSHPort == knock.DefaultSSHPort {
				return ""
			}
			return strconv.Itoa(h.SSHPort)
		}},
		{"range", func(h *Host, v value) error {
			s, err := v.text()
			if err == nil {
				h.Range, err = knock.ParseRange(s)
			}
			return err
		}, func(h Host) string {
			if !h.Range.IsValid() || h.Range == knock.DefaultRange {
				return ""
			}
			return tomlString(h.Range.String())
		}},
		{"family", func(h *Host, v value) error {
			s, err := v.text()
			if err == nil {
				h.Family, err = knock.ParseFamily(s)
			}
			return err
		}, func(h Host) string {
			if h.Family == "" || h.Family == knock.FamilyAuto {
				return ""
			}
			return tomlString(string(h.Family))
		}},
		{"skew", func(h *Host, v value) (err error) {
			if h.Skew, err = v.duration(); err == nil && h.Skew.Abs() > MaxSkew {
				err = errors.New("skew is more than a century")
			}
			return err
		}, func(h Host) string {
			if h.Skew == 0 {
				return ""
			}
			return tomlString(knock.FormatDuration(h.Skew))
		}},
		{"window", func(h *Host, v value) (err error) {
			if h.Window, err = v.duration(); err == nil && (h.Window < minWindow || h.Window > maxWindow) {
				err = fmt.Errorf("window %v is not within %s to %s", h.Window, knock.FormatDuration(minWindow), knock.FormatDuration(maxWindow))
			}
			return err
		}, func(h Host) string {
			if h.Window == 0 || h.Window == knock.DefaultWindow {
				return ""
			}
			return tomlString(knock.FormatDuration(h.Window))
		}},
		{"ntp", func(h *Host, v value) (err error) {
			if h.NTP, err = v.texts(); err != nil {
				return err
			}
			for _, s := range h.NTP {
				if err := knock.CheckHost(s); err != nil {
					return err
				}
			}
			return nil
		}, func(h Host) string { return tomlStrings(h.NTP) }},
	}
}

// secretKeys say where the secret is.
func secretKeys() []key {
	return []key{
		{"secret_command", func(h *Host, v value) error {
			argv, err := v.texts()
			if err == nil && (len(argv) == 0 || argv[0] == "") {
				err = errors.New("secret_command names no command")
			}
			h.Secret = SecretCommand(argv...)
			return err
		}, func(h Host) string { return tomlStrings(h.Secret.command) }},
		{"secret_file", func(h *Host, v value) error {
			path, err := v.text()
			if err == nil && (path == "" || strings.ContainsFunc(path, unicode.IsControl)) {
				err = errors.New("secret_file is not a path")
			}
			h.Secret = SecretFile(path)
			return err
		}, func(h Host) string {
			if h.Secret.path == "" {
				return ""
			}
			return tomlString(h.Secret.path)
		}},
		{"keyring", func(h *Host, v value) error {
			on, err := v.boolean()
			if on {
				h.Secret = SecretKeyring()
			}
			return err
		}, func(h Host) string {
			if h.Secret.source != InKeyring {
				return ""
			}
			return "true"
		}},
		{"secret", func(h *Host, v value) error {
			s, err := v.text()
			if err != nil {
				return err
			}
			secret, err := knock.ParseSecret(s)
			h.Secret = InlineSecret(secret)
			return err
		}, func(h Host) string {
			if h.Secret.source != Inline {
				return ""
			}
			return tomlString(h.Secret.secret.Reveal())
		}},
	}
}

// gateKeys say how a server's gate differs from the usual one.
func gateKeys() []key {
	return []key{
		{"strict", func(h *Host, v value) (err error) {
			h.Strict, err = v.boolean()
			return err
		}, func(h Host) string {
			if !h.Strict {
				return ""
			}
			return "true"
		}},
		{"gap", func(h *Host, v value) (err error) {
			if h.Gap, err = v.duration(); err == nil && (h.Gap < minGap || h.Gap > maxGap) {
				err = fmt.Errorf("gap %v is not within %s to %s", h.Gap, knock.FormatDuration(minGap), knock.FormatDuration(maxGap))
			}
			return err
		}, func(h Host) string {
			if h.Gap == 0 {
				return ""
			}
			return tomlString(knock.FormatDuration(h.Gap))
		}},
		{"sweep_guard", func(h *Host, v value) (err error) {
			if h.SweepGuard, err = v.integer(); err == nil && h.SweepGuard < 0 {
				err = fmt.Errorf("sweep_guard %d is below 0", h.SweepGuard)
			}
			return err
		}, func(h Host) string {
			if h.SweepGuard == 0 {
				return ""
			}
			return strconv.Itoa(h.SweepGuard)
		}},
	}
}

// kind is what a TOML value is, as far as the hosts file needs it.
type kind int

const (
	otherKind kind = iota
	textKind
	integerKind
	boolKind
	listKind
)

// value is a TOML value. Its errors never show it: it may be a secret.
type value struct {
	key  string
	kind kind
	raw  string // decoded, for a text
	list []value
}

func (v value) text() (string, error) {
	switch {
	case v.kind != textKind:
		return "", fmt.Errorf("%s must be text in quotes", v.key)
	case len(v.raw) > maxText:
		return "", fmt.Errorf("%s has %d bytes, at most %d are allowed", v.key, len(v.raw), maxText)
	}
	return v.raw, nil
}

func (v value) integer() (int, error) {
	if v.kind != integerKind {
		return 0, fmt.Errorf("%s must be a number without quotes", v.key)
	}
	n, err := strconv.ParseInt(v.raw, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%s is too large a number", v.key)
	}
	return int(n), nil
}

func (v value) boolean() (bool, error) {
	if v.kind != boolKind {
		return false, fmt.Errorf("%s must be true or false, without quotes", v.key)
	}
	return v.raw == "true", nil
}

func (v value) duration() (time.Duration, error) {
	s, err := v.text()
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%s %s is not a time like 5s, 41m or -3h", v.key, knock.Quote(s))
	}
	return d, nil
}

func (v value) texts() ([]string, error) {
	if v.kind != listKind {
		return nil, fmt.Errorf("%s must be a list of texts: [\"...\", \"...\"]", v.key)
	}
	if len(v.list) > maxList {
		return nil, fmt.Errorf("%s has %d entries, at most %d are allowed", v.key, len(v.list), maxList)
	}
	var all []string
	for _, e := range v.list {
		e.key = "each entry of " + v.key
		s, err := e.text()
		if err != nil {
			return nil, err
		}
		if strings.ContainsRune(s, 0) {
			return nil, fmt.Errorf("an entry of %s holds a NUL", v.key)
		}
		all = append(all, s)
	}
	return all, nil
}

// tomlString writes a TOML basic string.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// tomlStrings writes a TOML array on one line, or nothing for an empty list.
func tomlStrings(all []string) string {
	if len(all) == 0 {
		return ""
	}
	var quoted []string
	for _, s := range all {
		quoted = append(quoted, tomlString(s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// tomlKey writes a key, in quotes where it needs them.
func tomlKey(s string) string {
	bare := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
	}
	if s != "" && strings.IndexFunc(s, func(c rune) bool { return !bare(c) }) < 0 {
		return s
	}
	return tomlString(s)
}

// nearest returns the word that s is a misspelling of, or nothing.
func nearest(s string, words []string) string {
	best, at := "", 3
	for _, w := range words {
		if d := distance(s, w); d < at && d < len(w) {
			best, at = w, d
		}
	}
	return best
}

// distance returns how many bytes of a to insert, delete, change or swap with their
// neighbour to get b, ignoring case. It compares at most 64 bytes.
func distance(a, b string) int {
	a, b = strings.ToLower(a[:min(len(a), 64)]), strings.ToLower(b[:min(len(b), 64)])
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
