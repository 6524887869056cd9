package knock_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"rapport/knock"
)

// prints fails if a text cannot be shown in one line.
func prints(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		t.Errorf("%q does not print", s)
	}
}

// FuzzValues: a text that parses as a range, an hour, a family or a secret prints
// and parses the same again; others give an error of one line. Cleaned text prints
// and is bounded.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"10000-10999", "1-65535", "010-+20", "2026-11-22-08", "0000-01-01-00", "9999-12-31-23", "auto", "6", "f00b4r", "a b%\n", "\x1b[31m", "é\u200b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := len(s) / 2
		cut, whole := knock.Clean(s, n), knock.Clean(s, len(s))
		prints(t, cut)
		if utf8.RuneCountInString(cut) > n+len("...") || knock.Clean(whole, len(s)) != whole {
			t.Errorf("%q is cleaned to %q and %q", s, cut, whole)
		}
		h, err := knock.ParseHour(s)
		if err != nil {
			prints(t, err.Error())
		} else if h.String() != s || knock.HourOf(h.Start()) != h || h.End().Sub(h.Start()) != time.Hour {
			t.Errorf("hour %q is %v", s, h)
		}
		family, err := knock.ParseFamily(s)
		if err != nil {
			prints(t, err.Error())
		} else if string(family) != s {
			t.Errorf("family %q is %q", s, family)
		}
		secret, err := knock.ParseSecret(s)
		if err != nil {
			prints(t, err.Error())
			secret, _ = knock.ParseSecret("f00b4r")
		} else if secret.Reveal() != s || strings.ContainsFunc(s, unicode.IsSpace) || strings.ContainsAny(s, "%\x00") {
			t.Errorf("secret %q was taken", s)
		}
		r, err := knock.ParseRange(s)
		if err != nil {
			prints(t, err.Error())
			r = knock.DefaultRange
		} else if again, err := knock.ParseRange(r.String()); again != r || err != nil || r.Bottom() < 1 || r.Top() > 65535 || r.Size() < 2 {
			t.Errorf("range %q is %v", s, r)
		}
		for _, p := range knock.Derive(h, r, secret).Ports() {
			if !r.Contains(int(p)) {
				t.Errorf("port %d of %v", p, r)
			}
		}
	})
}
