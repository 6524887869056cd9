// Package gate finds the gate in a server's firewall rules and says what is wrong
// with it.
//
// [ReadRules] reads a text: the output of iptables-save, iptables -S or nft list
// ruleset, or a script. [ReadLocal] reads the rules of this machine. Both return
// [Findings]: the gates, at most one for each address family. A [Gate] is found by
// its structure, not by the names of its chains: rules that move an address from
// set to set, one knock at a time, and an accept rule for the last set. Strict and
// SweepGuard are found by playing knocks and sweeps through the rules.
//
// [Inspect] compares the findings with what the client knows. It solves for the
// hour, range and secret variant of the ports (see [rapport/knock/solve]) and
// returns an [Inspection]: what differs between server and client, and the problems,
// each with a fix. [Inspection.Report] is its JSON. [InspectPorts] does the same for
// five ports alone. [Findings.Problems] judges the rules alone, when no secret is
// known.
//
// [Gate.Play] is a server in virtual time, on which [rapport/knock/gate/audit] plays
// attacks and accidents; [Findings.Observe] is one that shows
// [rapport/knock/gate/trace] the rules that packets meet.
//
// The other methods of Gate name its sets and counters, for
// [rapport/knock/gate/watch]. Package [rapport/knock/gate/script] writes rules.
package gate
