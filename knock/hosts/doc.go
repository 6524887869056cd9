// Package hosts is what a user keeps about a server: the hosts file, where the
// secret is and how to read it safely, names known to ssh, and the import of
// old scripts.
//
// [Load] reads the hosts file and [Update] edits it in place, so that comments
// and order stay as they are. [Host.ReadSecret] fetches a secret from where the
// file says. No error, and no way of printing a value of this package, shows a
// secret.
package hosts
