package hosts

import (
	"slices"

	"rapport/knock"
)

// SecretSource is the kind of place where a secret is stored.
type SecretSource string

// The sources. InFile and InKeyring are also where [Add] and [Edit] can store a
// secret.
const (
	NoSecret    SecretSource = "none"
	FromCommand SecretSource = "command" // a command prints it
	InFile      SecretSource = "file"    // a file that only the user can read
	InKeyring   SecretSource = "keyring" // Secret Service, Keychain or Credential Manager
	Inline      SecretSource = "inline"  // the hosts file itself
)

// SecretRef says where a host's secret is. The zero SecretRef says nothing.
type SecretRef struct {
	source  SecretSource // empty for NoSecret
	command []string
	path    string
	secret  knock.Secret
}

// SecretCommand refers to a command, with its arguments, that prints the secret on
// its first line. Without a command it is the zero SecretRef.
func SecretCommand(argv ...string) SecretRef {
	if len(argv) == 0 {
		return SecretRef{}
	}
	return SecretRef{source: FromCommand, command: slices.Clone(argv)}
}

// SecretFile refers to a file. ~/ is the home folder; relative paths start at the
// folder of the hosts file. Without a path it is the zero SecretRef.
func SecretFile(path string) SecretRef {
	if path == "" {
		return SecretRef{}
	}
	return SecretRef{source: InFile, path: path}
}

// SecretKeyring refers to the entry of the system's keyring that has the host's
// name.
func SecretKeyring() SecretRef { return SecretRef{source: InKeyring} }

// InlineSecret holds the secret itself. For a zero secret it is the zero SecretRef.
func InlineSecret(secret knock.Secret) SecretRef {
	if secret.IsZero() {
		return SecretRef{}
	}
	return SecretRef{source: Inline, secret: secret}
}

// Source returns the kind of place, NoSecret for the zero SecretRef.
func (r SecretRef) Source() SecretSource {
	if r.source == "" {
		return NoSecret
	}
	return r.source
}

// Path returns the path of an InFile reference, else nothing.
func (r SecretRef) Path() string { return r.path }

// Equal reports whether both name the same place, and the same secret if inline.
func (r SecretRef) Equal(o SecretRef) bool {
	return r.source == o.source && slices.Equal(r.command, o.command) && r.path == o.path && r.secret == o.secret
}

// key returns the key of the hosts file that sets the reference.
func (r SecretRef) key() string {
	return map[SecretSource]string{FromCommand: "secret_command", InFile: "secret_file", InKeyring: "keyring", Inline: "secret"}[r.source]
}
