package hosts

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"

	"rapport/knock"
	"rapport/knock/phrase"
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

// field is a key that sets one field of a host. read checks a value, and write
// turns it into TOML. The zero value and usual are defaults, which are not written.
func field[T comparable](name string, at func(*Host) *T, read func(value) (T, error), write func(T) string, usual T) key {
	return key{name, func(h *Host, v value) (err error) {
		*at(h), err = read(v)
		return err
	}, func(h Host) string {
		var zero T
		if x := *at(&h); x != zero && x != usual {
			return write(x)
		}
		return ""
	}}
}

// keys returns the keys of a host, in the order in which they are written.
func keys() []key {
	return []key{
		{"address", func(h *Host, v value) (err error) {
			if h.Address, err = v.text(); err == nil {
				err = knock.CheckHost(h.Address)
			}
			return err
		}, func(h Host) string {
			if h.Lookup() == h.Name {
				return ""
			}
			return tomlString(h.Address)
		}},
		field("ssh_port", func(h *Host) *int { return &h.SSHPort }, func(v value) (int, error) {
			n, err := v.integer()
			if err == nil && (n < 1 || n > 65535) {
				err = fmt.Errorf("ssh_port %d is not within 1-65535", n)
			}
			return n, err
		}, strconv.Itoa, knock.DefaultSSHPort),
		field("range", func(h *Host) *knock.Range { return &h.Range }, parsed(knock.ParseRange), func(r knock.Range) string { return tomlString(r.String()) }, knock.DefaultRange),
		field("family", func(h *Host) *knock.Family { return &h.Family }, parsed(knock.ParseFamily), func(f knock.Family) string { return tomlString(string(f)) }, knock.FamilyAuto),
		field("skew", func(h *Host) *time.Duration { return &h.Skew }, func(v value) (time.Duration, error) {
			d, err := v.duration()
			if err == nil && d.Abs() > MaxSkew {
				err = errors.New("skew is more than a century")
			}
			return d, err
		}, tomlDuration, 0),
		field("window", func(h *Host) *time.Duration { return &h.Window }, within(minWindow, maxWindow), tomlDuration, knock.DefaultWindow),
		{"ntp", func(h *Host, v value) (err error) {
			h.NTP, err = v.texts()
			for _, s := range h.NTP {
				err = cmp.Or(err, knock.CheckHost(s))
			}
			return err
		}, func(h Host) string { return tomlStrings(h.NTP) }},
		{"tags", func(h *Host, v value) (err error) {
			h.Tags, err = v.texts()
			return cmp.Or(err, CheckTags(h.Tags))
		}, func(h Host) string { return tomlStrings(h.Tags) }},
		field("strict", func(h *Host) *bool { return &h.Strict }, value.boolean, strconv.FormatBool, false),
		field("gap", func(h *Host) *time.Duration { return &h.Gap }, within(minGap, maxGap), tomlDuration, 0),
		field("sweep_guard", func(h *Host) *int { return &h.SweepGuard }, func(v value) (int, error) {
			n, err := v.integer()
			if err == nil && n < 0 {
				err = fmt.Errorf("sweep_guard %d is below 0", n)
			}
			return n, err
		}, strconv.Itoa, 0),
		{"secret_command", func(h *Host, v value) (err error) {
			h.Secret.Command, err = v.texts()
			if err == nil && (len(h.Secret.Command) == 0 || h.Secret.Command[0] == "") {
				err = errors.New("secret_command names no command")
			}
			return err
		}, func(h Host) string { return tomlStrings(h.Secret.Command) }},
		field("secret_file", func(h *Host) *string { return &h.Secret.Path }, value.path, tomlString, ""),
		field("keyring", func(h *Host) *bool { return &h.Secret.Keyring }, value.boolean, strconv.FormatBool, false),
		field("secret", func(h *Host) *knock.Secret { return &h.Secret.Inline }, parsed(knock.ParseSecret), func(s knock.Secret) string { return tomlString(s.Reveal()) }, knock.Secret{}),
	}
}

func parsed[T any](parse func(string) (T, error)) func(value) (T, error) {
	return func(v value) (x T, err error) {
		s, err := v.text()
		if err != nil {
			return x, err
		}
		return parse(s)
	}
}

// within reads a duration from low to high.
func within(low, high time.Duration) func(value) (time.Duration, error) {
	return func(v value) (time.Duration, error) {
		d, err := v.duration()
		if err == nil && (d < low || d > high) {
			err = fmt.Errorf("%s %s is not within %s to %s", v.key, phrase.Duration(d), phrase.Duration(low), phrase.Duration(high))
		}
		return d, err
	}
}

// value is the TOML value of a key. Its errors never show it: it may be a secret.
type value struct {
	key  string
	node *unstable.Node
}

func (v value) text() (string, error) {
	switch {
	case v.node.Kind != unstable.String:
		return "", fmt.Errorf("%s must be text in quotes", v.key)
	case len(v.node.Data) > maxText:
		return "", fmt.Errorf("%s has %d bytes, at most %d are allowed", v.key, len(v.node.Data), maxText)
	}
	return string(v.node.Data), nil
}

func (v value) path() (string, error) {
	path, err := v.text()
	if err == nil && (path == "" || strings.ContainsFunc(path, unicode.IsControl)) {
		err = fmt.Errorf("%s is not a path", v.key)
	}
	return path, err
}

func (v value) integer() (int, error) {
	if v.node.Kind != unstable.Integer {
		return 0, fmt.Errorf("%s must be a number without quotes", v.key)
	}
	n, err := strconv.ParseInt(string(v.node.Data), 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%s is too large a number", v.key)
	}
	return int(n), nil
}

func (v value) boolean() (bool, error) {
	if v.node.Kind != unstable.Bool {
		return false, fmt.Errorf("%s must be true or false, without quotes", v.key)
	}
	return string(v.node.Data) == "true", nil
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
	if v.node.Kind != unstable.Array {
		return nil, fmt.Errorf("%s must be a list of texts: [\"...\", \"...\"]", v.key)
	}
	var entries []value
	for children := v.node.Children(); children.Next(); {
		entries = append(entries, value{"each entry of " + v.key, children.Node()})
	}
	if len(entries) > maxList {
		return nil, fmt.Errorf("%s has %d entries, at most %d are allowed", v.key, len(entries), maxList)
	}
	var all []string
	for _, e := range entries {
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

func tomlString(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			b.WriteRune(c)
		}
	}
	return `"` + b.String() + `"`
}

func tomlDuration(d time.Duration) string { return tomlString(phrase.Duration(d)) }

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
	const bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if s != "" && strings.Trim(s, bare) == "" {
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
			d[i][j] = 1 + min(d[i-1][j], d[i][j-1], d[i-1][j-1])
			if a[i-1] == b[j-1] {
				d[i][j] = d[i-1][j-1]
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
