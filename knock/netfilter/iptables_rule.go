package netfilter

import (
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
)

// ruleReader reads the options of one iptables rule.
type ruleReader struct {
	d      *dump
	w      []string
	i      int  // of the option
	negate bool // there is a "!" before it
	rule   *machine.Rule
	// head are the conditions on addresses, interfaces and the protocol, which the
	// kernel tests before the matches, whatever their place in the text.
	head   []machine.Part
	module string            // of the last -m
	values map[string]string // options that the end of the module reads together
	flags  map[string]bool   // which of them stood behind a "!"
	target string
	goes   bool // by goto
}

// rule reads what follows the chain's name.
func (d *dump) rule(w []string) *machine.Rule {
	r := ruleReader{d: d, w: w, rule: &machine.Rule{}}
	r.startModule("")
	for ; r.i < len(w); r.i++ {
		if w[r.i] == "!" {
			r.negate = true
			continue
		}
		r.option(w[r.i])
		r.negate = false
	}
	r.endModule()
	r.send()
	r.rule.Parts = append(r.head, r.rule.Parts...)
	return r.rule
}

// option reads one option with its values.
func (r *ruleReader) option(word string) {
	if long, ok := otherNames[word]; ok {
		word = long
	}
	read := ruleOptions[word]
	m, known := modules[r.module]
	switch {
	case r.target != "" && word != "--jump" && word != "--goto":
		r.store(word)
	case slices.Contains(m.options, word):
		r.store(word)
	case read != nil:
		read(r)
	case strings.HasPrefix(word, "-") && known:
		r.unmodelled(word)
	}
}

// store keeps an option for the end of its module, or for the target.
func (r *ruleReader) store(word string) {
	if strings.HasPrefix(word, "-") {
		r.flags[word] = r.negate
		r.values[word] = r.next()
	}
}

// next returns the value of an option, "" if another option follows.
func (r *ruleReader) next() string {
	if r.i+1 < len(r.w) && !strings.HasPrefix(r.w[r.i+1], "--") && r.w[r.i+1] != "!" && !isShort(r.w[r.i+1]) {
		r.i++
		return r.w[r.i]
	}
	return ""
}

// isShort reports whether a word is an option of one letter.
func isShort(w string) bool {
	return len(w) == 2 && w[0] == '-' && (w[1] < '0' || w[1] > '9')
}

func (r *ruleReader) add(p machine.Part) { r.rule.Parts = append(r.rule.Parts, p) }

// addHead adds a condition that the kernel tests before the matches.
func (r *ruleReader) addHead(p machine.Part) { r.head = append(r.head, p) }

// fixed adds a match whose outcome does not depend on the packet.
func (r *ruleReader) fixed(is bool, text string) { r.add(machine.Fixed{Is: is, Text: text}) }

// unmodelled adds a match that is not known.
func (r *ruleReader) unmodelled(text string) {
	r.add(machine.Unmodelled{Text: knock.Clean(text, maxRuleLine)})
}

// compare adds a match of a subject with ranges.
func (r *ruleReader) compare(s machine.Subject, in ...machine.Range) {
	r.add(&machine.Compare{Field: machine.Field{Subject: s}, In: in, Negate: r.negate})
}

// bits adds a match of a subject with any of the bits that have these names.
func (r *ruleReader) bits(s machine.Subject, list string) {
	r.add(&machine.Compare{Field: machine.Field{Subject: s}, In: []machine.Range{machine.One(*bitsOf(s, names(list)))}, Negate: r.negate, Bits: true})
}

// masked adds a match of a subject's bits under a mask with v.
func (r *ruleReader) masked(f machine.Field, v, mask machine.Value) {
	f.Mask = &mask
	r.add(&machine.Compare{Field: f, In: []machine.Range{machine.One(v)}, Negate: r.negate})
}

// jump reads the target.
func (r *ruleReader) jump(goes bool) {
	r.endModule()
	r.target, r.goes = r.next(), goes
	r.startModule("")
}

// startModule begins the options of a match.
func (r *ruleReader) startModule(name string) {
	r.module, r.values, r.flags = name, map[string]string{}, map[string]bool{}
	if _, known := modules[name]; !known {
		r.unmodelled("-m " + name)
	}
}

// endModule adds the match whose options have been read together.
func (r *ruleReader) endModule() {
	if m := modules[r.module]; m.end != nil {
		m.end(r)
	}
	r.module = ""
}

// module is a match whose options make one condition together.
type module struct {
	options []string
	end     func(*ruleReader)
}

