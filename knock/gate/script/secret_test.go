package script_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// A secret file is taken by the script if its one line is taken by rapport.
func TestRulesTakeTheSameSecrets(t *testing.T) {
	t.Parallel()
	text, err := plain(script.NFT).Script()
	if err != nil {
		t.Fatal(err)
	}
	sound := function(t, text, "sound")
	files := []string{
		"", "\n", "\nf00b4r\n", "f00b4r", "f00b4r\n", "f00b4r\n\n", "f00b4r\nmore\n", " f00b4r", "f00 b4r", "f00b4r ", "f00b4r\r\n", "f00\x00b4r", "f00%b4r", "\t",
		"\ufefff00b4r", "f00\u200bb4r", "f00\u00a0b4r", "f00\u0085", "f00\u3000", "\U000e0041", "é", "€uro", "\U0001f511", "\xff", "\xc3", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xf0\x9f\x94", "\xc3(", "~", "\x7f", "-n", "*", `\`, strings.Repeat("x", 512), strings.Repeat("x", 513), strings.Repeat("é", 256) + "\n", strings.Repeat("é", 257),
	}
	for i, shell := range shells {
		if i > 0 && !knocktest.RunsLong() {
			break
		}
		knocktest.Need(t, shell[0])
		for _, file := range files {
			cmd := exec.Command(shell[0], append(shell[1:], "-c", "set -eu\n"+sound+"sound")...)
			cmd.Stdin = strings.NewReader(file)
			out, err := cmd.CombinedOutput()
			_, want := knock.ParseSecret(strings.TrimSuffix(file, "\n"))
			if err != nil || (len(out) == 0) != (want == nil) || strings.Count(string(out), "\n") > 1 {
				t.Errorf("%v: %.20q: %v, says %q; rapport: %v", shell, file, err, out, want)
			}
		}
	}
	// Of all characters.
	_, list, _ := strings.Cut(sound, "unseen='")
	list, _, _ = strings.Cut(list, "'")
	refused := map[rune]bool{'%': true}
	for word := range strings.FieldsSeq(list) {
		var first, last rune
		if _, err := fmt.Sscanf(word, "%d-%d", &first, &last); err != nil {
			t.Fatal(err)
		}
		for c := first; c <= last; c++ {
			refused[c] = true
		}
	}
	var accepted []rune // as many as one secret may hold
	accept := func() {
		if _, err := knock.ParseSecret(string(accepted)); err != nil {
			t.Errorf("the script accepts %U to %U; rapport: %v", accepted[0], accepted[len(accepted)-1], err)
		}
		accepted = accepted[:0]
	}
	for c := rune(0); c <= unicode.MaxRune; c++ {
		if c >= 0xd800 && c < 0xe000 {
			continue // no characters
		}
		if refused[c] {
			if _, err := knock.ParseSecret(string(c)); err == nil {
				t.Errorf("%U: the script refuses it; rapport does not", c)
			}
			continue
		}
		if accepted = append(accepted, c); len(accepted) == 512/utf8.UTFMax {
			accept()
		}
	}
	if len(accepted) > 0 {
		accept()
	}
}

// No rule is loaded with a secret that is none, and a gate that somebody made
// with one does not go unnoticed.
func TestRulesCryOutOverAnEmptySecret(t *testing.T) {
	each(t, nil, func(t *testing.T, g *gated) {
		before := g.loaded()
		g.write("secret", "\nf00b4r\n", 0o600)
		if out, err := g.Try("setup"); err == nil || !strings.Contains(out, "white space") || g.loaded() != before {
			t.Errorf("an empty first line: %v\n%s", err, out)
		}
		text, err := g.rules.Script()
		if err != nil {
			t.Fatal(err)
		}
		careless := strings.Replace(text, "wrong=$(sound", "wrong=; : $(sound", 1)
		g.write("secret", "\n", 0o600)
		g.Install(t, strings.Replace(careless, `|| [ -n "$secret" ]`, "", 1))
		g.run("setup")
		g.write("secret", "f00b4r\n", 0o600)
		g.print()
		if out, err := g.Try("status"); err == nil || !strings.Contains(out, "made with an empty secret") {
			t.Errorf("status: %v\n%s", err, out)
		}
		g.run("setup")
		if out := g.run("status"); strings.Contains(out, "empty secret") {
			t.Errorf("status:\n%s", out)
		}
	})
}
