package netfilter

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rule reads what follows the chain's name. An option that it does not know makes
// the rule unmodelled.
func (d *dump) rule(w []string) (r Rule) {
	var recent *SetMatch
	limits := map[string]string{}
	var set, not bool
	most := false // matches all sources but some
	var mask string
	flushRecent := func() {
		if recent == nil {
			return
		}
		d.name(recent.Set, mask)
		mask = ""
		switch {
		case set:
			r.Updates = append(r.Updates, SetUpdate{Set: recent.Set, ByDest: recent.ByDest})
		case recent.Mode != "":
			r.Checks = append(r.Checks, *recent)
		}
		if recent.Mode == "remove" {
			r.Removes = append(r.Removes, recent.Set)
		}
		recent, set = nil, false
	}
	next := func(i *int) string {
		if *i+1 < len(w) {
			*i++
			return w[*i]
		}
		return ""
	}
	for i := 0; i < len(w); i++ {
		negated := not
		not = false
		switch w[i] {
		case "!":
			not = true
		case "-p", "--protocol":
			r.Proto = strings.ToLower(next(&i))
			if r.Proto == "6" {
				r.Proto = "tcp"
			}
			if r.Proto == "all" {
				r.Proto = ""
			}
			if strings.Contains(r.Proto, "icmpv6") || r.Proto == "ipv6-icmp" {
				r.not4 = true
			}
			r.unmodelled = r.unmodelled || negated
		case "-m", "--match":
			flushRecent()
			switch next(&i) {
			case "recent":
				recent = &SetMatch{Set: "DEFAULT"}
			case "limit":
				limits["--limit"] = "3/hour" // the default
			}
		case "--rcheck", "--update", "--remove":
			if recent != nil {
				recent.Mode, recent.Negated = w[i][2:], negated
			}
		case "--set":
			set = recent != nil
		case "--name":
			if v := next(&i); recent != nil {
				recent.Set = v
			}
		case "--seconds":
			if n, err := strconv.ParseUint(next(&i), 10, 31); err == nil && recent != nil {
				recent.Seconds = time.Duration(n) * time.Second
			}
		case "--rdest":
			if recent != nil {
				recent.ByDest = true
			}
		case "--mask":
			mask = next(&i)
			r.not4 = r.not4 || strings.Contains(mask, ":")
		case "--rsource", "--reap":
		case "--comment", "--log-prefix", "--log-level", "--reject-with":
			next(&i)
		case "--hitcount":
			if n, err := strconv.Atoi(next(&i)); err == nil && recent != nil {
				recent.Hits = n
			}
		case "--limit", "--limit-burst", "--hashlimit-upto", "--hashlimit-above", "--hashlimit-burst", "--hashlimit-mode", "--hashlimit-name",
			"--hashlimit-srcmask", "--hashlimit-htable-size", "--hashlimit-htable-max", "--hashlimit-htable-expire", "--hashlimit-htable-gcinterval":
			option := w[i]
			limits[option] = next(&i)
			r.unmodelled = r.unmodelled || negated
		case "--dport", "--dports", "--destination-port", "--destination-ports":
			p := d.ports(next(&i))
			if negated {
				p = except(p)
			}
			r.Match = r.and(Match{Ports: p})
		case "--ports": // of the source or the destination
			r.Match, r.unmodelled = r.and(Match{Ports: d.ports(next(&i))}), r.unmodelled || negated
		case "--match-set":
			next(&i)
			most, r.unmodelled = most || negated, r.unmodelled || !negated
		case "--state", "--ctstate":
			states := 0
			for s := range strings.SplitSeq(next(&i), ",") {
				states |= stateBit(s)
			}
			if negated {
				states = anyState &^ states
			}
			r.Match = r.and(Match{States: states})
		case "--syn":
			r.Match = r.and(Match{States: map[bool]int{false: StateNew, true: anyState &^ StateNew}[negated]})
		case "--tcp-flags":
			mask, flags := next(&i), next(&i)
			if mask == "FIN,SYN,RST,ACK" && flags == "SYN" {
				r.Match = r.and(Match{States: map[bool]int{false: StateNew, true: anyState &^ StateNew}[negated]})
			} else {
				r.unmodelled = true
			}
		case "-i", "--in-interface":
			r.unmodelled = isUplink(next(&i)) == negated || r.unmodelled
		case "-s", "--source":
			v := next(&i)
			r.not4 = r.not4 || strings.Contains(v, ":")
			most, r.unmodelled = most || negated, r.unmodelled || !anyAddress(v) && !negated
		case "-d", "--destination":
			v := next(&i)
			r.not4 = r.not4 || strings.Contains(v, ":")
			r.unmodelled = r.unmodelled || !ownAddress(v) || negated
		case "-j", "--jump", "-g", "--goto":
			flushRecent()
			goes := w[i] == "-g" || w[i] == "--goto"
			r.send(next(&i), goes)
		default:
			if strings.HasPrefix(w[i], "-") && r.Verdict == Next {
				r.unmodelled = true
			}
		}
	}
	flushRecent()
	r.limit(limits)
	// A drop for most sources may spare the client; an accept for most sources
	// lets nearly everybody in.
	r.unmodelled = r.unmodelled || most && r.Verdict != Accept
	return r
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
