package strength_test

import (
	"math"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/hosts/strength"
	"rapport/knock/knocktest"
)

func TestEstimate(t *testing.T) {
	for _, tt := range []struct{ text, summary string }{
		{"f00b4r", "weak: one captured handshake gives this secret away in less than a second"},
		{"password", "weak: one captured handshake gives this secret away in less than a second"},
		{"Tr0ub4dor&3", "weak: one captured handshake gives this secret away in less than a second"},
		{"qwertyuiop123456", "weak: one captured handshake gives this secret away in less than a second"},
		{"x7Kp2mQ9vT", "weak: one captured handshake gives this secret away in about "},
		{"correct-horse-battery-staple", "weak: 2 captured handshakes give this secret away in about "},
		{strings.Repeat("zf8", 170), "weak: one captured handshake gives this secret away in less than a second"},
		{strings.Repeat("a", 500), "weak: one captured handshake gives this secret away in less than a second"},
		{"k3v9x2mqwz7tphr4nbd8yfgsca", "strong: guessing this secret from a captured handshake takes longer than a century"},
	} {
		s := strength.Estimate(knocktest.NewSecret(t, tt.text), knock.DefaultRange)
		if !strings.HasPrefix(s.Summary(), tt.summary) || s.Weak != strings.HasPrefix(tt.summary, "weak") {
			t.Errorf("%s: %s (%+v)", tt.text, s.Summary(), s)
		}
		if math.Abs(s.Seen-49.8) > 0.1 {
			t.Errorf("%v bits are seen of a handshake in 1000 ports", s.Seen)
		}
	}
	if s := strength.Estimate(knock.Secret{}, knock.Range{}); !s.Weak || s.Bits != 0 || s.Seen != 0 {
		t.Errorf("no secret: %+v", s)
	}
}

func TestGenerate(t *testing.T) {
	seen := map[knock.Secret]bool{}
	letters := map[rune]bool{}
	for range 1000 {
		s := strength.Generate()
		if seen[s] || len(s.Reveal()) != 26 {
			t.Fatalf("%d characters, or twice the same", len(s.Reveal()))
		}
		seen[s] = true
		for _, c := range s.Reveal() {
			letters[c] = true
			if !strings.ContainsRune("abcdefghjkmnpqrstuvwxyz23456789", c) {
				t.Errorf("there is a %q in it", c)
			}
		}
	}
	if len(letters) != 31 {
		t.Errorf("only %d characters are used", len(letters))
	}
	for range 20 {
		if s := strength.Estimate(strength.Generate(), knock.DefaultRange); s.Weak {
			t.Errorf("a generated secret is called weak: %+v", s)
		}
	}
}
