package hosts

import (
	"cmp"
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
	"rapport/knock/phrase"
)

// Add adds the entry h to the hosts file at path, and stores its secret, unless
// that is zero, where store says: InFile, which is also the default, or InKeyring.
// It returns the entry as it is then. If the name is taken, it wraps ErrExists and
// changes nothing.
func Add(ctx context.Context, path string, h Host, secret knock.Secret, store SecretSource) (Host, error) {
	return write(ctx, path, secret, store, func(e *Editor) (old, changed Host, err error) {
		if taken, ok := e.Host(h.Name); ok {
			err = errExists(taken.Name)
		}
		return Host{}, h, err
	})
}

// Edit changes the entry of that name by a function, which gets the current entry
// while the file is locked. A secret that is not zero replaces the old one. store
// says where the secret, new or old, is to be stored; empty, it stays where it is.
// Edit returns the entry as it is then, and wraps ErrNoHost if there is none.
func Edit(ctx context.Context, path, name string, change func(Host) (Host, error), secret knock.Secret, store SecretSource) (Host, error) {
	return write(ctx, path, secret, store, func(e *Editor) (old, changed Host, err error) {
		i, err := e.find(name)
		if err != nil {
			return old, changed, err
		}
		old = e.hosts[i]
		changed, err = change(old)
		return old, changed, err
	})
}

// Remove removes the entry of that name, and returns it. Its secret stays where it is
// stored. It wraps ErrNoHost if there is none.
func Remove(ctx context.Context, path, name string) (h Host, err error) {
	err = Update(ctx, path, func(e *Editor) error {
		h, _ = e.Host(name)
		return e.Remove(name)
	})
	return h, err
}

// write stores an entry and its secret. prepare returns the entry before, without a name
// for a new one, and as it is to be. A secret file is always a new one, so that nothing
// is lost if the hosts file never refers to it.
func write(ctx context.Context, path string, secret knock.Secret, store SecretSource, prepare func(*Editor) (old, h Host, err error)) (h Host, err error) {
	if store != "" && store != InFile && store != InKeyring {
		return h, fmt.Errorf("a secret is stored in a %s or the %s, not in %s", InFile, InKeyring, knock.Quote(string(store)))
	}
	err = Update(ctx, path, func(e *Editor) (err error) {
		var old Host
		if old, h, err = prepare(e); err != nil {
			return err
		}
		before := old
		if old.Name == "" {
			before = h
		}
		source := before.Secret.Source()
		moves := store != "" && store != source && source != NoSecret
		follows := source == InKeyring && h.Secret.Source() == InKeyring && before.Name != h.Name
		if secret.IsZero() && (moves || follows) {
			if source == FromCommand {
				return fmt.Errorf("the secret of %s comes from its secret_command, and cannot be moved from there", knock.Quote(h.Name))
			}
			if secret, err = before.ReadSecret(ctx); err != nil {
				return err
			}
		}
		if secret.IsZero() {
			return e.put(old, h)
		}
		switch cmp.Or(store, source) {
		case Inline:
			h.Secret = SecretRef{Inline: secret}
			return e.put(old, h)
		case InKeyring:
			h.Secret = SecretRef{Keyring: true}
			if err := e.put(old, h); err != nil {
				return err
			}
			return SaveKeyring(h.Name, secret)
		}
		file, err := SaveSecretFile(path, h.Name, secret)
		if err != nil {
			return err
		}
		h.Secret = SecretRef{Path: file}
		if err := e.put(old, h); err != nil {
			return errors.Join(err, os.Remove(file))
		}
		return nil
	})
	return h, err
}

// put adds h, or changes the entry old to h.
func (e *Editor) put(old, h Host) error {
	if old.Name == "" {
		return e.Add(h)
	}
	return e.Replace(old.Name, h)
}

// Find returns the host that name means: the entry of that name; else the one with that
// address, which ssh's %h may be, and with port unless that is zero; else what the ssh
// configuration at sshConfig says; else an entry with the defaults.
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

// throughSSH fills in HostName and Port of the ssh configuration, if h leaves them open.
func (h Host) throughSSH(sshConfig string) Host {
	if h.Address != "" {
		return h
	}
	known, err := sshconfig.Lookup(sshConfig, h.Name)
	if err != nil {
		h.Doubts = []string{err.Error() + "; ssh may reach another address"}
	}
	if err != nil || !known.Known {
		return h
	}
	h.Doubts = known.Doubts
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

// ReadScript reads an old script, from standard input for "-"; see [legacy.ParseScript].
func ReadScript(path string) (legacy.Script, error) {
	fail := func(err error) (legacy.Script, error) {
		return legacy.Script{}, fmt.Errorf("cannot read script %s: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return fail(err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, legacy.MaxScript+1))
	if err != nil {
		return fail(err)
	}
	return legacy.ParseScript(text)
}
