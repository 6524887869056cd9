package netfilter

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"rapport/knock/netfilter/machine"
)

// protocol matches a protocol by its name or number.
func (r *ruleReader) protocol(name string) machine.Part {
	name = strings.ToLower(name)
	if name == "ipv6-icmp" || name == "icmpv6" {
		r.d.six[r.d.current] = true
	}
	in, ok := valueOf(machine.Protocol, name)
	switch {
	case name == "all" || ok && in == machine.One(machine.Value{}):
		return machine.Fixed{Is: !r.negate, Text: "any protocol"}
	case !ok:
		return machine.Unmodelled{Text: "the protocol " + name}
	}
	return &machine.Compare{Field: machine.Field{Subject: machine.Protocol}, In: []machine.Range{in}, Negate: r.negate}
}

// address matches a list of addresses, prefixes or ranges.
func (r *ruleReader) address(s machine.Subject) {
	a := &machine.Compare{Field: machine.Field{Subject: s}, Negate: r.negate}
	for one := range strings.SplitSeq(r.next(), ",") {
		r.d.sees(one)
		in, ok := parsePrefix(one)
		if !ok {
			r.addHead(machine.Unmodelled{Text: "the address " + one})
			return
		}
		a.In = append(a.In, in)
		a.Own = a.Own || ownAddress(one)
	}
	r.addHead(a)
}

// ownAddress reports whether a prefix may be an address of the machine: not
// multicast, broadcast or loopback.
func ownAddress(s string) bool {
	s, _, _ = strings.Cut(s, "/")
	s, _, _ = strings.Cut(s, "-")
	a, err := netip.ParseAddr(s)
	return err == nil && !a.IsMulticast() && !a.IsLoopback() && !(a.Is4() && a.As4()[3] == 255)
}

// state matches states of a connection. DNAT and SNAT alone are bits of its status.
func (r *ruleReader) state(names string) {
	subject := machine.ConnState
	if n := strings.ToLower(names); n == "dnat" || n == "snat" {
		subject = machine.ConnStatus
	}
	r.bits(subject, names)
}

func (r *ruleReader) iface(out bool) {
	r.addHead(&machine.IfaceMatch{Out: out, Names: []string{r.next()}, Negate: r.negate})
}

// tcpFlags matches SYNs and the like.
func (r *ruleReader) tcpFlags(mask, flags string) {
	r.masked(machine.Field{Subject: machine.TCPFlags, Need: machine.TCP}, *bitsOf(machine.TCPFlags, names(flags)), *bitsOf(machine.TCPFlags, names(mask)))
}

// names splits a list of names, which iptables writes in capitals.
func names(list string) []string { return strings.Split(strings.ToLower(list), ",") }

func (r *ruleReader) mark() {
	f := machine.Field{Subject: machine.Mark}
	if r.module == "connmark" {
		f.Subject = machine.ConnMark
	}
	v, mask := valueMask(r.next())
	r.masked(f, machine.Number(v), machine.Number(mask))
}

// compareNames adds a match of a subject with values that have names.
func (r *ruleReader) compareNames(s machine.Subject, list string) {
	var in []machine.Range
	for _, name := range names(list) {
		if v, ok := named(s, name); ok {
			in = append(in, machine.One(v))
		}
	}
	r.compare(s, in...)
}

// memberMatch matches a set of ipset, given its name and what it holds.
func (r *ruleReader) memberMatch(set, holds string) {
	switch items := r.d.ipsets[set]; {
	case holds != "src":
		r.unmodelled("the set " + set)
	case items != nil:
		r.add(&machine.Lookup{Fields: []machine.Field{{Subject: machine.SourceAddr}}, Items: items, Negate: r.negate})
	default:
		r.add(&machine.MemberMatch{Set: set, Negate: r.negate})
	}
}

func (r *ruleReader) policy() {
	r.fixed(r.values["--pol"] == "none" != r.flags["--pol"], "no IPsec")
}

// rpfilter passes packets whose way back is the way they came.
func (r *ruleReader) rpfilter() {
	_, inverted := r.values["--invert"]
	r.fixed(!inverted, "it comes the way back leads")
}

