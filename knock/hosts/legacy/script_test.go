package legacy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/hosts/legacy"
	"rapport/knock/knocktest"
)

// The article's code, with its lines joined as the web shows it, and some of the
// prose around it.
const (
	articleFunction = `calc_knock_ports () { secret=$1 bottomport=$2 topport=$3 nbports=$(( $topport - $bottomport + 1 )) hash=$(TZ=UTC date +%Y-%m-%d-%H-$secret | md5sum | awk '{print $1}' | tr a-z A-Z) num=$(echo 16i $hash f | dc) pk_port1=$(echo $num $nbports 0 ^ / $nbports % $bottomport + f | dc) pk_port5=$(echo $num $nbports 4 ^ / $nbports % $bottomport + f | dc) }`
	articleRefresh  = `refresh_portknocking () { calc_knock_ports f00b4r 10000 10999 iptables -F portknocking iptables -A portknocking -p tcp --dport $pk_port1 -m state --state NEW -j portknock_into_phase1 iptables -A portknocking -p tcp --dport $pk_port2 -m state --state NEW -m recent --rcheck --name PK_PHASE1 --seconds 5 -j portknock_into_phase2 # echo clear > /proc/net/ipt_recent/PK_DONE echo clear > /proc/net/ipt_recent/PK_PHASE1 }`
	articleInput    = `iptables -A INPUT -j portknocking iptables -A INPUT -m recent --rcheck --seconds 5 --name PK_PHASE5 -m state --state NEW -p tcp --dport ssh -j portknock_accept`
	articleClient   = `#! /bin/sh host=$1 port=$2 calc_knock_ports () { [...] } calc_knock_ports f00b4r 10000 10999 for i in $pk_port1 $pk_port2 $pk_port3 $pk_port4 $pk_port5 ; do nc -w 1 $host $i < /dev/null > /dev/null 2>&1 done nc $host $port`
	articleProse    = "they're annoying even when they don't), so you want to thwart them (\"brute force\").\n"
)

