package netfilter

import "rapport/knock/netfilter/machine"

// The names that iptables and nft have for values.

// verdictNames are the words of nft, and without their capitals the targets of
// iptables, that decide by themselves.
var verdictNames = map[string]machine.Verdict{"accept": machine.Accept, "snat": machine.Accept, "masquerade": machine.Accept, "netmap": machine.Accept,
	"drop": machine.Drop, "tarpit": machine.Drop, "steal": machine.Drop, "reject": machine.Reject, "return": machine.Return,
	"queue": machine.Undecided, "nfqueue": machine.Undecided, "tproxy": machine.Undecided, "synproxy": machine.Undecided}

var protoNames = map[string]machine.Proto{"icmp": machine.ICMP, "tcp": machine.TCP, "udp": machine.UDP, "icmpv6": machine.ICMPv6, "ipv6-icmp": machine.ICMPv6,
	"igmp": 2, "esp": 50, "ah": 51, "gre": 47, "sctp": sctp, "dccp": dccp, "udplite": 136, "ospf": 89, "vrrp": 112}

// Protocols with ports that are not modelled.
const (
	dccp machine.Proto = 33
	sctp machine.Proto = 132
)

var flagNames = map[string]machine.Flags{"fin": machine.FIN, "syn": machine.SYN, "rst": machine.RST, "psh": machine.PSH, "ack": machine.ACK, "urg": machine.URG,
	"ecn": machine.ECE, "ece": machine.ECE, "cwr": machine.CWR, "all": machine.FIN | machine.SYN | machine.RST | machine.PSH | machine.ACK | machine.URG}

var stateNames = map[string]machine.State{"invalid": machine.StateInvalid, "established": machine.StateEstablished, "related": machine.StateRelated,
	"new": machine.StateNew, "untracked": machine.StateUntracked}

var statusNames = map[string]machine.Status{"expected": machine.StatusExpected, "seen-reply": machine.StatusSeenReply, "seen_reply": machine.StatusSeenReply, "assured": machine.StatusAssured,
	"confirmed": machine.StatusConfirmed, "snat": machine.StatusSNAT, "dnat": machine.StatusDNAT, "dying": machine.StatusDying}

// addressTypes are those of rtnetlink(7).
var addressTypes = map[string]int{"unspec": 0, "unicast": machine.TypeUnicast, "local": machine.TypeLocal, "broadcast": 3, "anycast": 4, "multicast": 5,
	"blackhole": 6, "unreachable": 7, "prohibit": 8}

// services are the names of ports that nft files use.
var services = map[string]int{"ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "time": 37, "domain": 53, "bootps": 67, "bootpc": 68, "tftp": 69, "http": 80, "pop3": 110,
	"sunrpc": 111, "ntp": 123, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "imap": 143, "imap2": 143, "snmp": 161, "bgp": 179, "ldap": 389, "https": 443, "microsoft-ds": 445,
	"submissions": 465, "syslog": 514, "submission": 587, "ipp": 631, "ldaps": 636, "imaps": 993, "pop3s": 995, "openvpn": 1194, "nfs": 2049, "mysql": 3306, "ms-wbt-server": 3389, "mdns": 5353, "postgresql": 5432, "x11": 6000}

// valueNames are the names of the values of a subject that has few.
var valueNames = map[machine.Subject]map[string]int{
	machine.Family:        {"ipv4": machine.FamilyV4, "ipv6": machine.FamilyV6, "2": machine.FamilyV4, "10": machine.FamilyV6}, // nft -nn prints numbers
	machine.LinkProtocol:  {"ip": machine.LinkIPv4, "ip6": machine.LinkIPv6, "arp": 0x0806, "vlan": 0x8100},
	machine.ConnDirection: {"original": 0, "reply": 1},
	machine.ReverseRoute:  {"missing": 0, "exists": 1},
	machine.PacketType:    {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3},
}

// named returns the value that a word names, by what it is compared with.
func named(s machine.Subject, w string) (v machine.Value, ok bool) {
	switch s {
	case machine.ConnState:
		return find(stateNames, w)
	case machine.TCPFlags:
		return find(flagNames, w)
	case machine.ConnStatus:
		return find(statusNames, w)
	case machine.Protocol:
		return find(protoNames, w)
	case machine.SourceType, machine.DestType:
		return find(addressTypes, w)
	case machine.Port, machine.SourcePort:
		return find(services, w)
	case machine.UnknownSubject:
		if v, ok = find(services, w); !ok {
			return find(protoNames, w)
		}
		return v, ok
	case machine.TypeOfService:
		if w == "cs0" {
			return v, true
		}
		return machine.Number(1), true
	}
	n, all := valueNames[s], valueNames[s] != nil
	return machine.Number(n[w]), all
}

func find[N ~int | ~uint8 | ~uint16](names map[string]N, w string) (machine.Value, bool) {
	n, ok := names[w]
	return machine.Number(n), ok
}
