package hostlist

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/sshconfig"
	"rapport/knock/phrase"
)

// The fields of the form, from top to bottom.
const (
	fieldName = iota
	fieldAddress
	fieldPort
	fieldRange
	fieldSecret
	fieldStore
	fieldFile
	fieldFamily
	fieldSkew
	fieldWindow
	fieldNTP
	fieldTags
	fieldStrict
	fieldGap
	fieldGuard
	fieldCount
)

// field is one line of the form.
type field struct {
	label, usual, about string
	choices             []string // nil: it is text
	text                func(h hosts.Host) string
	read                func(h *hosts.Host, text string) error // nil: not a part of the entry alone
}

// fields are the fields of the form, by their constants.
func fields() [fieldCount]field {
	return [fieldCount]field{
		fieldName: {label: "name", about: "what you call the server; rapport NAME opens it",
			text: func(h hosts.Host) string { return h.Name }, read: readName},
		fieldAddress: {label: "address", usual: "the name itself", about: "its host name or IP address",
			text: func(h hosts.Host) string { return h.Address }, read: func(h *hosts.Host, s string) error { h.Address = s; return nil }},
		fieldPort: {label: "ssh port", usual: "22", about: "where sshd listens behind the gate",
			text: func(h hosts.Host) string { return strconv.Itoa(h.SSHPort) }, read: readPort},
		fieldRange: {label: "range", usual: knock.DefaultRange.String(), about: "the ports that sequences are drawn from, as in the server's rules",
			text: func(h hosts.Host) string { return h.Range.String() }, read: readRange},
		fieldSecret: {label: "secret", usual: "ctrl+g makes a strong one", about: "the server has the same one; it is never shown"},
		fieldStore: {label: "store it in", about: "a file for you alone beside the hosts file, or the keyring",
			choices: []string{string(hosts.InFile), string(hosts.InKeyring)}, text: func(h hosts.Host) string { return string(h.Secret.Source()) }},
		fieldFile:   {label: "secret file", usual: "in place of a secret above", about: "a file of your own that holds the secret; tab completes the path"},
		fieldFamily: {label: "IP family", about: "4 or 6 where only one of them passes the gate", choices: []string{"auto", "4", "6"}, text: func(h hosts.Host) string { return string(h.Family) }, read: readFamily},
		fieldSkew: {label: "skew", usual: "0s", about: "the server's clock minus this machine's: 41m, -3h",
			text: func(h hosts.Host) string { return span(h.Skew, 0) }, read: readSpan("skew", func(h *hosts.Host) *time.Duration { return &h.Skew }, 0)},
		fieldWindow: {label: "window", usual: "5s", about: "how long each phase, and at the end SSH, stays open",
			text: func(h hosts.Host) string { return span(h.Window, knock.DefaultWindow) }, read: readSpan("window", func(h *hosts.Host) *time.Duration { return &h.Window }, knock.DefaultWindow)},
		fieldNTP: {label: "NTP", usual: "none is asked", about: "servers to ask for this machine's clock, with spaces between",
			text: func(h hosts.Host) string { return strings.Join(h.NTP, " ") }, read: func(h *hosts.Host, s string) error { h.NTP = words(s); return nil }},
		fieldTags: {label: "tags", usual: "none", about: "words that name servers which belong together, with spaces between",
			text: func(h hosts.Host) string { return strings.Join(h.Tags, " ") }, read: readTags},
		fieldStrict: {label: "strict gate", about: "yes where a wrong or repeated knock makes the gate start over", choices: []string{"no", "yes"},
			text: func(h hosts.Host) string { return map[bool]string{true: "yes", false: "no"}[h.Strict] }, read: func(h *hosts.Host, s string) error { h.Strict = s == "yes"; return nil }},
		fieldGap: {label: "gap", usual: "the plan chooses", about: "between two knocks, where the gate or the way limits SYNs: 200ms",
			text: func(h hosts.Host) string { return span(h.Gap, 0) }, read: readSpan("gap", func(h *hosts.Host) *time.Duration { return &h.Gap }, 0)},
		fieldGuard: {label: "sweep guard", usual: "not known", about: "how many wrong ports a minute the gate forgives",
			text: func(h hosts.Host) string { return number(h.SweepGuard) }, read: readGuard},
	}
}

func readName(h *hosts.Host, s string) error {
	if h.Name = s; s == "" {
		return errors.New("give the server a name")
	}
	return nil
}

func readPort(h *hosts.Host, s string) (err error) {
	if h.SSHPort, err = strconv.Atoi(s); err != nil || h.SSHPort < 1 || h.SSHPort > 65535 {
		return fmt.Errorf("port %q is not within 1-65535", s)
	}
	return nil
}

