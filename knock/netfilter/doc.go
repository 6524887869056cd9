// Package netfilter holds a Linux firewall as data, and plays packets through it.
//
// [Parse] reads the output of iptables-save, iptables -S and nft list ruleset, and
// shell scripts that call iptables, into a [Ruleset] of tables, chains and rules.
// [SavedRules] and [RunTool] get such output from the machine itself.
//
// [Ruleset.Path] follows the jumps and returns the [Path] of one address family:
// its hits are all rules that a packet to the machine may meet, in their order.
// [Path.Play] sends a [Packet] along it and returns the [Decision]; a [Source]
// holds what the rules remember of the sender between packets, such as the sets
// that it is in. A rule with a condition that this package does not know matches
// no packet.
//
// [ReadRecent] and [RecentEntries] read the lists of the recent match in /proc,
// [Set.Elements] those of an nft set, and a [Count] is the packet counter of a
// rule.
//
// Names of sets: a list of the recent match has its own name, a set of nft has its
// table's name and a space in front, such as "inet filter phase1".
package netfilter
