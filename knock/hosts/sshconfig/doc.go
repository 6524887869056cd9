// Package sshconfig reads from ~/.ssh/config (ssh_config(5)) which address and port
// ssh connects to for a host, and writes the lines that make ssh use rapport.
//
// [Lookup] returns a [Host] for a name. It gives the same answer as ssh -G for Host,
// Match and Include, for HostName with %h, and for the second pass that Match final
// asks for; tests compare it with the ssh program. It does not start ssh, run a
// command or resolve a name. Where a setting depends on that, such as one below
// Match exec, the result does not contain it, and a line in Host.Doubts says so for
// the user to check.
//
// [Proxy] writes the other direction: the options and the stanza by which ssh reaches
// a host through rapport proxy.
//
// A [Proxy] is rapport as ssh's ProxyCommand: as arguments of ssh, or as lines for
// the configuration, quoted for the shell that ssh runs.
//
// [ExpandHome] expands a leading ~/ as ssh does, also for rapport's own files.
package sshconfig
