// Package netfilter reads a Linux firewall into a [machine.Ruleset], which can be
// asked what its rules mention, and can be executed packet by packet.
//
// [Read] reads the output of iptables-save, iptables -S, ipset save and nft list ruleset, that as
// text or in JSON, also one after the other, and shell scripts that call iptables. Its
// [Text] also holds the flaws of the text. [CleanLines] prepares the text for it; who reads a text from outside bounds it by [MaxText]. A match or
// statement that is not known becomes a [machine.Unmodelled], which is never guessed.
//
// What iptables and nft call values stands in names.go; a match of iptables is a row
// of the tables in iptables_rule.go, one of nft a row of that in nft_field.go.
package netfilter
