package netfilter

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
)

// nftRule is a rule while its words are read.
type nftRule struct {
	wordReader
	n    *nftReader
	rule *machine.Rule
}

// rule reads one rule.
func (n *nftReader) rule(w []string) *machine.Rule {
	r := nftRule{wordReader{w: w}, n, &machine.Rule{}}
	for r.more() {
		if word := r.next(); !r.verdict(word) && !r.statement(word) {
			r.i--
			r.match()
		}
	}
	return r.rule
}

func (r *nftRule) add(p machine.Part) { r.rule.Parts = append(r.rule.Parts, p) }

// unmodelled adds a match or a statement that is not known.
func (r *nftRule) unmodelled(text string) {
	r.add(machine.Unmodelled{Text: knock.Clean(text, maxRuleLine)})
}

// verdict reads a verdict. It returns false for any other word.
func (r *nftRule) verdict(word string) bool {
	switch rule := r.rule; word {
	case "jump", "goto":
		rule.Verdict, rule.Target = machine.Verdict(word), r.next()
	case "dnat", "redirect":
		rule.Verdict, rule.Redirect = machine.Accept, r.redirect(word == "redirect")
		r.i = len(r.w)
	default:
		v, ok := verdictNames[word]
		if ok {
			rule.Verdict, r.i = v, len(r.w)
		}
		return ok
	}
	return true
}

// redirect parses "ip to 192.0.2.1:22" and "to :22".
func (r *nftRule) redirect(local bool) *machine.Redirect {
	rest := strings.Join(r.w[r.i:], "")
	_, to, _ := strings.Cut(rest, "to")
	if strings.HasPrefix(to, ":") {
		return redirectTo("", to[1:], local)
	}
	return redirectTo(to, "", local)
}

// verdicts are the words that begin a verdict.
var verdicts = slices.AppendSeq([]string{"jump", "goto", "dnat", "redirect"}, maps.Keys(verdictNames))

// statements are the words that begin a statement, other than a verdict.
var statements = []string{"update", "add", "delete", "meter", "xt", "counter", "log", "comment", "limit", "notrack", "continue", "flow", "dup", "fwd", "quota"}

// statement reads a statement. It returns false for any other word.
func (r *nftRule) statement(word string) bool {
	switch word {
	case "update", "add", "delete", "meter":
		r.update(word)
	case "xt":
		text := strings.Join(r.w[r.i:min(len(r.w), r.i+2)], " ")
		r.n.opaque = r.n.opaque || strings.Contains(text, "recent")
		r.unmodelled("xt " + text)
		r.i = min(len(r.w), r.i+2)
	case "counter":
		if r.took("name") {
			r.next()
		}
		for r.peek() == "packets" || r.peek() == "bytes" {
			if r.next() == "packets" {
				r.rule.Count = parseCount(r.next())
			} else {
				r.next()
			}
		}
	case "log", "comment", "flow", "dup", "fwd":
		r.skipTo(verdicts...)
	case "limit":
		if r.took("name") {
			r.unmodelled("limit name " + strings.TrimPrefix(r.next(), `"`))
		} else if rate, ok := r.rate(); ok {
			r.add(&machine.Limit{Rate: rate})
		} else {
			r.unmodelled("the limit")
		}
	case "notrack":
		r.add(machine.Notrack{})
	case "continue":
	case "quota":
		r.values()
		r.unmodelled("quota")
	default:
		return false
	}
	return true
}

// rate reads "rate over 30/minute burst 30 packets".
func (r *nftRule) rate() (machine.Rate, bool) {
	var rate, burst string
	over, bytes := false, false
	for ; r.more(); r.i++ {
		switch w := r.peek(); {
		case w == "rate" || w == "packets":
		case w == "over":
			over = true
		case w == "bytes":
			bytes = true
		case w == "burst" && r.i+1 < len(r.w):
			r.i++
			burst = r.peek()
		case strings.Contains(w, "/") && isNumber(w):
			rate = w
		default:
			return parseRate(rate, burst, over)
		}
	}
	if bytes {
		return machine.Rate{}, false
	}
	return parseRate(rate, burst, over)
}

// update reads a statement that changes a set.
func (r *nftRule) update(verb string) {
	if verb == "meter" {
		verb = "update"
	}
	u := &machine.SetUpdate{Verb: verb, Name: r.n.list(strings.TrimPrefix(r.next(), "@"))}
	for r.took("size") {
		r.next()
	}
	if !r.took("{") {
		r.unmodelled(verb + " @" + machine.ShortName(u.Name))
		return
	}
	inner := nftRule{wordReader{w: r.braces()}, r.n, &machine.Rule{}}
	fields, ok := inner.fields()
	if masks := inner.mask(); masks != nil && len(fields) > 0 {
		fields[0].Mask = bitsOf(fields[0].Subject, masks)
	}
	for inner.more() {
		switch inner.next() {
		case "timeout":
			u.Timeout = nftTime(inner.next())
		case "limit":
			rate, known := inner.rate()
			u.Rate, ok = &rate, ok && known
		case "ct":
			u.Count = inner.connCount()
		case ":":
			ok = false
		}
	}
	u.Fields = fields
	if !ok || slices.Contains(r.n.vague, u.Name) {
		r.unmodelled(verb + " @" + machine.ShortName(u.Name))
		return
	}
	r.add(u)
}

// connCount reads "count over 3".
func (r *nftRule) connCount() *machine.ConnCount {
	r.took("count")
	over := r.took("over")
	return &machine.ConnCount{Most: atoi(r.next()), Over: over}
}

// set reads what a mark is set to; other changes of a packet decide nothing.
func (r *nftRule) set(fields []machine.Field) {
	w := r.skipToStatement()
	switch subject := fields[0].Subject; subject {
	case machine.Mark, machine.ConnMark:
		s := &machine.SetMark{Conn: subject == machine.ConnMark}
		if s.Vague = !readMark(s, w); s.Vague {
			s.Keep, s.From, s.Value = 0, 0, 0
		}
		r.add(s)
	}
}

// readMark reads "0x5" and "ct mark & 0xf0 | 0x3" into s. It returns false for any other
// expression.
func readMark(s *machine.SetMark, w []string) bool {
	if len(w) > 1 && w[0] == "mark" { // as older versions write it
		w = slices.Concat([]string{"meta"}, w)
	}
	bits := ^uint32(0) // of the mark that is read
	switch {
	case len(w) == 1:
		v, err := strconv.ParseUint(w[0], 0, 32)
		s.Value = uint32(v)
		return err == nil
	case len(w) < 2 || len(w)%2 != 0 || w[0] != "meta" && w[0] != "ct" || w[1] != "mark":
		return false
	}
	for i := 2; i < len(w); i += 2 {
		n, err := strconv.ParseUint(w[i+1], 0, 32)
		v := uint32(n)
		switch w[i] {
		case "&", "and":
			bits, s.Value = bits&v, s.Value&v
		case "|", "or":
			bits, s.Value = bits&^v, s.Value|v
		case "^", "xor":
			s.Value ^= v
		default:
			return false
		}
		if err != nil {
			return false
		}
	}
	s.Strict = w[0] == "ct"
	if own := s.Conn == s.Strict; own {
		s.Keep = bits
	} else {
		s.From = bits
	}
	return true
}
