package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
)

// Script is what an old script in the article's style tells about a server.
type Script struct {
	Secret  knock.Secret
	Range   knock.Range
	Host    string // empty where the script names none, or several
	SSHPort int    // 0 where the script names none
	Gate    bool   // it sets netfilter's rules: a server's script
}

// ErrNoCall says that a script does not call calc_knock_ports.
var ErrNoCall = errors.New("there is no call calc_knock_ports SECRET BOTTOM TOP in it")

// calcFunction is the article's function, which every script in its style has.
const calcFunction = "calc_knock_ports"

// ParseScript reads an old script in the article's style, a client's or a
// server's: its call calc_knock_ports SECRET BOTTOM TOP, by the shell's rules
// for quotes and for variables that were set before; the host that nc or
// host=... names; and the SSH port of nc or --dport. It runs nothing. Scripts
// whose lines were joined, as they are where the article is copied from the
// web, are understood, and so is the article around them.
//
// It wraps ErrNoCall, or knock.ErrSecret where the secret cannot be one, and
// fails where a part of the call cannot be told from the text or different
// calls contradict each other. At most 1 MiB is taken.
func ParseScript(text []byte) (Script, error) {
	if len(text) > maxScript {
		return Script{}, fmt.Errorf("the script has more than %d bytes; is it one?", maxScript)
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return Script{}, errors.New("this is no script: there is a NUL in it")
	}
	words, vars := shellWords(string(text))
	s, err := findCall(words)
	if err != nil {
		return Script{}, err
	}
	s.Gate = slices.ContainsFunc(words, isFirewall)
	var netcatPort int
	s.Host, netcatPort = findNetcat(words, s.Range)
	if s.Host == "" {
		for _, name := range []string{"host", "HOST", "server", "SERVER"} {
			if v, ok := vars[name]; ok && v.unknown == nil && isHost(v.text) {
				s.Host = v.text
				break
			}
		}
	}
	if s.SSHPort = findDoor(words); s.SSHPort == 0 {
		s.SSHPort = netcatPort
	}
	return s, nil
}

// shellWords splits a script. The body of the article's function is left out:
// it is the same everywhere, and its variables are not the script's.
func shellWords(text string) ([]word, map[string]variable) {
	vars := map[string]variable{}
	var words []word
	depth := 0 // of braces, inside of the function
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		l := shellLine{text: lines[i], line: i + 1, vars: vars}
		if trimmed := strings.TrimLeft(l.text, shellBlank); strings.HasPrefix(trimmed, "#!") {
			l.text = afterInterpreter(trimmed)
		} else {
			var joined strings.Builder
			joined.WriteString(l.text)
			for continued(lines[i]) && i+1 < len(lines) {
				i++
				s := joined.String()
				joined.Reset()
				joined.WriteString(s[:len(s)-1] + lines[i])
			}
			l.text = joined.String()
		}
		for w, more := l.next(); more; w, more = l.next() {
			switch {
			case depth > 0 && w.is("{"):
				depth++
			case depth > 0 && w.is("}"):
				depth--
			case depth > 0:
			case w.is("{") && definesFunction(words):
				depth = 1
			default:
				if name, v, ok := w.assignment(); ok {
					vars[name] = v
				}
				words = append(words, w)
			}
		}
		if depth == 0 {
			words = append(words, word{op: '\n', line: i + 1})
		}
	}
	return words, vars
}

// afterInterpreter returns what follows #! and the interpreter on a line: in a
// script whose lines were joined, the whole script.
func afterInterpreter(line string) string {
	_, rest, _ := strings.Cut(strings.TrimLeft(strings.TrimPrefix(line, "#!"), shellBlank), " ")
	return rest
}