func TestParseScriptOfTheArticle(t *testing.T) {
	f00b4r := knocktest.NewSecret(t, "f00b4r")
	client := legacy.Script{Secret: f00b4r, Range: knock.DefaultRange}
	server := legacy.Script{Secret: f00b4r, Range: knock.DefaultRange, SSHPort: 22, Gate: true}
	unfolded := strings.NewReplacer(" calc", "\ncalc", " for", "\nfor", " host", "\nhost", " port", "\nport", "{ ", "{\n", " }", "\n}", " nc", "\nnc", " done", "\ndone").Replace(articleClient)
	for name, tt := range map[string]struct {
		text string
		want legacy.Script
	}{
		"client on one line":   {articleClient, client},
		"client, a line each":  {unfolded, client},
		"client as DOS has it": {strings.ReplaceAll(unfolded, "\n", "\r\n"), client},
		"server":               {articleFunction + "\n" + articleRefresh + "\n" + articleInput + "\n", server},
		"all of it":            {articleProse + articleFunction + "\n" + articleProse + articleRefresh + "\n" + articleInput + "\n" + articleProse + articleClient + "\nWhy the last line, I hear you\ncry? It needs netcat in addition to dc.", server},
	} {
		got, err := legacy.ParseScript([]byte(tt.text))
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseScriptReadsWordsAsTheShellDoes(t *testing.T) {
	for text, want := range map[string]string{
		`calc_knock_ports f00b4r 10000 10999`:                                                       "f00b4r",
		`calc_knock_ports 'f00$b4r' "10000" 10999`:                                                  "f00$b4r",
		`calc_knock_ports "f\"0\$0\b" 10000 10999; true`:                                            `f"0$0\b`,
		`calc_knock_ports f\'oo'b'"4"r 10000 10999 # a comment`:                                     "f'oob4r",
		`calc_knock_ports f00#b4r 10000 10999`:                                                      "f00#b4r",
		"calc_knock_ports \\\n  f00b4r 10000 \\\n10999":                                             "f00b4r",
		"secret=f00b4r\ncalc_knock_ports $secret 10000 10999":                                       "f00b4r",
		"SECRET='x y'; SECRET='f00b4r' # other\ncalc_knock_ports \"$SECRET\" 10000 10999":           "f00b4r",
		"a=f00 b=\"${a}b4r\"\ncalc_knock_ports ${b} 10000 10999":                                    "f00b4r",
		"export S=f00b4r B=10000 T=10999\ncalc_knock_ports $S $B $T":                                "f00b4r",
		"s=${1:-f00b4r}\ncalc_knock_ports $s 10000 10999":                                           "f00b4r",
		"secret=f00b4r\ncalc_knock_ports () {\n secret=$1\n}\ncalc_knock_ports $secret 10000 10999": "f00b4r",
		"function calc_knock_ports {\n { secret=$1; }\n}\ncalc_knock_ports f00b4r 10000 10999":      "f00b4r",
		"# calc_knock_ports other 1 2\n  calc_knock_ports f00b4r 10000 10999":                       "f00b4r",
		"calc_knock_ports f00b4r 10000 10999\ncalc_knock_ports f00b4r 10000 10999":                  "f00b4r",
		"if calc_knock_ports $1 10000 10999; then calc_knock_ports f00b4r 10000 10999":              "f00b4r",
	} {
		got, err := legacy.ParseScript([]byte(text))
		if err != nil || got.Secret.Reveal() != want || got.Range != knock.DefaultRange {
			t.Errorf("%s: %q in %v, %v", text, got.Secret.Reveal(), got.Range, err)
		}
	}
}

func TestParseScriptErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "no call calc_knock_ports SECRET BOTTOM TOP",
		"#!/bin/sh\necho hello\n": "no call",
		articleFunction:           "no call",
		"The function calc_knock_ports calculates ports.": "no call",
		"calc_knock_ports":                                   "no call",
		"\n\ncalc_knock_ports $1 10000 10999":                "line 3 of the script: the secret is given when the script is called",
		"calc_knock_ports \"$(cat f00b4r)\" 10000 10999":     "the secret comes from a command, which import does not run",
		"s=`cat f00b4r`; calc_knock_ports $s 10000 10999":    "the secret comes from a command",
		"calc_knock_ports $s 10000 10999":                    "the secret is in a variable that the script does not set before",
		"calc_knock_ports ${s#f00b4r} 10000 10999":           "import does not understand",
		"calc_knock_ports f00b4r $low 10999":                 "the bottom port is in a variable",
		"calc_knock_ports f00b4r 10000":                      "takes three arguments, SECRET BOTTOM TOP; there are 2",
		"calc_knock_ports 10000 10999 f00b4r":                "are not a range of ports",
		"calc_knock_ports 1 2 99999999":                      "are not a range of ports",
		"calc_knock_ports f00b4r 10999 10000":                "are not a range of ports",
		"calc_knock_ports 'f00b4r f00b4r' 10000 10999":       "white space",
		"calc_knock_ports '' 10000 10999":                    "it is empty",
		"calc_knock_ports f00b4r 1 2;calc_knock_ports f 1 2": "ambiguous: it has 2 different calls",
		"\x7fELF\x00":                            "NUL",
		strings.Repeat("x", 2<<20):               "more than 1048576 bytes",
		"calc_knock_ports \xff\x1b[31m f00b4r 9": "not a range",
	} {
		s, err := legacy.ParseScript([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || s != (legacy.Script{}) {
			t.Errorf("%.60q: %v, want one about %q", text, err, want)
		}
		if strings.HasPrefix(want, "no call") && !errors.Is(err, legacy.ErrNoCall) {
			t.Errorf("%.60q: %v is not ErrNoCall", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "99999999") {
			t.Errorf("an argument shows: %v", err)
		}
		knocktest.OneLine(t, err)
	}
}

func TestParseScriptFindsHostAndPort(t *testing.T) {
	const call = "calc_knock_ports f00b4r 10000 10999\n"
	for _, tt := range []struct {
		text, host string
		port       int
		gate       bool
	}{
		{call + "nc server.example.org 22\n", "server.example.org", 22, false},
		{call + "for i in $p; do nc -w 1 -z server.example.org $i; done; exec /bin/nc -w1 server.example.org 2222", "server.example.org", 2222, false},
		{"host=server.example.org\n" + call + "nc $host $2", "server.example.org", 0, false},
		{"HOST='192.0.2.1'\n" + call, "192.0.2.1", 0, false},
		{"host=$1\n" + call + "nc $host 22", "", 22, false},
		{call + "nc a 22; nc b 22", "", 22, false},
		{call + "nc a 10247; nc a 10363", "a", 0, false},
		{call + "it needs netcat after this", "", 0, false},
		{call + "nc \x1b[31m 22; host='a b'", "", 22, false},
		{call + "iptables -A INPUT --name PK_PHASE5 -p tcp --dport 2222 -j ACCEPT\niptables -A INPUT -p tcp --dport 80 -j ACCEPT", "", 2222, true},
		{"SSH=2022\n" + call + "/sbin/iptables -A INPUT -p tcp --dport=$SSH -j portknock_accept", "", 2022, true},
		{call + "iptables -A INPUT -p tcp --dport ssh -j x; iptables --dport 80", "", 22, true},
		{call + "iptables -A INPUT --dport 80 -j ACCEPT", "", 0, true},
	} {
		got, err := legacy.ParseScript([]byte(tt.text))
		if err != nil || got.Host != tt.host || got.SSHPort != tt.port || got.Gate != tt.gate {
			t.Errorf("%q: host %q, port %d, gate %v, %v", tt.text, got.Host, got.SSHPort, got.Gate, err)
		}
	}
}

// Only what the script surely sets is a variable's value: not what stands in a
// loop, a subshell, a function that nothing calls, or before a command.
func TestParseScriptFollowsTheScript(t *testing.T) {
	const call = "calc_knock_ports $s 10000 10999\n"
	const way, unset, elsewhere = "depends on which branch the script takes", "does not set before", "may be set by eval"
	for text, want := range map[string]string{
		"s=f00b4r\nfor i in 1 2; do s=other; done\n" + call:                        way,
		"while read s; do s=f00b4r; done\n" + call:                                 way,
		"for s in f00b4r other; do " + call + "done":                               way,
		"for i in 1 2; do s=f00b4r; " + call + "done":                              "f00b4r",
		"for i in 1 2; do " + call + "s=f00b4r; done":                              way,
		"s=f00b4r\nf() { s=other; }\n" + call:                                      "f00b4r",
		"f() { s=f00b4r; }\n" + call:                                               unset,
		"f() { s=f00b4r; }\nf\n" + call:                                            "f00b4r",
		call + "f() { s=f00b4r; }\nf\n":                                            unset,
		"(s=f00b4r)\n" + call:                                                      unset,
		"s=f00b4r\n(s=other; true)\n" + call:                                       "f00b4r",
		"(s=f00b4r; " + call + ")":                                                 "f00b4r",
		"s=f00b4r | cat\n" + call:                                                  unset,
		"s=f00b4r &\n" + call:                                                      unset,
		"s=f00b4r true\n" + call:                                                   unset,
		"s=f00b4r; s=other true; " + call:                                          "f00b4r",
		"s=f00b4r; unused=$(s=other); " + call:                                     "f00b4r",
		"if test -n \"$1\"; then s=other; else s=f00b4r; fi\n" + call:              way,
		"if true; then s=f00b4r; else s=f00b4r; fi\n" + call:                       "f00b4r",
		"test -n \"$s\" || s=f00b4r\n" + call:                                      "f00b4r",
		"s=f00b4r; test -n \"$1\" && s=$1\n" + call:                                way,
		"case $1 in a) s=f00b4r;; b) s=other;; esac\n" + call:                      way,
		"knock() { calc_knock_ports $1 $2 $3; }\nknock f00b4r 10000 10999":         "f00b4r",
		"knock() { calc_knock_ports \"$@\"; }\nknock f00b4r 10000 10999":           "f00b4r",
		"knock() { local s=$1; " + call + "}\ns=other\nknock f00b4r\n":             "f00b4r",
		"g() { local s=other; }\ns=f00b4r\ng\n" + call:                             "f00b4r",
		"f() { f; }\nf\ncalc_knock_ports f00b4r 10000 10999":                       "f00b4r",
		"refresh() { calc_knock_ports f00b4r 10000 10999; }\n":                     "f00b4r",
		"s=f00b4r; read -r s <file\n" + call:                                       elsewhere,
		"s=f00b4r; unset s\n" + call:                                               elsewhere,
		"s=f00b4r; eval s=other\n" + call:                                          elsewhere,
		"s=other; . ./secret; s=f00b4r\n" + call:                                   "f00b4r",
		"s=f00; s+=b4r\n" + call:                                                   "import does not understand",
		"b=$((5000 * 2)); calc_knock_ports f00b4r $b $((b + 999))":                 "f00b4r",
		"{ s=f00b4r; }; " + call:                                                   "f00b4r",
		"It's the script:\n\ns=f00b4r\n" + call + "and that's all (or is it?\n":    "f00b4r",
		"#!/bin/sh\nif true; then\n  s=f00b4r\n" + call:                            "f00b4r",
		"x() {\n  y=1\n  " + "calc_knock_ports f00b4r 10000 10999\n  case $y in\n": "f00b4r",
	} {
		got, err := legacy.ParseScript([]byte(text))
		switch said := ""; {
		case want == "f00b4r":
			if err != nil || got.Secret.Reveal() != want || got.Range != knock.DefaultRange {
				t.Errorf("%q: %q in %v, %v", text, got.Secret.Reveal(), got.Range, err)
			}
		default:
			if err != nil {
				said = err.Error()
			}
			if !strings.Contains(said, want) {
				t.Errorf("%q: %q, want one about %s", text, said, want)
			}
		}
	}
	for text, want := range map[string]string{
		"host=a.example.org\nfor h in b c; do host=$h; done\n": "",
		"f() { host=b; }\nhost=a.example.org\n":                "a.example.org",
		"host=a.example.org\nhost=b true\n":                    "a.example.org",
		"(host=b)\n":                                           "",
	} {
		got, err := legacy.ParseScript([]byte(text + "calc_knock_ports f00b4r 10000 10999"))
		if err != nil || got.Host != want {
			t.Errorf("%q: host %q, %v, want %q", text, got.Host, err, want)
		}
	}
}

// However a script is made, it is read within seconds.
func TestParseScriptIsBounded(t *testing.T) {
	chain := "f0() { x=1; }\n"
	for i := range 15 {
		chain += fmt.Sprintf("f%d() { f%d; f%d; f%d; f%d; }\n", i+1, i, i, i, i)
	}
	for name, text := range map[string]string{
		"open parentheses": strings.Repeat("(\n", 400_000),
		"apostrophes":      strings.Repeat("it's\n", 40_000),
		"ends":             strings.Repeat("fi\n", 60_000),
		"functions":        chain + "f15\n",
		"subshells":        strings.Repeat("a=1\n", 5) + strings.Repeat("(b=1)\n", 30_000),
		"variables": func() (s string) {
			var b strings.Builder
			for i := range 30_000 {
				fmt.Fprintf(&b, "v%d=1\n(x=1)\n", i)
			}
			return b.String()
		}(),
		"doubling": "s=x\n" + strings.Repeat("s=$s$s\n", 60),
	} {
		start := time.Now()
		_, err := legacy.ParseScript([]byte(text + "calc_knock_ports $1 1 2\n"))
		if took := time.Since(start); err == nil || took > 30*time.Second {
			t.Errorf("%s: %v after %v", name, err, took)
		} else {
			t.Logf("%s: %v", name, took)
		}
		knocktest.OneLine(t, err)
	}
}
