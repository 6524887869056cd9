package netfilter

import (
	"slices"
	"strconv"
	"strings"

	"rapport/knock/netfilter/machine"
)

// fields reads what a match or a set statement takes from a packet, such as
// "ip saddr . tcp dport". It returns false if it does not know one of them; its
// words are read all the same.
func (r *nftRule) fields() (all []machine.Field, ok bool) {
	ok = true
	for {
		f, known := r.field()
		all, ok = append(all, f), ok && known
		if !r.took(".") || len(all) == machine.MaxFields {
			return all, ok
		}
	}
}

// field reads one of them.
func (r *nftRule) field() (machine.Field, bool) {
	header := r.next()
	if f, ok := nftFields[header]; ok {
		return f, true
	}
	if isNumber(header) { // an element has a value of its own, such as the next port
		in, ok := valueOf(machine.UnknownSubject, header)
		return machine.Field{Subject: machine.Constant, Value: in.From}, ok
	}
	name := r.next()
	if header == "meta" {
		f, ok := nftFields[name]
		return f, ok
	}
	if name == "original" || name == "reply" || header == "fib" {
		for r.more() && !slices.Contains([]string{"==", "!=", "{", "vmap", "missing", "exists"}, r.peek()) && !isNumber(r.peek()) && !isTypeName(r.peek()) {
			name += " " + r.next()
		}
	}
	f, ok := nftFields[header+" "+name]
	return f, ok
}

func isNumber(w string) bool { return w != "" && w[0] >= '0' && w[0] <= '9' }

func isTypeName(w string) bool { _, ok := addressTypes[w]; return ok }

// nftFields are the expressions of nft that are modelled, without "meta".
var nftFields = map[string]machine.Field{
	"tcp dport":             {Subject: machine.Port, Need: machine.TCP},
	"tcp sport":             {Subject: machine.SourcePort, Need: machine.TCP},
	"udp dport":             {Subject: machine.Port, Need: machine.UDP},
	"udp sport":             {Subject: machine.SourcePort, Need: machine.UDP},
	"th dport":              {Subject: machine.Port},
	"th sport":              {Subject: machine.SourcePort},
	"sctp dport":            {Subject: machine.Port, Need: sctp},
	"dccp dport":            {Subject: machine.Port, Need: dccp},
	"tcp flags":             {Subject: machine.TCPFlags, Need: machine.TCP},
	"icmp type":             {Subject: machine.ICMPType, Need: machine.ICMP},
	"icmpv6 type":           {Subject: machine.ICMPType, Need: machine.ICMPv6},
	"ip saddr":              {Subject: machine.SourceAddr, Family: machine.FamilyV4},
	"ip daddr":              {Subject: machine.DestAddr, Family: machine.FamilyV4},
	"ip protocol":           {Subject: machine.Protocol, Family: machine.FamilyV4},
	"ip dscp":               {Subject: machine.TypeOfService, Family: machine.FamilyV4},
	"ip6 saddr":             {Subject: machine.SourceAddr, Family: machine.FamilyV6},
	"ip6 daddr":             {Subject: machine.DestAddr, Family: machine.FamilyV6},
	"ip6 nexthdr":           {Subject: machine.Protocol, Family: machine.FamilyV6},
	"ip6 dscp":              {Subject: machine.TypeOfService, Family: machine.FamilyV6},
	"protocol":              {Subject: machine.LinkProtocol},
	"l4proto":               {Subject: machine.Protocol},
	"nfproto":               {Subject: machine.Family},
	"mark":                  {Subject: machine.Mark},
	"iif":                   {Subject: machine.InInterface},
	"iifname":               {Subject: machine.InInterface},
	"oif":                   {Subject: machine.OutInterface},
	"oifname":               {Subject: machine.OutInterface},
	"pkttype":               {Subject: machine.PacketType},
	"ct state":              {Subject: machine.ConnState},
	"ct mark":               {Subject: machine.ConnMark},
	"ct status":             {Subject: machine.ConnStatus},
	"ct direction":          {Subject: machine.ConnDirection},
	"ct original proto-dst": {Subject: machine.OriginalPort},
	"fib saddr type":        {Subject: machine.SourceType},
	"fib daddr type":        {Subject: machine.DestType},
	"fib daddr . iif type":  {Subject: machine.DestType},

	"fib saddr oif":              {Subject: machine.ReverseRoute},
	"fib saddr . iif oif":        {Subject: machine.ReverseRoute},
	"fib saddr . mark . iif oif": {Subject: machine.ReverseRoute},
}

// valueOf parses a value, a range or a prefix of a subject.
func valueOf(s machine.Subject, w string) (machine.Range, bool) {
	if w == "*" {
		return machine.AtLeast(machine.Value{}), true
	}
	if isInterface(s) || strings.HasPrefix(w, `"`) {
		return machine.One(machine.InterfaceValue(strings.TrimPrefix(w, `"`))), true
	}
	if v, ok := named(s, w); ok {
		return machine.One(v), true
	}
	if n, err := strconv.ParseUint(w, 0, 64); err == nil {
		if s == machine.ConnState {
			return machine.One(machine.Number(kernelState(n))), true
		}
		return machine.One(machine.Number(n)), true
	}
	first, last, isRange := strings.Cut(w, "-")
	if a, ok := portNumber(first); ok && isRange {
		b, ok := portNumber(last)
		return machine.Range{From: a, To: b}, ok
	}
	return parsePrefix(w)
}

// portNumber parses a port by its number or its name.
func portNumber(s string) (machine.Value, bool) {
	if n, err := strconv.ParseUint(s, 0, 32); err == nil {
		return machine.Number(n), true
	}
	return find(services, s)
}
