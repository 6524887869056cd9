package netfilter

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// iptablesRule is a rule while its options are read.
type iptablesRule struct {
	Rule
	d       *dump
	w       []string
	i       int               // of the option
	negated bool              // there is a "!" before it
	recent  *SetMatch         // the recent match whose options follow
	set     bool              // that match adds the source
	mask    string            // of that match
	limits  map[string]string // the values of the options of limits
	most    bool              // matches all sources but some
}

// rule reads what follows the chain's name. An option that it does not know makes
// the rule unmodelled.
func (d *dump) rule(w []string) Rule {
	r := iptablesRule{d: d, w: w, limits: map[string]string{}}
	for ; r.i < len(w); r.i++ {
		word := w[r.i]
		if word == "!" {
			r.negated = true
			continue
		}
		if !r.packetOption(word) && !r.addressOption(word) && !r.recentOption(word) && !r.otherOption(word) &&
			strings.HasPrefix(word, "-") && r.Verdict == Next {
			r.unmodelled = true
		}
		r.negated = false
	}
	r.endRecent()
	r.limit(r.limits)
	// A drop for most sources may spare the client; an accept for most sources
	// lets nearly everybody in.
	r.unmodelled = r.unmodelled || r.most && r.Verdict != Accept
	return r.Rule
}

// next returns the value of an option.
func (r *iptablesRule) next() string {
	if r.i+1 < len(r.w) {
		r.i++
		return r.w[r.i]
	}
	return ""
}

// packetOption reads an option that matches the protocol, the port or the state. It
// returns false for any other word, as the other readers of options do.
func (r *iptablesRule) packetOption(word string) bool {
	switch word {
	case "-p", "--protocol":
		r.protocol(strings.ToLower(r.next()))
		r.unmodelled = r.unmodelled || r.negated
	case "--dport", "--dports", "--destination-port", "--destination-ports":
		p := r.d.ports(r.next())
		if r.negated {
			p = except(p)
		}
		r.Match = r.and(Match{Ports: p})
	case "--ports": // of the source or the destination
		r.Match, r.unmodelled = r.and(Match{Ports: r.d.ports(r.next())}), r.unmodelled || r.negated
	case "--state", "--ctstate":
		states := 0
		for s := range strings.SplitSeq(r.next(), ",") {
			states |= stateBit(s)
		}
		if r.negated {
			states = anyState &^ states
		}
		r.Match = r.and(Match{States: states})
	case "--syn":
		r.syn()
	case "--tcp-flags":
		if mask, flags := r.next(), r.next(); mask == "FIN,SYN,RST,ACK" && flags == "SYN" {
			r.syn()
		} else {
			r.unmodelled = true
		}
	default:
		return false
	}
	return true
}

// protocol matches a protocol by its name, as iptables writes it.
func (r *iptablesRule) protocol(name string) {
	switch name {
	case "6":
		name = "tcp"
	case "all":
		name = ""
	}
	r.Proto = name
	r.not4 = r.not4 || strings.Contains(name, "icmpv6") || name == "ipv6-icmp"
}

// syn matches SYNs, or everything else.
func (r *iptablesRule) syn() {
	states := StateNew
	if r.negated {
		states = anyState &^ StateNew
	}
	r.Match = r.and(Match{States: states})
}

// addressOption reads an option that matches an address or an interface.
func (r *iptablesRule) addressOption(word string) bool {
	switch word {
	case "-i", "--in-interface":
		r.unmodelled = isUplink(r.next()) == r.negated || r.unmodelled
	case "-s", "--source":
		v := r.next()
		r.not4 = r.not4 || strings.Contains(v, ":")
		r.most, r.unmodelled = r.most || r.negated, r.unmodelled || !anyAddress(v) && !r.negated
	case "-d", "--destination":
		v := r.next()
		r.not4 = r.not4 || strings.Contains(v, ":")
		r.unmodelled = r.unmodelled || !ownAddress(v) || r.negated
	case "--match-set":
		r.next()
		r.most, r.unmodelled = r.most || r.negated, r.unmodelled || !r.negated
	default:
		return false
	}
	return true
}

// recentOption reads an option of the recent match.
func (r *iptablesRule) recentOption(word string) bool {
	m := r.recent
	if m == nil {
		m = &SetMatch{} // of no recent match: ignored
	}
	switch word {
	case "--rcheck", "--update", "--remove":
		m.Mode, m.Negated = word[2:], r.negated
	case "--set":
		r.set = r.recent != nil
	case "--name":
		m.Set = r.next()
	case "--seconds":
		if n, err := strconv.ParseUint(r.next(), 10, 31); err == nil {
			m.Seconds = time.Duration(n) * time.Second
		}
	case "--hitcount":
		if n, err := strconv.Atoi(r.next()); err == nil {
			m.Hits = n
		}
	case "--rdest":
		m.ByDest = true
	case "--mask":
		r.mask = r.next()
		r.not4 = r.not4 || strings.Contains(r.mask, ":")
	case "--rsource", "--reap":
	default:
		return false
	}
	return true
}

