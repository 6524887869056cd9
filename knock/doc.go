// Package knock is the client of the port-knocking scheme that Roland Mas published
// in 2008, in an article that all packages call the article. A gate, the server's
// netfilter rules, accepts SSH from an address for a few seconds (the window) after
// it has sent five knocks in order. A knock is one SYN to one of five ports, and the
// ports change every UTC hour.
//
// # Sequences
//
// [Derive] computes the [Sequence] of an [Hour], a [Range] and a [Secret]: the MD5
// of "HOUR-SECRET\n" is a 128-bit number num, and port k, for k from 0 to 4, is
//
//	(num / size^k) mod size + bottom
//
// # Handshakes
//
// A [Target] is a server. [Client.Knock] sends it a handshake and probes SSH, in several
// attempts if packets are lost. [Client.Plan] tells beforehand what Knock would send.
// [Client.Probe] only probes. [Client.SendBatch] sends any SYNs at given times, for a scan.
//
// A probe is one connection to the SSH port: SSH is open when the server sends a line that
// starts with "SSH-". Each SYN is sent by a socket of its own: that needs no privileges.
//
// The zero [Client] is ready to use. Errors wrap [ErrName], [ErrUnreachable] or [ErrSend]
// where a caller may want to tell them apart. The package imports only the standard library,
// and reads neither configuration nor terminal.
package knock
