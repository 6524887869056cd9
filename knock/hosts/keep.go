package hosts

import (
	"fmt"
	"io"
	"os"
	"strings"

	"rapport/knock"
)

// Where Keep puts a secret.
const (
	InFile    = "file"    // NAME.secret beside the hosts file, readable by the user alone
	InKeyring = "keyring" // the Secret Service, Keychain or Credential Manager
)

// WithoutSecret returns h without any place for its secret.
func (h Host) WithoutSecret() Host {
	h.SecretCommand, h.SecretFile, h.Keyring, h.Secret = nil, "", false, knock.Secret{}
	return h
}

// SecretSource says in one word where the secret is kept: command, keyring,
// file, inline or none.
func (h Host) SecretSource() string {
	switch {
	case len(h.SecretCommand) > 0:
		return "command"
	case h.Keyring:
		return "keyring"
	case h.SecretFile != "":
		return "file"
	case !h.Secret.IsZero():
		return "inline"
	}
	return "none"
}

// Keep writes the entry h to the hosts file at path: a new one, or in the place
// of old. A secret that is not zero is kept as keep says, and the entry refers
// to it. It wraps ErrExists where a new entry's name is taken, and touches
// nothing then.
func Keep(path string, h Host, secret knock.Secret, keep string, old *Host) error {
	if keep != InFile && keep != InKeyring {
		return fmt.Errorf("a secret is kept in a %s or the %s, not in %s", InFile, InKeyring, quote(keep))
	}
	return Update(path, func(e *Editor) (err error) {
		if !secret.IsZero() {
			// A name that is taken must not lose its secret to this one.
			if _, taken := e.Host(h.Name); taken && (old == nil || !strings.EqualFold(old.Name, h.Name)) {
				return e.Add(h)
			}
			if h, err = h.withSecretIn(path, keep, secret); err != nil {
				return err
			}
		}
		switch {
		case old == nil:
			return e.Add(h)
		case old.Name == h.Name:
			return e.Replace(h)
		}
		if err := e.Remove(old.Name); err != nil {
			return err
		}
		return e.Add(h)
	})
}

// withSecretIn keeps the secret where keep says, and refers to it.
func (h Host) withSecretIn(path, keep string, secret knock.Secret) (_ Host, err error) {
	h = h.WithoutSecret()
	if keep == InKeyring {
		h.Keyring = true
		return h, SaveKeyring(h.Name, secret)
	}
	h.SecretFile, err = SaveSecretFile(path, h.Name, secret)
	return h, err
}

// Find returns what is known of name: its entry in the file; else the one entry
// whose address it is, as ssh's %h may give it; else what the ssh configuration
// at sshConfig says; else an entry with the usual values.
func (f File) Find(name, sshConfig string) Host {
	if h, ok := f.Host(name); ok {
		return h
	}
	var found []Host
	for _, h := range f.Hosts() {
		if h.Address == name {
			found = append(found, h)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	h := NewHost(name)
	if address, port, ok, err := FromSSHConfig(sshConfig, name); err == nil && ok {
		if address != name {
			h.Address = address
		}
		if port != 0 {
			h.SSHPort = port
		}
	}
	return h
}

// maxScript bounds an old script, in bytes.
const maxScript = 1 << 20

// ReadScript reads an old script from a file, or from standard input where path
// is "-". See ParseScript.
func ReadScript(path string) (Script, error) {
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return Script{}, fmt.Errorf("cannot read script %s: %w", quotePath(path), plain(err))
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxScript+1))
	if err != nil {
		return Script{}, fmt.Errorf("cannot read script %s: %w", quotePath(path), plain(err))
	}
	return ParseScript(text)
}