// modules are the matches that are modelled. A match without a module of its own
// has its options in ruleOptions.
var modules = map[string]module{
	"": {}, "tcp": {}, "udp": {}, "sctp": {}, "dccp": {}, "icmp": {}, "icmp6": {}, "icmpv6": {}, "multiport": {}, "state": {}, "conntrack": {}, "comment": {},
	"mark": {}, "connmark": {}, "addrtype": {}, "iprange": {}, "set": {}, "pkttype": {}, "dscp": {}, "tos": {},
	"policy":    {[]string{"--dir", "--pol", "--strict", "--mode", "--reqid", "--proto"}, (*ruleReader).policy},
	"rpfilter":  {[]string{"--invert", "--loose", "--validmark", "--accept-local"}, (*ruleReader).rpfilter},
	"recent":    {[]string{"--name", "--rcheck", "--update", "--remove", "--set", "--seconds", "--hitcount", "--reap", "--rttl", "--rsource", "--rdest", "--mask"}, (*ruleReader).recentMatch},
	"limit":     {[]string{"--limit", "--limit-burst"}, (*ruleReader).limitMatch},
	"hashlimit": {[]string{"--hashlimit", "--hashlimit-upto", "--hashlimit-above", "--hashlimit-burst", "--hashlimit-mode", "--hashlimit-name", "--hashlimit-srcmask", "--hashlimit-dstmask", "--hashlimit-htable-size", "--hashlimit-htable-max", "--hashlimit-htable-expire", "--hashlimit-htable-gcinterval"}, (*ruleReader).hashlimitMatch},
	"connlimit": {[]string{"--connlimit-above", "--connlimit-upto", "--connlimit-mask", "--connlimit-saddr", "--connlimit-daddr"}, (*ruleReader).connlimitMatch},
}

// otherNames are other names of options.
var otherNames = map[string]string{"-p": "--protocol", "-s": "--source", "--src": "--source", "-d": "--destination", "--dst": "--destination",
	"-i": "--in-interface", "-o": "--out-interface", "-m": "--match", "-j": "--jump", "-g": "--goto", "--destination-port": "--dport",
	"--destination-ports": "--dport", "--dports": "--dport", "--source-port": "--sport", "--source-ports": "--sport", "--sports": "--sport",
	"--ctstate": "--state", "-f": "--fragment"}

// ruleOptions are the options that are conditions of their own.
var ruleOptions = map[string]func(*ruleReader){
	"--protocol":      func(r *ruleReader) { r.addHead(r.protocol(r.next())) },
	"--source":        func(r *ruleReader) { r.address(machine.SourceAddr) },
	"--destination":   func(r *ruleReader) { r.address(machine.DestAddr) },
	"--src-range":     func(r *ruleReader) { r.address(machine.SourceAddr) },
	"--dst-range":     func(r *ruleReader) { r.address(machine.DestAddr) },
	"--in-interface":  func(r *ruleReader) { r.iface(false) },
	"--out-interface": func(r *ruleReader) { r.iface(true) },
	"--fragment":      func(r *ruleReader) { r.addHead(machine.Fixed{Is: r.negate, Text: "not a fragment"}) },
	"--match":         func(r *ruleReader) { r.endModule(); r.startModule(r.next()) },
	"--jump":          func(r *ruleReader) { r.jump(false) },
	"--goto":          func(r *ruleReader) { r.jump(true) },

	"--dport":       func(r *ruleReader) { r.compare(machine.Port, r.d.ports(r.next())...) },
	"--sport":       func(r *ruleReader) { r.compare(machine.SourcePort, r.d.ports(r.next())...) },
	"--ports":       func(r *ruleReader) { r.add(&machine.EitherPort{In: r.d.ports(r.next()), Negate: r.negate}) },
	"--syn":         func(r *ruleReader) { r.tcpFlags("FIN,SYN,RST,ACK", "SYN") },
	"--tcp-flags":   func(r *ruleReader) { mask := r.next(); r.tcpFlags(mask, r.next()) },
	"--icmp-type":   func(r *ruleReader) { r.unmodelled("the ICMP type " + r.next()) },
	"--icmpv6-type": func(r *ruleReader) { r.unmodelled("the ICMP type " + r.next()) },

	"--state":         func(r *ruleReader) { r.state(r.next()) },
	"--ctstatus":      func(r *ruleReader) { r.bits(machine.ConnStatus, r.next()) },
	"--ctorigdstport": func(r *ruleReader) { r.compare(machine.OriginalPort, r.d.ports(r.next())...) },
	"--ctdir":         func(r *ruleReader) { r.compareNames(machine.ConnDirection, r.next()) },
	"--ctproto":       func(r *ruleReader) { r.add(r.protocol(r.next())) },
	"--mark":          (*ruleReader).mark,

	"--match-set": func(r *ruleReader) { r.memberMatch(r.next(), r.next()) },
	"--comment":   func(r *ruleReader) { r.i++ },
	"--src-type":  func(r *ruleReader) { r.compareNames(machine.SourceType, r.next()) },
	"--dst-type":  func(r *ruleReader) { r.compareNames(machine.DestType, r.next()) },
	"--pkt-type": func(r *ruleReader) {
		r.fixed(strings.EqualFold(r.next(), "unicast") != r.negate, "a packet to one host")
	},
	"--dscp": func(r *ruleReader) { r.fixed(strings.Trim(r.next(), "0x") == "" != r.negate, "type of service 0") },
	"--tos":  func(r *ruleReader) { v, _ := valueMask(r.next()); r.fixed(v == 0 != r.negate, "type of service 0") },
}
