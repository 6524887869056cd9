package script

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Printed is a script of [Rules.Script], as it was read. The script computes the ports
// from the hour.
type Printed struct {
	Rules
	// Changed is the first line that is not as Rules.Script writes it, 0 if all are.
	Changed int
}

// Dump says which commands print the rules on a server on which setup has run.
func (p Printed) Dump() string {
	if p.Format == NFT {
		return "nft list ruleset prints"
	}
	return "iptables-save and ip6tables-save print"
}

// Words returns one line that says what the script would load.
func (p Printed) Words() string {
	s := fmt.Sprintf("the script of rapport rules for %s: it would load range %v, window %s, ssh port %d, grace %s",
		p.Format, p.Range, phrase.Pause(p.Window), p.SSHPort, phrase.Pause(p.Grace))
	if p.ReplayGuard > 0 {
		s += fmt.Sprintf(", replay guard %d", p.ReplayGuard)
	}
	if p.SweepGuard > 0 {
		s += fmt.Sprintf(", sweep guard %d", p.SweepGuard)
	}
	return s + ", and the hour as the server's clock has it"
}

// ReadPrinted reads the options of a script from its lines. ok is false for any other
// text.
func ReadPrinted(lines []string) (p Printed, ok bool) {
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "#!") {
		return p, false
	}
	values := map[string]int{}
	p.Format, p.NoDrop = IPTables, true
	for _, line := range lines {
		p.option(line)
		for _, word := range strings.Fields(line) { // bottom=10000 top=10999 # a comment
			name, value, _ := strings.Cut(word, "=")
			n, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				break
			}
			if _, known := values[name]; !known {
				values[name] = int(n)
			}
		}
	}
	for _, name := range []string{"bottom", "top", "window", "grace", "ssh"} {
		if _, known := values[name]; !known {
			return p, false
		}
	}
	r, err := knock.NewRange(values["bottom"], values["top"])
	if err != nil || values["ssh"] == 0 || values["window"] == 0 {
		return p, false
	}
	p.Range, p.SSHPort, p.ReplayGuard, p.SweepGuard = r, values["ssh"], values["guard"], values["sweep"]
	p.Window, p.Grace = time.Duration(values["window"])*time.Second, time.Duration(values["grace"])*time.Second
	p.Changed = p.compare(lines)
	return p, true
}

// option reads the option that a line shows, if it does.
func (p *Printed) option(line string) {
	after := func(prefix string) (string, bool) { return strings.CutPrefix(line, prefix) }
	if to, ok := after("# Port-knocking gate for "); ok && p.Host == "" {
		p.Host, _, _ = strings.Cut(to, ", format ")
	}
	if file, ok := after("    file='"); ok && p.SecretPath == "" {
		p.SecretPath = shellUnquote(file)
	}
	if secret, ok := after("    secret='"); ok && p.Secret.IsZero() && !p.Embed {
		if s, err := knock.ParseSecret(shellUnquote(secret)); err == nil {
			p.Secret, p.Embed = s, true
		}
	}
	switch w := strings.Fields(line); {
	case line == "table=portknock":
		p.Format = NFT
	case strings.Contains(line, "_PHASE5 --remove\""), strings.Contains(line, "delete @phase5_"):
		p.OneShot = true
	case strings.Contains(line, " -j LOG "), strings.Contains(line, " log prefix "):
		p.Log = true
	case strings.Contains(line, "shut tcp dport $ssh counter drop"), strings.Contains(line, "'-A portknock_ssh -j DROP'"):
		p.NoDrop = false
	case len(w) == 4 && w[0] == `"$1"`: // of forwards
		p.forward(w[2], w[3])
	}
	if w := strings.Fields(line); strings.Contains(line, "prerouting tcp dport ") && strings.Contains(line, " dnat ") {
		p.forward(w[slices.Index(w, "dport")+1], w[len(w)-1])
	}
}

// forward adds a port that is forwarded.
func (p *Printed) forward(port, to string) {
	if f, err := ParseForward(port + "=" + strings.Trim(to, `'"`)); err == nil {
		p.Forward = append(p.Forward, f)
	}
}

// compare returns the first line that is not as the script with these options has it.
func (p *Printed) compare(lines []string) int {
	text, err := p.Script()
	if err != nil {
		return 1
	}
	n := 0
	for want := range strings.Lines(text) {
		if n == len(lines) || lines[n] != strings.TrimSuffix(want, "\n") {
			return n + 1
		}
		n++
	}
	if n < len(lines) {
		return n + 1
	}
	return 0
}

// shellUnquote returns what stands in quotes of a POSIX shell, without the first one.
func shellUnquote(s string) string {
	return strings.ReplaceAll(strings.TrimSuffix(s, "'"), `'\''`, "'")
}
