// Package legacy reads the shell scripts in which the scheme was used before
// rapport: the article's own, and what people made of them.
//
// [ParseScript] looks for a call of the article's function,
//
//	calc_knock_ports SECRET BOTTOM TOP
//
// whose arguments may be quoted, or variables that the script sets before. A copy
// of the article from the web, with its prose and joined lines, works too.
//
// Nothing is ever run: variables, functions, branches and loops are followed as far
// as that is possible without running anything. If an argument cannot be found that
// way, the error says which one and why, and never shows it, since it may be the
// secret.
package legacy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
)

// MaxScript is the largest script that is read, in bytes.
const MaxScript = 1 << 20

// Script is what an old script in the article's style says about a server.
type Script struct {
	Secret  knock.Secret
	Range   knock.Range
	Host    string // empty if the script names none, or several
	SSHPort int    // 0 if the script names none
	Gate    bool   // it sets netfilter's rules: a server's script
}

// ErrNoCall says that a script does not call calc_knock_ports.
var ErrNoCall = errors.New("there is no call calc_knock_ports SECRET BOTTOM TOP in it")

// calcFunction is the article's function, which every script in its style calls.
const calcFunction = "calc_knock_ports"

// ParseScript reads an old script in the article's style, a client's or a
// server's: its call calc_knock_ports SECRET BOTTOM TOP; the host that nc or
// host=... names; and the SSH port of nc or --dport.
//
// It wraps ErrNoCall, or knock.ErrSecret if the secret is not valid. It fails if a
// part of the call depends on running the script, if calls differ, or if text is
// larger than MaxScript.
func ParseScript(text []byte) (Script, error) {
	if len(text) > MaxScript {
		return Script{}, fmt.Errorf("the script has more than %d bytes; is it one?", MaxScript)
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return Script{}, errors.New("this is no script: there is a NUL in it")
	}
	if nestsTooDeep(string(text)) {
		return Script{}, errors.New("this is no script: it nests too deeply")
	}
	script := readShell(string(text))
	s, err := findCall(script.commands)
	if err != nil {
		return Script{}, err
	}
	s.Gate = slices.ContainsFunc(script.commands, func(words []word) bool { return slices.ContainsFunc(words, isFirewall) })
	host, port := findNetcat(script.commands, s.Range)
	s.Host, s.SSHPort = host, cmp.Or(findAcceptPort(script.commands), port)
	if s.Host == "" {
		for _, name := range []string{"host", "HOST", "server", "SERVER"} {
			if v := script.value(name); v.unknown == nil && isHost(v.text) {
				s.Host = v.text
				break
			}
		}
	}
	return s, nil
}

func findCall(commands [][]word) (Script, error) {
	var calls []Script
	var bad error
	for _, words := range commands {
		for i, w := range words {
			if !w.is(calcFunction) {
				continue
			}
			s, isCall, err := call(w.line, words[i+1:min(i+4, len(words))])
			switch {
			case !isCall:
			case err == nil && !slices.Contains(calls, s):
				calls = append(calls, s)
			case err != nil && bad == nil:
				bad = err
			}
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

// call reads the arguments of a call. Its errors show none of them, since any may
// be the secret. isCall is false if the name only occurs in a sentence.
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
	bottom, errBottom := strconv.Atoi(args[1].text)
	top, errTop := strconv.Atoi(args[2].text)
	if s.Range, err = knock.NewRange(bottom, top); cmp.Or(errBottom, errTop, err) != nil {
		return fail("the second and third argument of %s are not a range of ports, bottom below top, within 1-65535", calcFunction)
	}
	if s.Secret, err = knock.ParseSecret(args[0].text); err != nil {
		return fail("%w", err)
	}
	return s, true, nil
}

func isFirewall(w word) bool {
	return slices.Contains([]string{"iptables", "ip6tables", "iptables-restore", "nft"}, path.Base(w.text))
}

// netcatOptions are the options of the various netcats that take an argument.
const netcatOptions = "IiMmOPpqsTVWwXxgGoce"

// findNetcat returns the host that nc connects to, if there is only one, and the
// port, if it is a number outside the range.
func findNetcat(commands [][]word, r knock.Range) (host string, port int) {
	var all []string
	for _, words := range commands {
		for i, w := range words {
			if !slices.Contains([]string{"nc", "ncat", "netcat"}, path.Base(w.text)) {
				continue
			}
			to, n := netcatTarget(words[i+1:])
			if to != "" && !slices.Contains(all, to) {
				all = append(all, to)
			}
			if n != 0 && !r.Contains(n) {
				port = n
			}
		}
	}
	if len(all) == 1 {
		host = all[0]
	}
	return host, port
}

// netcatTarget returns host and port of nc's arguments, as far as they are known.
func netcatTarget(args []word) (host string, port int) {
	for len(args) > 0 && strings.HasPrefix(args[0].text, "-") {
		option, n := args[0].text, 1
		if strings.Contains(netcatOptions, option[len(option)-1:]) && !strings.HasPrefix(option, "--") {
			n = 2
		}
		args = args[min(n, len(args)):]
	}
	// A sentence about netcat has no port.
	if len(args) < 2 {
		return "", 0
	}
	port, err := strconv.Atoi(args[1].text)
	if err != nil || port < 1 || port > 65535 {
		if port = 0; args[1].unknown == nil {
			return "", 0
		}
	}
	if isHost(args[0].text) {
		host = args[0].text
	}
	return host, port
}

// isHost reports whether s looks like a host's name or address.
func isHost(s string) bool {
	const letters, marks = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "._:-"
	return knock.CheckHost(s) == nil && strings.Trim(s, letters+marks) == "" && strings.Trim(s, marks) != ""
}

// findAcceptPort returns the port of a server script's accept rule, or else 22 if a
// rule names ssh; 0 if it is not known.
func findAcceptPort(commands [][]word) int {
	var ports []int
	fallback := 0
	for _, words := range commands {
		for i, w := range words {
			if !isFirewall(w) {
				continue
			}
			port, accepts := rulePort(words[i+1:])
			if port == knock.DefaultSSHPort && slices.ContainsFunc(words[i+1:], func(w word) bool { return strings.HasSuffix(w.text, "ssh") }) {
				fallback = knock.DefaultSSHPort
			}
			if accepts && port != 0 && !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
	}
	switch {
	case len(ports) == 1:
		return ports[0]
	case slices.Contains(ports, knock.DefaultSSHPort):
		return knock.DefaultSSHPort
	}
	return fallback
}

// rulePort returns an iptables rule's port, or 0, and whether it is the accept rule.
func rulePort(args []word) (port int, accepts bool) {
	for i, a := range args {
		if isFirewall(a) {
			break
		}
		if strings.Contains(a.text, "PK_PHASE5") || strings.Contains(a.text, "portknock_accept") {
			accepts = true
		}
		name, text, joined := strings.Cut(a.text, "=")
		if name != "--dport" && name != "--destination-port" {
			continue
		}
		if !joined && i+1 < len(args) {
			text = args[i+1].text
		}
		if text == "ssh" {
			port = knock.DefaultSSHPort
		} else if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= 65535 {
			port = n
		}
	}
	return port, accepts
}
