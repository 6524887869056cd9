// Package machine executes a Linux firewall: packets go in, verdicts come out.
//
// A [Ruleset] is the firewall as data: tables, chains, rules and sets. A [Rule] has
// parts, which are its matches and statements in the order of evaluation, such as
// [Compare], [Recent], [Lookup] and [SetUpdate]. Package netfilter reads rulesets from the
// texts of iptables and nft.
//
// [Ruleset.NewMachine] returns a [Machine], in which nothing has happened yet.
// [Machine.Deliver] plays a packet from the network along its hooks, [Machine.Send]
// one that the machine sends itself. As in the kernel, lists, sets, limits and
// conntrack change on the way. Time is virtual: it is that of the last packet, and
// [Machine.Wait] lets it pass. [Machine.Clone] branches off a machine, to try
// what would happen next; machines with the same [Machine.Fingerprint] have the same
// entries in lists and sets, but for their times.
//
// A [Result] holds the verdict, the rule that decided, and what changed. With
// [Machine.Tracing] it also holds a [Hit] for each rule that the packet met, with the
// reason if the rule did not match. What is not modelled is not guessed: both
// outcomes are played, and where they lead to different verdicts, the verdict is
// [Undecided]. [Machine.Assume] and [Machine.Member] decide it beforehand.
//
// Who wants to know which packets are worth playing asks the rules: [Rule.Ports],
// [Rule.Checks], [Rule.Updates] and others say what a rule mentions, once
// [Ruleset.Link] or NewMachine has resolved the names in it.
//
// Names of lists: a list of the recent match has its own name, a set of nft has its
// table's name and a space in front, such as "inet filter phase1"; [ShortName] cuts
// that off.
package machine
