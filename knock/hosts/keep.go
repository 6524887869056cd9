package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/hosts/legacy"
	"rapport/knock/hosts/sshconfig"
)

// Where a secret is kept.
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

// Add puts the entry h into the hosts file at path, and its secret, unless that
// is zero, where keep says, which is a file if empty. It returns the entry as it
// is then. It wraps ErrExists where the name is taken; nothing is touched then.
func Add(ctx context.Context, path string, h Host, secret knock.Secret, keep string) (Host, error) {
	err := write(ctx, path, h.Name, &h, secret, keep, func(e *Editor) error {
		if _, taken := e.Host(h.Name); taken {
			return e.Add(h)
		}
		return nil
	}, func(e *Editor) error { return e.Add(h) })
	return h, err
}

// Edit changes the entry of that name by a function, which gets it as it is at
// that moment and under the lock. A secret that is not zero takes the place of
// the old one. keep says where the secret, new or old, is to be kept; empty, it
// stays where it is. It returns the entry as it is then, and wraps ErrNoHost
// where there is none.
func Edit(ctx context.Context, path, name string, change func(Host) (Host, error), secret knock.Secret, keep string) (Host, error) {
	var old, h Host
	err := write(ctx, path, name, &h, secret, keep, func(e *Editor) (err error) {
		var ok bool
		if old, ok = e.Host(name); !ok {
			return e.Remove(name) // its error
		}
		h, err = change(old)
		return err
	}, func(e *Editor) error {
		if h.Name != old.Name {
			if err := e.Rename(old.Name, h.Name); err != nil {
				return err
			}
		}
		return e.Replace(h)
	})
	return h, err
}

// write updates the entry called name: prepare settles *h, place puts it there, and
// between the two its secret finds its place. A secret file is always a new
// one, so that until the hosts file refers to it, and if it never does, nothing
// is lost.
func write(ctx context.Context, path, name string, h *Host, secret knock.Secret, keep string, prepare, place func(*Editor) error) error {
	if keep != "" && keep != InFile && keep != InKeyring {
		return fmt.Errorf("a secret is kept in a %s or the %s, not in %s", InFile, InKeyring, knock.Quote(keep))
	}
	return Update(ctx, path, func(e *Editor) error {
		if err := prepare(e); err != nil {
			return err
		}
		before, known := e.Host(name)
		if !known {
			before = *h
		}
		source := before.SecretSource()
		moves := keep != "" && keep != source && source != "none"
		follows := source == InKeyring && h.Keyring && before.Name != h.Name
		if secret.IsZero() && (moves || follows) {
			if source == "command" {
				return fmt.Errorf("the secret of %s comes from its secret_command, and cannot be moved from there", knock.Quote(h.Name))
			}
			var err error
			if secret, err = before.ReadSecret(ctx); err != nil {
				return err
			}
		}
		if secret.IsZero() {
			return place(e)
		}
		if keep == "" {
			keep = source
		}
		*h = h.WithoutSecret()
		switch keep {
		case "inline":
			h.Secret = secret
			return place(e)
		case InKeyring:
			h.Keyring = true
			if err := place(e); err != nil {
				return err
			}
			return SaveKeyring(h.Name, secret)
		}
		file, err := SaveSecretFile(path, h.Name, secret)
		if err != nil {
			return err
		}
		h.SecretFile = file
		if err := place(e); err != nil {
			return errors.Join(err, os.Remove(file))
		}
		return nil
	})
}

// Find returns what is known of name: its entry in the file; else the one whose
// address it is, as ssh's %h may give it; else what the ssh configuration at
// sshConfig says; else an entry with the usual values. port, if not zero, tells
// entries with the same address apart.
func (f File) Find(name string, port int, sshConfig string) (Host, error) {
	if h, ok := f.Host(name); ok {
		return h.throughSSH(sshConfig), nil
	}
	var found []Host
	for _, h := range f.Hosts() {
		if h = h.throughSSH(sshConfig); sameAddress(h.Address, name) {
			found = append(found, h)
		}
	}
	if len(found) > 1 && port != 0 {
		found = slices.DeleteFunc(found, func(h Host) bool { return h.SSHPort != port })
	}
	switch len(found) {
	case 0:
		return NewHost(name).throughSSH(sshConfig), nil
	case 1:
		return found[0], nil
	}
	return Host{}, fmt.Errorf("the hosts %s and %s have the address %s: use one's name", knock.Quote(found[0].Name), knock.Quote(found[1].Name), knock.Quote(name))
}

// throughSSH fills in what the ssh configuration knows of a host that has no
// address of its own: HostName, and Port where the host has the usual one.
func (h Host) throughSSH(sshConfig string) Host {
	if h.Address != "" {
		return h
	}
	known, err := sshconfig.FromSSHConfig(sshConfig, h.Name)
	if err != nil {
		h.doubts = []string{err.Error() + "; ssh may reach another address"}
	}
	if err != nil || !known.Known {
		return h
	}
	h.doubts = known.Doubts
	if known.Address != h.Name {
		h.Address = known.Address
	}
	if h.SSHPort == knock.DefaultSSHPort {
		h.SSHPort = known.Port
	}
	return h
}

// sameAddress compares names and addresses as DNS and netip do.
func sameAddress(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX == nil && errY == nil {
		return x == y
	}
	return a != "" && strings.EqualFold(a, b)
}

// ReadScript reads an old script from a file, or from standard input where path
// is "-". See ParseScript.
func ReadScript(path string) (legacy.Script, error) {
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return legacy.Script{}, fmt.Errorf("cannot read script %s: %w", knock.QuotePath(path), knock.WithoutPath(err))
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, legacy.MaxScript+1))
	if err != nil {
		return legacy.Script{}, fmt.Errorf("cannot read script %s: %w", knock.QuotePath(path), knock.WithoutPath(err))
	}
	return legacy.ParseScript(text)
}
