package arrivals

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

// Code names a finding. Codes are a contract: others read them in JSON.
type Code string

// The codes of findings about a client.
const (
	HourBehind     Code = "hour-behind"     // it knocks an earlier hour's sequence
	HourAhead      Code = "hour-ahead"      // a later hour's
	RangeDiffers   Code = "range"           // with another range
	SecretVariant  Code = "secret-variant"  // with a secret that was changed on its way
	RulesStale     Code = "rules-stale"     // it is right, and the gate has another hour
	KnockMissing   Code = "knock-missing"   // a knock did not arrive
	KnockLost      Code = "knock-lost"      // it left the client and did not arrive
	KnockUnsent    Code = "knock-unsent"    // it did not leave the client
	Reordered      Code = "reordered"       // a knock arrived before the one that it follows
	Late           Code = "late"            // a knock came after the window of the one before
	StartedOver    Code = "started-over"    // a strict gate forgot it, for a wrong knock in between
	NoSSH          Code = "no-ssh"          // the handshake is complete, and SSH was not tried
	SSHLate        Code = "ssh-late"        // SSH was tried when the window was over
	SSHEarly       Code = "ssh-early"       // only before the handshake was complete
	SSHLost        Code = "ssh-lost"        // the handshake is complete, and SSH left the client and did not arrive
	SSHPort        Code = "ssh-port"        // the handshake is complete, and another port was tried in place of SSH
	NoKnocks       Code = "no-knocks"       // SSH was tried, and no handshake was seen
	Mixed          Code = "mixed"           // it sends another client's ports too
	CutOff         Code = "cut-off"         // the observation ended before it was over
	AddressChanges Code = "address-changes" // knocks and SSH, or some of the knocks, come from another address
	OtherFamily    Code = "other-family"    // SSH comes by the other IP family
	NoCandidate    Code = "no-candidate"    // no candidate makes its ports
	Sweep          Code = "sweep"           // a scan over many ports
	Ignored        Code = "ignored"         // the sweep guard ignores it
	Replayed       Code = "replayed"        // all is right, another address used the sequence before, and SSH is silent
	Unanswered     Code = "unanswered"      // all is right, and SSH is silent
	SSHRefused     Code = "ssh-refused"     // the gate opened, and SSH is refused
	KnocksRejected Code = "knocks-rejected" // something answers the knocks
	KnocksSeized   Code = "knocks-accepted" // something accepts connections at ports of the range
	RuleStops      Code = "rule"            // all is right, and a rule of the server stops it
	GateDiffers    Code = "gate-differs"    // all is right, and the gate wants another handshake
	SSHSilent      Code = "ssh-silent"      // it got in, and sshd said nothing
)

// Finding is one mistake, or one thing that went wrong on the way. Fields that do not
// concern its code are zero.
type Finding struct {
	Code    Code
	Knocks  []int         // which of the five, 1 to 5
	Before  int           // of Reordered: the knock that it arrived before
	Took    time.Duration // how late, or how long a sweep took
	Window  time.Duration
	Hours   int    // of an hour that differs; not negative
	Ports   int    // of a sweep, or of another client: how many
	Port    uint16 // that was tried in place of SSH
	SSH     uint16 // the gate's port of SSH
	Guard   int    // how many wrong ports a minute the gate forgives
	Range   knock.Range
	Gate    knock.Range // the gate's
	Variant solve.Variant
	Addrs   []netip.Addr
	Answer  Kind
	Between bool // the answer does not come from the server
	// Rule is the one of the server that decided, nil where its rules were not asked. With
	// Unanswered and SSHRefused it let SSH in.
	Rule  *Rule
	Wants *Wants // of GateDiffers
	Waits int    // connections that sshd has not taken, 0 is none or not known
}

