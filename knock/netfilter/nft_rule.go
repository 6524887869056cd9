package netfilter

import (
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rule reads one rule. A verdict map makes several of it.
func (n *nftReader) rule(w []string) []Rule {
	var r Rule
	var split []Rule // the entries of a verdict map
	most := false    // matches all sources but some
	i := 0
	next := func() string {
		if i < len(w) {
			i++
			return w[i-1]
		}
		return ""
	}
	peek := func() string {
		if i < len(w) {
			return w[i]
		}
		return ""
	}
	// value reads what a match compares with: a word, or words between braces.
	value := func() (not bool, all []string) {
		switch peek() {
		case "!=":
			not = true
			i++
		case "==":
			i++
		}
		if peek() != "{" {
			all = append(all, next())
			for peek() == "," && i+1 < len(w) {
				i++
				all = append(all, next())
			}
			return not, all
		}
		i++
		for i < len(w) && peek() != "}" {
			if v := next(); v != "," {
				all = append(all, v)
			}
		}
		i++
		if all == nil {
			all = []string{""} // braces with nothing in them
		}
		return not, all
	}
	for i < len(w) {
		switch word := next(); word {
		case "tcp", "udp", "th":
			field := next()
			if word != "th" {
				r.Match = r.and(Match{Proto: word})
			}
			switch {
			case field == "dport" && peek() == "vmap":
				i++
				_, all := value()
				entries, _ := n.named(all)
				split = append(split, verdictMap(entries, func(k string) Match { return Match{Proto: "tcp", Ports: nftPorts([]string{k})} })...)
			case field == "dport" && peek() != "." && peek() != "map":
				not, all := value()
				all, shown := n.named(all)
				r.unmodelled = r.unmodelled || !shown
				p := nftPorts(all)
				if not {
					p = except(p)
				}
				r.Match = r.and(Match{Ports: p})
			case field == "flags":
				// syn / fin,syn,rst,ack or & (fin | syn | rst | ack) == syn
				first := i
				for i < len(w) && isFlags(peek()) {
					i++
				}
				flags := strings.Join(w[first:i], "")
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
			default:
				r.unmodelled = true
				value()
			}
		case "ct":
			if next() != "state" {
				r.unmodelled = true
				value()
				break
			}
			if peek() == "vmap" {
				i++
				_, entries := value()
				split = append(split, verdictMap(entries, func(k string) Match { return Match{States: stateBit(k)} })...)
				break
			}
			not, all := value()
			states := 0
			for _, s := range all {
				states |= stateBit(s)
			}
			if not {
				states = anyState &^ states
			}
			r.Match = r.and(Match{States: states})
		case "meta":
			switch key := next(); key {
			case "l4proto":
				r.Match = r.and(protocol(value()))
			case "nfproto":
				not, all := value()
				has := func(name, number string) bool { return slices.Contains(all, name) || slices.Contains(all, number) }
				r.Match = r.and(Match{not4: has("ipv4", "2") == not, not6: has("ipv6", "10") == not})
			case "iif", "iifname":
				not, all := value()
				r.unmodelled = isUplink(strings.TrimPrefix(all[0], `"`)) == not || r.unmodelled
			default:
				r.unmodelled = true
				value()
			}
		case "iif", "iifname":
			not, all := value()
			r.unmodelled = isUplink(strings.TrimPrefix(all[0], `"`)) == not || r.unmodelled
		case "ip", "ip6":
			r.Match = r.and(Match{not6: word == "ip", not4: word == "ip6"})
			field := next()
			if field == "protocol" || field == "nexthdr" {
				r.Match = r.and(protocol(value()))
				break
			}
			part := false
			if peek() == "&" {
				i++
				part = !isNetmask(next())
			}
			not, all := value()
			switch {
			case peek() == ".":
				r.unmodelled = true
			case field == "saddr" && strings.HasPrefix(all[0], "@"):
				name := n.list(all[0])
				r.Checks = append(r.Checks, SetMatch{Set: name, Seconds: n.table.Sets[name].Timeout, Mode: "rcheck", Negated: not, Partial: part})
			case field == "daddr" && !not && ownAddress(all[0]):
			case field == "saddr" && not:
				most = true
			default:
				r.unmodelled = true
			}
		case "icmp", "icmpv6":
			r.Match = r.and(Match{Proto: word, not4: word == "icmpv6", not6: word == "icmp"})
			next()
			value()
		case "update", "add", "delete", "meter":
			name := n.list(next())
			if word == "meter" && peek() == "size" {
				i += 2
			}
			bySource, v6, part := false, false, false
			var stay time.Duration
			if peek() == "{" {
				_, all := value()
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
				stay = n.table.Sets[name].Timeout
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
		case "xt":
			r.opaque = r.opaque || strings.Contains(strings.Join(w[i:], " "), "match recent")
			r.unmodelled, n.opaque = true, n.opaque || r.opaque
			next()
			next()
		case "counter":
			for peek() == "packets" || peek() == "bytes" {
				if next() == "packets" {
					r.Count = parseCount(next())
				} else {
					next()
				}
			}
		case "log", "comment":
			for i < len(w) && !isVerdict(peek()) {
				i++
			}
		case "reject", "drop", "queue":
			r.Verdict = Drop
			i = len(w)
		case "accept":
			r.Verdict = Accept
		case "return":
			r.Verdict = Return
		case "dnat", "redirect":
			r.Verdict = DNAT
			i = len(w)
		case "jump":
			r.Verdict, r.Target = Jump, next()
		case "goto":
			r.Verdict, r.Target = Goto, next()
		case "limit":
			first := i
			for i < len(w) && (slices.Contains([]string{"rate", "over", "burst", "packets", "bytes"}, peek()) || peek() != "" && peek()[0] >= '0' && peek()[0] <= '9') {
				i++
			}
			r.limited(w[first:i])
		case "notrack", "continue", "synproxy":
		default:
			r.unmodelled = true
		}
	}
	if split == nil {
		split = []Rule{r}
	} else {
		for k := range split {
			split[k].Match = r.and(split[k].Match)
		}
	}
	for k := range split {
		split[k].unmodelled = split[k].unmodelled || most && split[k].Verdict != Accept
	}
	return split
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
