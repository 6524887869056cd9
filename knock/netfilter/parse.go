package netfilter

import (
	"bytes"
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
	// maxRuleLine bounds what is kept of a line to show it, in runes.
	maxRuleLine = 4096
)

// The errors of reading rules.
var (
	// ErrOpaqueRules: nft cannot print the recent match.
	ErrOpaqueRules = errors.New(`nft shows the recent match only as "xt match recent": give the output of iptables-save and ip6tables-save`)
	// ErrNoRules: the text holds no rules.
	ErrNoRules = errors.New("no rules in this text: give the output of iptables-save, iptables -S or nft list ruleset")
	// ErrBinary: this is no text.
	ErrBinary = errors.New("this is no text: it holds NUL bytes; give the output of iptables-save, iptables -S or nft list ruleset, in UTF-8")
	// ErrLongRules: the text is longer than [MaxText].
	ErrLongRules = errors.New("rules of more than 4 MiB are not read")
)

// byteOrderMark is what editors of Windows put before a text.
var byteOrderMark = []byte("\uFEFF")

// CleanLines splits text into lines that are safe to print.
func CleanLines(text []byte) (lines []string) {
	for line := range strings.Lines(string(bytes.TrimPrefix(text, byteOrderMark))) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", " ")
		lines = append(lines, knock.Clean(line, len(line)))
	}
	return lines
}

// Parse is [Read] for the rules alone.
func Parse(text []byte) (*machine.Ruleset, error) {
	t, err := Read(text)
	if err != nil {
		return nil, err
	}
	return t.Ruleset, nil
}

// Text is what a text says: the rules, and what it shows besides.
type Text struct {
	*machine.Ruleset
	IPTables      bool     // some tables were printed by iptables
	Opaque        bool     // nft could not print a recent match
	Script        bool     // a shell script that calls iptables
	FlushedChains []string // chains that a script flushes
	EmptiedLists  []string // recent lists that a script empties in /proc
	MaskedLists   []string // recent lists that a script creates with an IPv4 mask
	Flaws         []Flaw
}

// Flaw is a place where the text does not say what its rules are.
type Flaw struct {
	Kind FlawKind
	Line int
	Text string
}

// FlawKind is a kind of flaws.
type FlawKind int

// The kinds.
const (
	CutOff      FlawKind = iota // the text ends in the middle
	Impossible                  // a value that the kernel does not take
	NotFollowed                 // what a script does and the reader does not
)

// Read reads the output of iptables-save, iptables -S and nft list ruleset, that as
// text or in JSON, also one after the other, and shell scripts that call iptables. Its
// errors are ErrNoRules, ErrBinary and ErrJSONRules. A condition that it does not know is kept as
// one that is unknown.
func Read(text []byte) (*Text, error) {
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, ErrBinary
	}
	dumps, text, err := cutJSON(text)
	if err != nil {
		return nil, err
	}
	lines := CleanLines(text)
	dump := readIPTables(lines)
	timed := map[string][]machine.Item{}
	nft, opaque, flaws := readNFT(lines, timed)
	listed, hidden := readNFTJSON(dumps, timed)
	nft, opaque = append(nft, listed...), opaque || hidden
	if len(dump.tables) == 0 && len(nft) == 0 && !dump.script {
		return nil, ErrNoRules
	}
	r := &Text{Ruleset: &machine.Ruleset{Tables: slices.Concat(dump.tables, dump.others(nft))}, IPTables: len(dump.tables) > 0, Opaque: opaque,
		Script: dump.script, FlushedChains: dump.flushes, EmptiedLists: dump.empties, Flaws: append(dump.flaws, flaws...)}
	if dump.script {
		r.MaskedLists = dump.cut
	}
	settle(r.Ruleset, timed)
	return r, nil
}