func (r *ruleReader) recentMatch() {
	m := &machine.Recent{List: r.values["--name"], Within: time.Duration(r.number("--seconds", 1<<32-1)) * time.Second, Hits: r.number("--hitcount", maxHits)}
	mask := r.values["--mask"]
	m.Mask, _ = netip.ParseAddr(mask)
	r.d.sees(mask)
	if m.List == "" {
		m.List = "DEFAULT"
	}
	_, m.ByDest = r.values["--rdest"]
	_, m.Reap = r.values["--reap"]
	for _, mode := range []machine.Mode{machine.ModeCheck, machine.ModeUpdate, machine.ModeRemove, machine.ModeSet} {
		if _, ok := r.values["--"+string(mode)]; ok {
			m.Mode, m.Negate = mode, r.flags["--"+string(mode)]
		}
	}
	if m.Mode != "" {
		r.d.name(m.List, mask)
		r.add(m)
	}
}

// maxHits is how many times of additions a list can hold (XT_RECENT_MAX_NSTAMPS of
// Linux 6.10; before it was 255).
const maxHits = 65535

// number parses an option that takes a number from 1 on, 0 where it is not given.
func (r *ruleReader) number(option string, most int) int {
	text, given := r.values[option]
	n, err := strconv.Atoi(text)
	if given && (err != nil || n < 1 || n > most) && !strings.Contains(text, "$") {
		r.d.flaw(Impossible, fmt.Sprintf("%s %s is not within 1-%d", option, text, most))
		return 0
	}
	return n
}

func (r *ruleReader) limitMatch() {
	rate, ok := parseRate(cmp.Or(r.values["--limit"], "3/hour"), r.values["--limit-burst"], r.flags["--limit"])
	if !ok {
		r.unmodelled("the limit")
		return
	}
	r.add(&machine.Limit{Rate: rate})
}

func (r *ruleReader) hashlimitMatch() {
	text, over := r.values["--hashlimit-above"], true
	for _, option := range []string{"--hashlimit", "--hashlimit-upto"} {
		if v := r.values[option]; v != "" {
			text, over = v, r.flags[option]
		}
	}
	rate, ok := parseRate(text, r.values["--hashlimit-burst"], over != r.flags["--hashlimit-above"])
	if !ok {
		r.unmodelled("the limit " + text)
		return
	}
	h := &machine.HashLimit{Rate: rate, Table: r.values["--hashlimit-name"],
		Most:   tableMax(atoi(r.values["--hashlimit-htable-max"]), atoi(r.values["--hashlimit-htable-size"])),
		Expire: cmp.Or(time.Duration(atoi(r.values["--hashlimit-htable-expire"]))*time.Millisecond, unitOf(text)),
		Every:  cmp.Or(time.Duration(atoi(r.values["--hashlimit-htable-gcinterval"]))*time.Millisecond, time.Second)}
	for mode := range strings.SplitSeq(r.values["--hashlimit-mode"], ",") {
		switch mode {
		case "srcip":
			h.Fields = append(h.Fields, addrKey(machine.SourceAddr, r.values["--hashlimit-srcmask"]))
		case "dstip":
			h.Fields = append(h.Fields, addrKey(machine.DestAddr, r.values["--hashlimit-dstmask"]))
		case "srcport":
			h.Fields = append(h.Fields, machine.Field{Subject: machine.SourcePort})
		case "dstport":
			h.Fields = append(h.Fields, machine.Field{Subject: machine.Port})
		}
	}
	r.add(h)
}

// tableMax returns how many entries a table of hashlimit may have: at least one for
// each of its buckets, which are 8192 on a machine with 1 GiB or more (htable_create).
func tableMax(most, size int) int {
	size = cmp.Or(size, 8192)
	return max(cmp.Or(most, 8*size), size)
}

// addrKey is an address of which the first bits count.
func addrKey(s machine.Subject, bits string) machine.Field {
	f := machine.Field{Subject: s}
	if n, err := strconv.Atoi(bits); err == nil {
		if f.Prefix = n; n <= 0 {
			f.Mask = &machine.Value{}
		}
	}
	return f
}

func (r *ruleReader) connlimitMatch() {
	if _, byDest := r.values["--connlimit-daddr"]; byDest {
		r.unmodelled("--connlimit-daddr")
		return
	}
	most, upto := r.values["--connlimit-above"], r.flags["--connlimit-above"]
	if v, ok := r.values["--connlimit-upto"]; ok {
		most, upto = v, !r.flags["--connlimit-upto"]
	}
	c := &machine.ConnLimit{Count: machine.ConnCount{Most: atoi(most), Over: !upto}, Prefix: 128}
	if v := r.values["--connlimit-mask"]; v != "" {
		c.Prefix = atoi(v)
	}
	r.add(c)
}
