package netfilter

import (
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nftRule is a rule while its words are read.
type nftRule struct {
	Rule
	n     *nftReader
	w     []string
	i     int    // of the next word
	split []Rule // the entries of a verdict map
	most  bool   // matches all sources but some
}

func (r *nftRule) next() string {
	if r.i < len(r.w) {
		r.i++
		return r.w[r.i-1]
	}
	return ""
}

func (r *nftRule) peek() string {
	if r.i < len(r.w) {
		return r.w[r.i]
	}
	return ""
}

// value reads what a match compares with: a word, or words between braces.
func (r *nftRule) value() (not bool, all []string) {
	switch r.peek() {
	case "!=":
		not = true
		r.i++
	case "==":
		r.i++
	}
	if r.peek() != "{" {
		all = append(all, r.next())
		for r.peek() == "," && r.i+1 < len(r.w) {
			r.i++
			all = append(all, r.next())
		}
		return not, all
	}
	r.i++
	for r.i < len(r.w) && r.peek() != "}" {
		if v := r.next(); v != "," {
			all = append(all, v)
		}
	}
	r.i++
	if all == nil {
		all = []string{""} // braces with nothing in them
	}
	return not, all
}

// rule reads one rule. A verdict map makes several of it.
func (n *nftReader) rule(w []string) []Rule {
	r := nftRule{n: n, w: w}
	for r.i < len(w) {
		if word := r.next(); !r.match(word) && !r.verdict(word) {
			r.statement(word)
		}
	}
	if r.split == nil {
		r.split = []Rule{r.Rule}
	} else {
		for k := range r.split {
			r.split[k].Match = r.and(r.split[k].Match)
		}
	}
	for k := range r.split {
		r.split[k].unmodelled = r.split[k].unmodelled || r.most && r.split[k].Verdict != Accept
	}
	return r.split
}

// match reads a condition on packets. It returns false for any other word.
func (r *nftRule) match(word string) bool {
	switch word {
	case "tcp", "udp", "th":
		r.transport(word)
	case "ct":
		r.conntrack()
	case "meta":
		r.meta()
	case "iif", "iifname":
		r.iface()
	case "ip", "ip6":
		r.network(word)
	case "icmp", "icmpv6":
		r.Match = r.and(Match{Proto: word, not4: word == "icmpv6", not6: word == "icmp"})
		r.next()
		r.value()
	default:
		return false
	}
	return true
}

// verdict reads a verdict. It returns false for any other word.
func (r *nftRule) verdict(word string) bool {
	switch word {
	case "reject", "drop", "queue":
		r.Verdict = Drop
		r.i = len(r.w)
	case "accept":
		r.Verdict = Accept
	case "return":
		r.Verdict = Return
	case "dnat", "redirect":
		r.Verdict = DNAT
		r.i = len(r.w)
	case "jump":
		r.Verdict, r.Target = Jump, r.next()
	case "goto":
		r.Verdict, r.Target = Goto, r.next()
	default:
		return false
	}
	return true
}

// statement reads anything else: set updates, limits, counters and logs.
func (r *nftRule) statement(word string) {
	switch word {
	case "update", "add", "delete", "meter":
		r.update(word)
	case "xt":
		r.opaque = r.opaque || strings.Contains(strings.Join(r.w[r.i:], " "), "match recent")
		r.unmodelled, r.n.opaque = true, r.n.opaque || r.opaque
		r.next()
		r.next()
	case "counter":
		for r.peek() == "packets" || r.peek() == "bytes" {
			if r.next() == "packets" {
				r.Count = parseCount(r.next())
			} else {
				r.next()
			}
		}
	case "log", "comment":
		for r.i < len(r.w) && !isVerdict(r.peek()) {
			r.i++
		}
	case "limit":
		first := r.i
		for r.i < len(r.w) && (slices.Contains([]string{"rate", "over", "burst", "packets", "bytes"}, r.peek()) || r.peek() != "" && r.peek()[0] >= '0' && r.peek()[0] <= '9') {
			r.i++
		}
		r.limited(r.w[first:r.i])
	case "notrack", "continue", "synproxy":
	default:
		r.unmodelled = true
	}
}

// transport reads a match on a header of TCP or UDP.
func (r *nftRule) transport(word string) {
	field := r.next()
	if word != "th" {
		r.Match = r.and(Match{Proto: word})
	}
	switch {
	case field == "dport" && r.peek() == "vmap":
		r.i++
		_, all := r.value()
		entries, _ := r.n.named(all)
		r.split = append(r.split, verdictMap(entries, func(k string) Match { return Match{Proto: "tcp", Ports: nftPorts([]string{k})} })...)
	case field == "dport" && r.peek() != "." && r.peek() != "map":
		not, all := r.value()
		all, shown := r.n.named(all)
		r.unmodelled = r.unmodelled || !shown
		p := nftPorts(all)
		if not {
			p = except(p)
		}
		r.Match = r.and(Match{Ports: p})
	case field == "flags":
		r.flags()
	default:
		r.unmodelled = true
		r.value()
	}
}

// flags reads a match on TCP flags, and models those that select SYNs.
func (r *nftRule) flags() {
	// syn / fin,syn,rst,ack or & (fin | syn | rst | ack) == syn
	first := r.i
	for r.i < len(r.w) && isFlags(r.peek()) {
		r.i++
	}
	flags := strings.Join(r.w[first:r.i], "")
	states := StateNew
	if strings.Contains(flags, "!=") {
		states, flags = anyState&^StateNew, strings.Replace(flags, "!=", "==", 1)
	}
	switch flags {
	case "syn/fin,syn,rst,ack", "&(fin|syn|rst|ack)==syn", "0x2/0x1,0x2,0x4,0x10", "0x2/0x17", "&0x17==0x2", "&(0x1|0x2|0x4|0x10)==0x2", "==syn/fin,syn,rst,ack":
		r.Match = r.and(Match{States: states})
	default:
		r.unmodelled = true
	}
}

// conntrack reads a match on the conntrack state.
func (r *nftRule) conntrack() {
	if r.next() != "state" {
		r.unmodelled = true
		r.value()
		return
	}
	if r.peek() == "vmap" {
		r.i++
		_, entries := r.value()
		r.split = append(r.split, verdictMap(entries, func(k string) Match { return Match{States: stateBit(k)} })...)
		return
	}
	not, all := r.value()
	states := 0
	for _, s := range all {
		states |= stateBit(s)
	}
	if not {
		states = anyState &^ states
	}
	r.Match = r.and(Match{States: states})
}

// meta reads a match on what the kernel knows about a packet.
func (r *nftRule) meta() {
	switch r.next() {
	case "l4proto":
		r.Match = r.and(protocol(r.value()))
	case "nfproto":
		not, all := r.value()
		has := func(name, number string) bool { return slices.Contains(all, name) || slices.Contains(all, number) }
		r.Match = r.and(Match{not4: has("ipv4", "2") == not, not6: has("ipv6", "10") == not})
	case "iif", "iifname":
		r.iface()
	default:
		r.unmodelled = true
		r.value()
	}
}

// iface reads a match on the incoming interface.
func (r *nftRule) iface() {
	not, all := r.value()
	r.unmodelled = isUplink(strings.TrimPrefix(all[0], `"`)) == not || r.unmodelled
}

// network reads a match on an IP header.
func (r *nftRule) network(word string) {
	r.Match = r.and(Match{not6: word == "ip", not4: word == "ip6"})
	field := r.next()
	if field == "protocol" || field == "nexthdr" {
		r.Match = r.and(protocol(r.value()))
		return
	}
	part := false
	if r.peek() == "&" {
		r.i++
		part = !isNetmask(r.next())
	}
	not, all := r.value()
	switch {
	case r.peek() == ".":
		r.unmodelled = true
	case field == "saddr" && strings.HasPrefix(all[0], "@"):
		name := r.n.list(all[0])
		r.Checks = append(r.Checks, SetMatch{Set: name, Seconds: r.n.table.Sets[name].Timeout, Mode: "rcheck", Negated: not, Partial: part})
	case field == "daddr" && !not && ownAddress(all[0]):
	case field == "saddr" && not:
		r.most = true
	default:
		r.unmodelled = true
	}
}

// update reads a statement that changes a set.
func (r *nftRule) update(word string) {
	name := r.n.list(r.next())
	if word == "meter" && r.peek() == "size" {
		r.i += 2
	}
	bySource, v6, part := false, false, false
	var stay time.Duration
	if r.peek() == "{" {
		_, all := r.value()
		bySource = len(all) > 1 && all[1] == "saddr" && !slices.Contains(all, ".")
		v6 = len(all) > 0 && all[0] == "ip6"
		if t := slices.Index(all, "timeout"); t >= 0 && t+1 < len(all) {
			stay = nftTime(all[t+1])
		}
		if len(all) > 3 && all[2] == "&" {
			part = !isNetmask(all[3])
		}
		if l := slices.Index(all, "limit"); l >= 0 {
			r.limited(all[l+1:])
		}
	}
	if stay == 0 {
		stay = r.n.table.Sets[name].Timeout
	}
	if bySource {
		r.Match = r.and(Match{not6: !v6, not4: v6})
		switch word {
		case "delete":
			r.Removes = append(r.Removes, name)
		case "update", "add":
			r.Updates = append(r.Updates, SetUpdate{Set: name, Timeout: stay, Partial: part})
		}
	}
}

// limited adds a limit, given as rate over 30/minute burst 30 packets.
func (r *Rule) limited(w []string) {
	var rate, burst string
	for i, word := range w {
		switch {
		case strings.Contains(word, "/"):
			rate = word
		case word == "burst" && i+1 < len(w):
			burst = w[i+1]
		}
	}
	l := parseLimit(rate, burst, slices.Contains(w, "over"))
	if l == nil || slices.Contains(w, "bytes") {
		r.unmodelled = true
		return
	}
	r.Limits = append(r.Limits, l)
}

// isNetmask reports whether a mask selects the leading bits of an address.
func isNetmask(mask string) bool {
	a, err := netip.ParseAddr(mask)
	if err != nil {
		return false
	}
	ends := false
	for _, b := range a.AsSlice() {
		if ends && b != 0 || bits.OnesCount8(b) != bits.LeadingZeros8(^b) {
			return false
		}
		ends = ends || b != 0xff
	}
	return true
}

// isFlags reports whether a word is TCP flags, or a sign between them.
func isFlags(w string) bool {
	parts := strings.FieldsFunc(w, func(r rune) bool { return strings.ContainsRune("|,/&()=!", r) })
	return !slices.ContainsFunc(parts, func(p string) bool {
		return !strings.HasPrefix(p, "0x") && !slices.Contains([]string{"fin", "syn", "rst", "ack"}, p)
	})
}

func isVerdict(w string) bool {
	return slices.Contains([]string{"accept", "drop", "reject", "return", "jump", "goto", "dnat", "redirect", "queue"}, w)
}

// protocol returns the match for a list of protocols.
func protocol(not bool, all []string) Match {
	for i, p := range all {
		if name := map[string]string{"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp"}[p]; name != "" {
			all[i] = name // nft -n writes numbers
		}
	}
	switch {
	case !not && len(all) == 1:
		return Match{Proto: all[0]}
	case !not && slices.Contains(all, "tcp"), not && !slices.Contains(all, "tcp"):
		return Match{}
	}
	return Match{Proto: "other"}
}

// verdictMap returns a rule for each entry such as "22 : jump x".
func verdictMap(entries []string, key func(string) Match) (rules []Rule) {
	rules = []Rule{}
	for i := 0; i+2 < len(entries); i++ {
		if entries[i+1] != ":" {
			continue
		}
		r := Rule{Match: key(entries[i])}
		switch entries[i+2] {
		case "accept":
			r.Verdict = Accept
		case "drop":
			r.Verdict = Drop
		case "return":
			r.Verdict = Return
		case "jump", "goto":
			r.Verdict = map[string]Verdict{"jump": Jump, "goto": Goto}[entries[i+2]]
			if i+3 < len(entries) {
				r.Target = entries[i+3]
			}
		}
		rules = append(rules, r)
		i += 2
	}
	return rules
}

// nftPorts parses 22, ssh and 22-25.
func nftPorts(words []string) []PortRange {
	all := []PortRange{}
	for _, w := range words {
		if w == "ssh" {
			w = "22"
		}
		first, last, isRun := strings.Cut(w, "-")
		a, err := strconv.ParseUint(first, 10, 16)
		b := a
		if isRun && err == nil {
			b, err = strconv.ParseUint(last, 10, 16)
		}
		if err == nil {
			all = append(all, PortRange{int(a), int(b)})
		}
	}
	return all
}