// continued reports whether a line goes on in the next: it ends in an odd
// number of backslashes.
func continued(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// definesFunction reports whether a body that follows now is the function's.
func definesFunction(words []word) bool {
	var last []word
	for i := len(words) - 1; i >= 0 && len(last) < 3; i-- {
		if words[i].op != '\n' {
			last = append(last, words[i])
		}
	}
	if len(last) == 3 && last[0].op == ')' && last[1].op == '(' && last[2].is(calcFunction) {
		return true
	}
	return len(last) > 1 && last[0].is(calcFunction) && last[1].is("function")
}

// findCall finds the one call of the function.
func findCall(words []word) (Script, error) {
	var calls []Script
	var bad error
	for i, w := range words {
		if !w.is(calcFunction) || i > 0 && words[i-1].is("function") {
			continue
		}
		s, isCall, err := call(w.line, operands(words[i+1:], 3))
		switch {
		case !isCall:
		case err == nil && !slices.Contains(calls, s):
			calls = append(calls, s)
		case err != nil && bad == nil:
			bad = err
		}
	}
	switch {
	case len(calls) == 1:
		return calls[0], nil
	case len(calls) > 1:
		return Script{}, fmt.Errorf("the script is ambiguous: it has %d different calls of %s; leave one in", len(calls), calcFunction)
	case bad != nil:
		return Script{}, bad
	}
	return Script{}, ErrNoCall
}

// operands returns up to n words up to the next operator.
func operands(words []word, n int) []word {
	for i, w := range words {
		if w.op != 0 || i == n {
			return words[:i]
		}
	}
	return words
}

// call understands the arguments of a call. Nothing of them goes into an error:
// any of them may turn out to be the secret. isCall is false where the name only
// occurs in a sentence.
func call(line int, args []word) (s Script, isCall bool, err error) {
	fail := func(format string, a ...any) (Script, bool, error) {
		return Script{}, true, fmt.Errorf("line %d of the script: "+format, append([]any{line}, a...)...)
	}
	number := func(w word) bool { _, err := strconv.Atoi(w.text); return err == nil || w.unknown != nil }
	if !slices.ContainsFunc(args[min(1, len(args)):], number) {
		return Script{}, false, nil
	}
	if len(args) < 3 {
		return fail("%s takes three arguments, SECRET BOTTOM TOP; there are %d", calcFunction, len(args))
	}
	for i, what := range []string{"the secret", "the bottom port", "the top port"} {
		if err := args[i].unknown; err != nil {
			return fail("%s %w; write it into the call", what, err)
		}
	}
	bottom, err1 := strconv.Atoi(args[1].text)
	top, err2 := strconv.Atoi(args[2].text)
	var err3 error
	s.Range, err3 = knock.NewRange(bottom, top)
	if err1 != nil || err2 != nil || err3 != nil {
		return fail("the second and third argument of %s are not a range of ports, bottom below top, within 1-65535", calcFunction)
	}
	if s.Secret, err = knock.ParseSecret(args[0].text); err != nil {
		return fail("%w", err)
	}
	return s, true, nil
}

// isFirewall reports whether w is a command that sets netfilter's rules.
func isFirewall(w word) bool {
	if w.op != 0 {
		return false
	}
	switch path.Base(w.text) {
	case "iptables", "ip6tables", "iptables-restore", "nft":
		return true
	}
	return false
}

// netcatTakes are the options of the netcats that take an argument.
const netcatTakes = "IiMmOPpqsTVWwXxgGoce"

// findNetcat returns the host that nc connects to, where there is only one, and
// the port where it is a number that is not a knock.
func findNetcat(words []word, r knock.Range) (host string, port int) {
	var all []string
	for i, w := range words {
		if w.op != 0 {
			continue
		}
		switch path.Base(w.text) {
		case "nc", "ncat", "netcat":
		default:
			continue
		}
		args := operands(words[i+1:], maxList)
		for len(args) > 0 && strings.HasPrefix(args[0].raw, "-") {
			n := 1
			if last := args[0].raw[len(args[0].raw)-1:]; strings.Contains(netcatTakes, last) && !strings.HasPrefix(args[0].raw, "--") {
				n = 2
			}
			args = args[min(n, len(args)):]
		}
		// A sentence about netcat has no port.
		if len(args) < 2 {
			continue
		}
		n, err := strconv.Atoi(args[1].text)
		literal := err == nil && args[1].known() && n >= 1 && n <= 65535
		if !literal && args[1].unknown == nil {
			continue
		}
		if args[0].known() && isHost(args[0].text) && !slices.Contains(all, args[0].text) {
			all = append(all, args[0].text)
		}
		if literal && !r.Contains(n) {
			port = n
		}
	}
	if len(all) == 1 {
		host = all[0]
	}
	return host, port
}

// isHost reports whether s looks like a host's name or address.
func isHost(s string) bool {
	other := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._:-", c))
	}
	return CheckName(s) == nil && strings.IndexFunc(s, other) < 0 && strings.Trim(s, "._:-") != ""
}

// findDoor returns the port that a server's script opens: the one of the rule
// for those who are through with the handshake, or else ssh's where a rule
// names it; 0 where it cannot be told.
func findDoor(words []word) int {
	var doors []int
	fallback := 0
	for i, w := range words {
		if !isFirewall(w) {
			continue
		}
		port, accepts := 0, false
		for j, a := range words[i+1:] {
			if a.op != 0 || isFirewall(a) {
				break
			}
			if strings.Contains(a.text, "PK_PHASE5") || strings.Contains(a.text, "portknock_accept") {
				accepts = true
			}
			name, text, joined := strings.Cut(a.text, "=")
			if name != "--dport" && name != "--destination-port" {
				continue
			}
			if !joined && i+j+2 < len(words) && words[i+j+2].known() {
				text = words[i+j+2].text
			}
			if text == "ssh" {
				port = DefaultSSHPort
				fallback = DefaultSSHPort
			} else if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= 65535 {
				port = n
			}
		}
		if accepts && port != 0 && !slices.Contains(doors, port) {
			doors = append(doors, port)
		}
	}
	switch {
	case len(doors) == 1:
		return doors[0]
	case slices.Contains(doors, DefaultSSHPort):
		return DefaultSSHPort
	}
	return fallback
}