// Summary says in a few words what was found.
func (f Finding) Summary() string {
	switch f.Code {
	case HourBehind:
		return "knocks the sequence of " + phrase.Plural(f.Hours, "hour") + " ago"
	case HourAhead:
		return "knocks the sequence of " + phrase.Plural(f.Hours, "hour") + " ahead"
	case RangeDiffers:
		return fmt.Sprintf("uses range %v, the gate has %v", f.Range, f.Gate)
	case SecretVariant:
		return "uses the secret " + f.Variant.Words()
	case RulesStale:
		return "knocks this hour's sequence; the gate's rules are of another hour"
	case KnockMissing:
		return ordinals(f.Knocks) + " never arrived"
	case KnockLost:
		return ordinals(f.Knocks) + " left the client and never arrived"
	case KnockUnsent:
		return ordinals(f.Knocks) + " never left the client"
	case Reordered:
		return fmt.Sprintf("%s arrived before the %s", ordinals(f.Knocks), ordinal(f.Before))
	case Late:
		return fmt.Sprintf("%s came %s after the one before; the window is %s", ordinals(f.Knocks), phrase.Seconds(f.Took), phrase.Duration(f.Window))
	case StartedOver:
		return "a wrong or repeated knock between the five made this gate start over"
	case Replayed:
		return fmt.Sprintf("handshake complete, SSH silent; %s used this sequence before", addresses(f.Addrs))
	case Unanswered:
		s := "handshake complete and in time, and SSH stayed silent"
		if len(f.Addrs) > 0 {
			s += "; " + addresses(f.Addrs) + " used this sequence before, so perhaps a replay guard refuses it"
		}
		if f.Rule != nil {
			s += "; the server's rules as they stand let it in"
		}
		if f.Waits > 0 {
			s += fmt.Sprintf("; %d connections wait for sshd", f.Waits)
		}
		return s
	case RuleStops:
		return f.aboutRule()
	case GateDiffers:
		return "handshake complete, and the gate wants " + f.Wants.words()
	}
	return f.aboutSSH()
}

// aboutSSH is Summary for what concerns connections and sources.
func (f Finding) aboutSSH() string {
	switch f.Code {
	case NoSSH:
		return "handshake complete, and nothing came to SSH"
	case SSHLate:
		return fmt.Sprintf("SSH was tried %s after the last knock; the window is %s", phrase.Seconds(f.Took), phrase.Duration(f.Window))
	case SSHEarly:
		return "SSH was tried before the last knock only"
	case SSHLost:
		s := "handshake complete; SSH left the client and never arrived"
		if f.Answer != SYN {
			s += fmt.Sprintf(", and was answered (%v)%s", f.Answer, f.by())
		}
		return s
	case SSHPort:
		return fmt.Sprintf("handshake complete, then port %d was tried; SSH is behind port %d", f.Port, f.SSH)
	case NoKnocks:
		return "SSH was tried, and no handshake was seen before it"
	case AddressChanges:
		if len(f.Knocks) > 0 {
			return fmt.Sprintf("knocks from more than one address (%s): carrier NAT", addresses(f.Addrs))
		}
		return fmt.Sprintf("knocks from one address, SSH from %s: carrier NAT", addresses(f.Addrs))
	case OtherFamily:
		return fmt.Sprintf("knocks by one IP family, SSH by the other, from %s", addresses(f.Addrs))
	case SSHRefused:
		s := "handshake complete, and SSH was refused" + f.by()
		if f.Rule != nil {
			s += "; the server's rules let it in"
		}
		return s
	case SSHSilent:
		if f.Waits > 0 {
			return fmt.Sprintf("sshd has not taken the connection (%d waiting)", f.Waits)
		}
		return "the server said nothing for " + phrase.Seconds(f.Took)
	case KnocksRejected:
		return fmt.Sprintf("knocks are answered (%v)%s", f.Answer, f.by())
	case KnocksSeized:
		return "knocks are accepted as connections" + f.by()
	}
	return f.aboutPorts()
}

// aboutPorts is Summary for ports that are no handshake's, and for what was not observed.
func (f Finding) aboutPorts() string {
	switch f.Code {
	case NoCandidate:
		return "ports of no candidate: another secret, or a scan"
	case Mixed:
		s := fmt.Sprintf("%s of no candidate beside them", phrase.Plural(f.Ports, "port"))
		if f.Hours != 0 {
			s = fmt.Sprintf("beside them the ports of another hour, %+d h", f.Hours)
		}
		return s + ": perhaps another client at the same address"
	case CutOff:
		return "what came later was not observed"
	case Sweep:
		s := fmt.Sprintf("sweep: %s in %s", phrase.Plural(f.Ports, "port"), phrase.Seconds(f.Took))
		if f.Guard > 0 {
			s += ", ignored by the guard"
		}
		return s
	case Ignored:
		return fmt.Sprintf("ignored by the sweep guard, which forgives %s a minute", phrase.Plural(f.Guard, "wrong port"))
	}
	return string(f.Code)
}

