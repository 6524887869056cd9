package netfilter

import (
	"errors"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
)

const (
	// MaxText bounds the text that is read, in bytes: a ruleset with a large
	// blocklist fits, a disk image does not.
	MaxText = 4 << 20
	// maxRuleLine bounds a line, in runes; the rest of a longer one is dropped.
	maxRuleLine = 4096
)

// The errors of reading rules.
var (
	// ErrOpaqueRules: nft cannot print the recent match.
	ErrOpaqueRules = errors.New(`nft shows the recent match only as "xt match recent": give the output of iptables-save and ip6tables-save`)
	// ErrNoRules: the text holds no rules.
	ErrNoRules = errors.New("no rules in this text: give the output of iptables-save, iptables -S or nft list ruleset")
	// ErrLongRules: the text is longer than [MaxText].
	ErrLongRules = errors.New("rules of more than 4 MiB are not read")
)

// CleanLines splits text into lines that are safe to print.
func CleanLines(text []byte) (lines []string) {
	for line := range strings.Lines(string(text)) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", " ")
		lines = append(lines, knock.Clean(line, maxRuleLine))
	}
	return lines
}

// Parse reads the output of iptables-save, iptables -S and nft list ruleset, that as
// text or in JSON, also one after the other, and shell scripts that call iptables. Its
// errors are ErrNoRules and ErrJSONRules. A condition that it does not know is kept as
// one that is unknown.
func Parse(text []byte) (*machine.Ruleset, error) {
	dumps, text, err := cutJSON(text)
	if err != nil {
		return nil, err
	}
	lines := CleanLines(text)
	dump := readIPTables(lines)
	nft, opaque := readNFT(lines)
	listed, hidden := readNFTJSON(dumps)
	nft, opaque = append(nft, listed...), opaque || hidden
	if len(dump.tables) == 0 && len(nft) == 0 && !dump.script {
		return nil, ErrNoRules
	}
	r := &machine.Ruleset{Tables: slices.Concat(dump.tables, dump.others(nft)), IPTables: len(dump.tables) > 0, Opaque: opaque,
		Script: dump.script, FlushedChains: dump.flushes, EmptiedLists: dump.empties}
	if dump.script {
		r.MaskedLists = dump.cut
	}
	return r, nil
}
