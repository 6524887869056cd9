// Package script writes the script that makes a Linux server a gate, and reads it
// back.
//
// [Rules] describes the gate. [Rules.Script] returns one POSIX shell script for
// iptables or nft, which computes the hour's ports on the server, with the actions
// setup, confirm, refresh, status and remove. [Rules.Systemd] and [Rules.Cron]
// return what runs it. [ReadPrinted] reads the configuration of such a script.
//
// Two guards are optional. A sweep guard ignores an address that hits too many
// wrong ports of the range; [MaxSweepGuard] says how many it may forgive. A replay
// guard limits how many addresses open the gate in an hour, so that an eavesdropper
// cannot repeat a handshake. ATTACKS.md has the measured costs of attacks.
package script
