package netfilter

import (
	"net/netip"
	"strings"

	"rapport/knock/netfilter/machine"
)

// send sets the verdict of the target, or adds its statement.
func (r *ruleReader) send() {
	o := r.values
	if v, ok := verdictNames[strings.ToLower(r.target)]; ok && r.target == strings.ToUpper(r.target) { // a chain may be called reject
		r.rule.Verdict = v
		return
	}
	switch rule := r.rule; r.target {
	case "":
	case "DNAT", "REDIRECT":
		rule.Verdict, rule.Redirect = machine.Accept, redirectTo(o["--to-destination"], o["--to-ports"], r.target == "REDIRECT")
	case "MARK", "CONNMARK":
		r.setMark(r.target == "CONNMARK")
	case "SET":
		for option, remove := range map[string]bool{"--add-set": false, "--del-set": true} {
			if name := o[option]; name != "" {
				r.add(&machine.MemberUpdate{Set: name, Remove: remove})
			}
		}
	case "NOTRACK", "CT":
		if _, ok := o["--notrack"]; ok || r.target == "NOTRACK" {
			r.add(machine.Notrack{})
		}
	default:
		rule.Verdict, rule.Target = machine.Jump, r.target
		if r.goes {
			rule.Verdict = machine.Goto
		}
	}
}

func (r *ruleReader) setMark(conn bool) {
	s := &machine.SetMark{Conn: conn, Keep: ^uint32(0)}
	for option, text := range r.values {
		v, m := valueMask(text)
		switch option {
		case "--set-mark":
			s.Value, s.Keep = v, ^(m | v)
		case "--set-xmark":
			s.Value, s.Keep = v, ^m
		case "--or-mark":
			s.Value, s.Keep = v, ^v
		case "--and-mark":
			s.Keep = v
		case "--save-mark":
			s.Keep, s.From = 0, ^uint32(0)
		case "--restore-mark":
			s.Keep, s.From, s.Conn = 0, ^uint32(0), false
		}
	}
	for option, text := range r.values { // of --save-mark and --restore-mark
		switch m, _ := valueMask(text); {
		case option != "--ctmask" && option != "--nfmask":
		case option == "--ctmask" == s.Conn: // of the mark that is set
			s.Keep = ^m
		default:
			s.From = m
		}
	}
	r.add(s)
}

// redirectTo parses 192.0.2.1:22 and 22-25 of DNAT and REDIRECT.
func redirectTo(to, ports string, local bool) *machine.Redirect {
	n := &machine.Redirect{Local: local}
	if to != "" {
		if ap, err := netip.ParseAddrPort(to); err == nil {
			n.Local, n.Port = ap.Addr().IsLoopback(), int(ap.Port())
		} else if _, rest, ok := strings.Cut(to, ":"); ok && !strings.Contains(rest, ":") {
			n.Port = atoi(rest)
		}
	}
	if ports != "" {
		n.Port = atoi(ports)
	}
	return n
}