// endRecent adds the recent match whose options have been read.
func (r *iptablesRule) endRecent() {
	if r.recent == nil {
		return
	}
	m := *r.recent
	r.d.name(m.Set, r.mask)
	switch {
	case r.set:
		r.Updates = append(r.Updates, SetUpdate{Set: m.Set, ByDest: m.ByDest})
	case m.Mode != "":
		r.Checks = append(r.Checks, m)
	}
	if m.Mode == "remove" {
		r.Removes = append(r.Removes, m.Set)
	}
	r.recent, r.set, r.mask = nil, false, ""
}

// otherOption reads the start of a match, a limit, a target, or an option that
// matches nothing.
func (r *iptablesRule) otherOption(word string) bool {
	switch word {
	case "-m", "--match":
		r.endRecent()
		switch r.next() {
		case "recent":
			r.recent = &SetMatch{Set: "DEFAULT"}
		case "limit":
			r.limits["--limit"] = "3/hour" // the default
		}
	case "--limit", "--limit-burst", "--hashlimit-upto", "--hashlimit-above", "--hashlimit-burst", "--hashlimit-mode", "--hashlimit-name",
		"--hashlimit-srcmask", "--hashlimit-htable-size", "--hashlimit-htable-max", "--hashlimit-htable-expire", "--hashlimit-htable-gcinterval":
		r.limits[word] = r.next()
		r.unmodelled = r.unmodelled || r.negated
	case "--comment", "--log-prefix", "--log-level", "--reject-with":
		r.next()
	case "-j", "--jump", "-g", "--goto":
		r.endRecent()
		r.send(r.next(), word == "-g" || word == "--goto")
	default:
		return false
	}
	return true
}

// limit adds the limits of a rule's options. It models only those that count by
// source.
func (r *Rule) limit(options map[string]string) {
	add := func(l *Limit) {
		r.unmodelled = r.unmodelled || l == nil
		if l != nil {
			r.Limits = append(r.Limits, l)
		}
	}
	if rate, ok := options["--limit"]; ok {
		add(parseLimit(rate, options["--limit-burst"], false))
	}
	mode := options["--hashlimit-mode"]
	above, over := options["--hashlimit-above"]
	upto, under := options["--hashlimit-upto"]
	switch burst := options["--hashlimit-burst"]; {
	case mode != "" && mode != "srcip":
		r.unmodelled = true
	case over:
		add(parseLimit(above, burst, true))
	case under:
		add(parseLimit(upto, burst, false))
	}
}

// name records a list at its first use: the kernel creates it then, with the mask
// of that rule.
func (d *dump) name(list, mask string) {
	if d.named[list] {
		return
	}
	d.named[list] = true
	if strings.Contains(mask, ".") {
		d.cut = append(d.cut, list)
	}
}

// send sets the verdict for a target; goes is -g instead of -j.
func (r *Rule) send(target string, goes bool) {
	switch target {
	case "ACCEPT":
		r.Verdict = Accept
	case "DROP", "REJECT", "TARPIT":
		r.Verdict = Drop
	case "RETURN":
		r.Verdict = Return
	case "DNAT", "REDIRECT":
		r.Verdict = DNAT
	case "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TCPMSS", "":
	default:
		r.Verdict, r.Target = Jump, target
		if goes {
			r.Verdict = Goto
		}
	}
}

// ports parses 22, 22:25, ssh and lists of these.
func (d *dump) ports(s string) []PortRange {
	all := []PortRange{}
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRun := strings.Cut(part, ":")
		a := d.port(first)
		b := a
		if isRun {
			b = d.port(last)
			if last == "" {
				b = 65535
			}
		}
		all = append(all, PortRange{a, b})
	}
	return all
}

// port parses one port. It numbers other words, as -1, -2 and so on.
func (d *dump) port(s string) int {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return int(n)
	}
	if s == "ssh" {
		return 22
	}
	if s == "" {
		return 0
	}
	i := slices.Index(d.words, s)
	if i < 0 {
		i = len(d.words)
		d.words = append(d.words, s)
	}
	return -1 - i
}

// anyAddress reports whether s includes every address.
func anyAddress(s string) bool { return strings.HasSuffix(s, "/0") }

// ownAddress reports whether s may be an address of the machine: not multicast,
// broadcast or loopback.
func ownAddress(s string) bool {
	s, _, _ = strings.Cut(s, "/")
	a, err := netip.ParseAddr(s)
	return err == nil && !a.IsMulticast() && !a.IsLoopback() && !(a.Is4() && a.As4()[3] == 255)
}

// split splits a line into words, with the quotes of iptables and the shell.
func split(line string) (words []string) {
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, c := range line {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == '#' && !inWord:
			return words
		case c == ' ' || c == ';':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}