// fixes are those that need no arguments.
var fixes = map[Code]string{
	SecretVariant:  "on the client, enter the secret again, exactly as the server has it",
	RulesStale:     "on the server, refresh the rules: its timer or cron job does not run",
	KnockMissing:   "knock again; if the same knock is always missing, something on the way filters its port",
	KnockLost:      "knock again; if the same knock is always lost, something on the way filters its port",
	KnockUnsent:    "on the client, check its own firewall and its knocking program",
	Reordered:      "leave more time between knocks: rapport hosts edit HOST --gap 30ms",
	Late:           "knock faster, as rapport knock does, or give the gate a longer window",
	StartedOver:    "tell the client that the gate is strict: rapport hosts edit HOST --strict",
	NoSSH:          "connect within the window: rapport ssh HOST does both; if it did, something on the way stops SSH",
	SSHLate:        "connect at once after the last knock: rapport ssh HOST does both",
	SSHEarly:       "connect after the last knock: rapport ssh HOST does both",
	AddressChanges: "knock by a way that keeps one address: the other IP family, another network, or a VPN",
	SSHLost:        "find what stops SSH on the way: a firewall, a proxy or a tarpit",
	NoKnocks:       "if this is a client, find what drops its knocks, from its own firewall on: rapport pcap --tcpdump HOST",
	Mixed:          "if two clients share this address, have them knock one after the other",
	CutOff:         "record it again, to the end",
	OtherFamily:    "use one family for both: rapport ssh -4 HOST, or -6",
	NoCandidate:    "if this is a client, give it the server's secret: rapport hosts edit HOST",
	Sweep:          "none, if it is a stranger; a client waits a minute and knocks again",
	Ignored:        "wait until the guard forgets, a minute, and knock again with fewer wrong ports",
	Replayed:       "knock with the next hour's sequence, or raise --replay-guard on the server",
	Unanswered:     "on the server, find what stops it: rapport watch --clients there, or rapport pcap with its --rules",
	SSHRefused:     "on the server, start sshd or correct the SSH port; rapport trace says whether a rule refuses it",
	KnocksRejected: "let SYNs to the range reach the gate: find who answers them",
	KnocksSeized:   "knock past the proxy or tarpit that answers for the server",
	SSHSilent:      "on the server, restart sshd: it is stopped, or busy with other connections",
}

// Fix says in one line what to change, for that client.
func (f Finding) Fix() string {
	switch f.Code {
	case HourBehind, HourAhead:
		return "set the client's clock and time zone; or, if it is right, the server's"
	case RangeDiffers:
		return fmt.Sprintf("on the client: rapport hosts edit HOST --range %v", f.Gate)
	case SSHPort:
		return fmt.Sprintf("on the client: rapport hosts edit HOST --ssh-port %d", f.SSH)
	case RuleStops:
		return f.Rule.fix()
	case GateDiffers:
		return f.Wants.fix()
	case SSHRefused:
		if f.Rule != nil {
			return "on the server, start sshd or correct the SSH port"
		}
	case Unanswered:
		if f.Waits > 0 {
			return fixes[SSHSilent]
		}
		if f.Rule != nil {
			return "on the server, look for what remembers it, such as a ban or a limit, and for where SSH is forwarded to"
		}
	}
	return fixes[f.Code]
}

// ordinals writes "2nd knock", "2nd and 4th knocks".
func ordinals(knocks []int) string {
	words := make([]string, len(knocks))
	for i, k := range knocks {
		words[i] = ordinal(k)
	}
	switch len(words) {
	case 0:
		return "a knock"
	case 1:
		return words[0] + " knock"
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1] + " knocks"
}

// ordinal writes "2nd".
func ordinal(k int) string { return [...]string{"0th", "1st", "2nd", "3rd", "4th", "5th"}[k] }

// by writes " by 192.0.2.1", nothing where it is the server.
func (f Finding) by() string {
	switch {
	case len(f.Addrs) > 0:
		return " by " + addresses(f.Addrs)
	case f.Between:
		return " by something between client and server"
	}
	return ""
}

func addresses(all []netip.Addr) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}
