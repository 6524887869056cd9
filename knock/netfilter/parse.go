package netfilter

import (
	"errors"
	"slices"
	"strings"

	"rapport/knock"
)

const (
	// maxRules bounds the text that is read: a ruleset with every address of a
	// blocklist fits, a disk image does not.
	MaxText = 4 << 20
	// maxRuleLine bounds a line, in runes; the rest of a longer one is dropped.
	maxRuleLine = 4096
)

// Errors of [ReadRules].
var (
	// ErrOpaqueRules: nft cannot print the recent match.
	ErrOpaqueRules = errors.New(`nft shows the recent match only as "xt match recent": give the output of iptables-save and ip6tables-save`)
	// ErrNoRules: the text is something else.
	ErrNoRules = errors.New("no rules in this text: give the output of iptables-save, iptables -S or nft list ruleset")
	// ErrLongRules: the text is longer than is read.
	ErrLongRules = errors.New("rules of more than 4 MiB are not read")
)

// Ruleset is the tables of a firewall as a text has them.
type Ruleset struct {
	Tables  []*Table
	IPTables   bool     // some tables are iptables' own form
	Opaque  bool     // nft could not print the recent match
	Script  bool     // a shell script that calls iptables
	FlushedChains []string // byName that a script flushes
	EmptiedLists []string // Sets that a script empties by /proc
	MaskedLists     []string // Sets that a script makes with a mask of IPv4
}

// cleanLines cuts text into lines that are safe to print.
func CleanLines(text []byte) (lines []string) {
	for line := range strings.Lines(string(text)) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", " ")
		lines = append(lines, knock.Clean(line, maxRuleLine))
	}
	return lines
}

// parseRuleset reads the lines of either reader's text, several one after the
// other.
func Parse(lines []string) (Ruleset, error) {
	dump := readIPTables(lines)
	nft, opaque := readNFT(lines)
	if len(dump.tables) == 0 && len(nft) == 0 && !dump.script {
		return Ruleset{}, ErrNoRules
	}
	r := Ruleset{Tables: slices.Concat(dump.tables, dump.others(nft)), IPTables: len(dump.tables) > 0, Opaque: opaque,
		Script: dump.script, FlushedChains: dump.flushes, EmptiedLists: dump.empties}
	if dump.script {
		r.MaskedLists = dump.cut
	}
	return r, nil
}
