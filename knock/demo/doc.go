// Package demo is a gate and an SSH server on loopback, in pure Go: for rapport demo
// and for tests, without root and without a firewall.
//
// [Start] starts a [StandIn] from a [Config]. It follows the hour as a real server
// does, and reports each [Event]. [Faults] are things that go wrong on real servers:
// a wrong clock, another range, lost knocks, an SSH server that is down, silent or
// refusing.
//
// [Phases] are the article's netfilter rules as a state machine without I/O and
// clock. The documentation of StandIn says how it differs from a real gate.
package demo
