// Package hosts stores what a user knows about servers: the hosts file, where each
// secret is, and the last result of each server.
//
// # The hosts file
//
// [Load] reads the hosts file, a TOML file with a table [hosts.NAME] for each
// server, into a [File] of [Host] values. It refuses a file that others can write,
// since the file may name commands to run, and one that holds a secret and that
// others can read. [File.Find] returns the entry for a name or an address, or what
// ~/.ssh/config says about it.
//
// [Update] edits the file in place under a lock: an [Editor] changes single keys,
// and comments, order and spacing of the rest stay. [Add] and [Edit] change one
// entry together with its secret. A [Change] is a fix that the doctor or the
// screens propose for an entry.
//
// # Secrets
//
// A [SecretRef] says where a host's secret is: printed by a command, in a file, in
// the system's keyring, or in the hosts file itself. [Host.ReadSecret] fetches it,
// [Ask] prompts for one, [SaveSecretFile] and [SaveKeyring] store one, and
// [ServeSecret] passes one to child processes. [Generate] makes a new secret, and [Estimate] says how long one
// resists an eavesdropper.
//
// No error of this package, and no way of printing its values, shows a secret.
package hosts
