// Package gate is the server's half of the scheme. [Phases] are the article's
// netfilter rules as a pure state machine, and a [StandIn] is a whole server on
// loopback made of them, with an SSH server behind it and [Faults] on demand:
// for the demo, and for tests that cannot have the kernel's rules. [Rules] write
// the script that makes a real server a gate.
//
// [ReadRules] reads the rules of real servers and finds the gate in them,
// [Found.Problems] says what is wrong with it, and [Solve] finds out which hour,
// range and form of the secret five ports were made with. A [Watcher] follows
// addresses through the gate of the machine it runs on.
package gate