func readRange(h *hosts.Host, s string) (err error) {
	h.Range, err = knock.ParseRange(s)
	return err
}

func readFamily(h *hosts.Host, s string) (err error) {
	h.Family, err = knock.ParseFamily(s)
	return err
}

func readTags(h *hosts.Host, s string) error {
	h.Tags = words(s)
	return hosts.CheckTags(h.Tags)
}

func readGuard(h *hosts.Host, s string) (err error) {
	if h.SweepGuard = 0; s == "" {
		return nil
	}
	if h.SweepGuard, err = strconv.Atoi(s); err != nil || h.SweepGuard < 0 {
		return fmt.Errorf("sweep guard %s is not a number of wrong ports", knock.Quote(s))
	}
	return nil
}

// readSpan reads a time; an empty field is the usual one.
func readSpan(what string, at func(*hosts.Host) *time.Duration, usual time.Duration) func(*hosts.Host, string) error {
	return func(h *hosts.Host, s string) (err error) {
		if *at(h) = usual; s == "" {
			return nil
		}
		if *at(h), err = time.ParseDuration(s); err != nil {
			return fmt.Errorf("%s %s is not a time like 5s, 41m or -3h", what, knock.Quote(s))
		}
		return nil
	}
}

// span writes a time, the usual one as nothing.
func span(d, usual time.Duration) string {
	if d == usual {
		return ""
	}
	return phrase.Duration(d)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// words are what stands between spaces or commas.
func words(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ' ' || c == ',' || c == '\t' })
}

// formResult is what a completed form says.
type formResult struct {
	host   hosts.Host
	secret knock.Secret       // zero: left as it is
	store  hosts.SecretSource // empty: where it is
}

// complete returns what the form says; err is about field.
func (f *form) complete() (r formResult, at int, err error) {
	if f.old != nil {
		r.host = *f.old
	}
	for i, field := range fields() {
		if field.read != nil {
			if err := field.read(&r.host, f.value(i)); err != nil {
				return r, i, err
			}
		}
	}
	if path := f.value(fieldFile); path != "" && (f.old == nil || path != f.old.Secret.Path) {
		return f.withFile(r, path)
	}
	store := hosts.SecretSource(f.value(fieldStore))
	if f.old == nil || (store == hosts.InKeyring) != (f.old.Secret.Source() == hosts.InKeyring) {
		r.store = store
	}
	switch text := f.value(fieldSecret); {
	case text != "":
		r.secret, err = knock.ParseSecret(text)
	case f.old == nil:
		err = errors.New("type the secret, or press ctrl+g to make one")
	}
	return r, fieldSecret, err
}

// withFile makes the entry refer to a secret file of the user's own.
func (f *form) withFile(r formResult, path string) (formResult, int, error) {
	if f.value(fieldSecret) != "" {
		return r, fieldFile, errors.New("there is a secret above: clear one of the two")
	}
	full, err := sshconfig.ExpandHome(path)
	if err == nil {
		_, err = hosts.ReadSecretFile(full)
	}
	r.host.Secret = hosts.SecretRef{Path: path}
	return r, fieldFile, err
}

// apply makes the form's changes to an entry, and no others: the entry may have been
// changed elsewhere meanwhile.
func (r formResult) apply(now, old hosts.Host) hosts.Host {
	changed(&now.Name, old.Name, r.host.Name)
	changed(&now.Address, old.Address, r.host.Address)
	changed(&now.SSHPort, old.SSHPort, r.host.SSHPort)
	changed(&now.Range, old.Range, r.host.Range)
	changed(&now.Family, old.Family, r.host.Family)
	changed(&now.Skew, old.Skew, r.host.Skew)
	changed(&now.Window, old.Window, r.host.Window)
	changed(&now.Strict, old.Strict, r.host.Strict)
	changed(&now.Gap, old.Gap, r.host.Gap)
	changed(&now.SweepGuard, old.SweepGuard, r.host.SweepGuard)
	if !slices.Equal(old.NTP, r.host.NTP) {
		now.NTP = r.host.NTP
	}
	if !slices.Equal(old.Tags, r.host.Tags) {
		now.Tags = r.host.Tags
	}
	if !old.Secret.Equal(r.host.Secret) {
		now.Secret = r.host.Secret
	}
	return now
}

// changed sets now to what was typed, if that differs from what was there before.
func changed[T comparable](now *T, before, typed T) {
	if typed != before {
		*now = typed
	}
}
