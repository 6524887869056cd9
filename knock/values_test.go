package knock_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"rapport/knock"
)

func TestParseHour(t *testing.T) {
	h := hour(t, "2026-11-22-08")
	if got := h.Start(); !got.Equal(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("Start = %v", got)
	}
	if got := h.Add(16).String(); got != "2026-11-23-00" {
		t.Errorf("16 hours later is %s", got)
	}
	if got := h.Add(-9).Sub(h); got != -9 {
		t.Errorf("Sub = %d", got)
	}
	for _, bad := range []string{"", "2026-11-22", "2026-11-22-24", "2026-13-01-00", "2026-11-22-8", "2026-11-22-08 ", "\x1b[31m"} {
		if h, err := knock.ParseHour(bad); err == nil {
			t.Errorf("ParseHour(%q) = %v", bad, h)
		}
	}
}

func TestHourOfIsUTCAndFloors(t *testing.T) {
	east := time.FixedZone("east", 5*3600+1800)
	for _, tt := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 11, 22, 13, 29, 59, 999, east), "2026-11-22-07"},
		{time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), "1969-12-31-23"},
		{time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), "0000-01-01-00"},
		{time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), "9999-12-31-23"},
	} {
		if got := knock.HourOf(tt.at).String(); got != tt.want {
			t.Errorf("HourOf(%v) = %s, want %s", tt.at, got, tt.want)
		}
	}
}

func TestParseRange(t *testing.T) {
	r, err := knock.ParseRange("10000-10999")
	if err != nil || r != knock.DefaultRange || r.Size() != 1000 || r.String() != "10000-10999" {
		t.Errorf("ParseRange(10000-10999) = %v (size %d), %v", r, r.Size(), err)
	}
	for _, bad := range []string{"", "5", "5-1", "7-7", "0-70000", "0-10", "1-65536", "-5-7", "+1-7", "a-b", "1-2-3", " 1-2", "99999999999999999999-5"} {
		if r, err := knock.ParseRange(bad); err == nil {
			t.Errorf("ParseRange(%q) = %v", bad, r)
		}
	}
	for text, narrow := range map[string]bool{"1-99": true, "1-100": false} {
		if r, err := knock.ParseRange(text); err != nil || r.IsNarrow() != narrow {
			t.Errorf("%s narrow: %v, %v", text, r.IsNarrow(), err)
		}
	}
}

func TestParseSecretRefusesWhatTheShellMangles(t *testing.T) {
	for text, reason := range map[string]string{
		"":                       "empty",
		"a b":                    "white space",
		"a\tb":                   "white space",
		"a\r":                    "white space",
		"a\u00a0b":               "white space",
		"a\n":                    "newline",
		"50%off":                 "date command",
		"a\x00":                  "control",
		"\xff":                   "UTF-8",
		strings.Repeat("x", 513): "513 bytes",
	} {
		_, err := knock.ParseSecret(text)
		if !errors.Is(err, knock.ErrSecret) || !strings.Contains(err.Error(), reason) {
			t.Errorf("ParseSecret(%q): %v, want one about %q", text, err, reason)
		}
	}
	for _, text := range []string{"f00b4r", "pass-word_*?[]\\$`'\"", "höhle", strings.Repeat("x", 512)} {
		if s, err := knock.ParseSecret(text); err != nil || s.Reveal() != text {
			t.Errorf("ParseSecret(%q): %v", text, err)
		}
	}
}

func TestSecretNeverPrintsItself(t *testing.T) {
	s := secret(t, "f00b4r")
	inside := struct {
		Public  knock.Secret
		private knock.Secret
		pointer *knock.Secret
	}{s, s, &s}
	var out strings.Builder
	for _, v := range []any{s, &s, inside, &inside, []knock.Secret{s}, map[string]knock.Secret{"k": s}, map[knock.Secret]int{s: 1}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	if err := json.NewEncoder(&out).Encode(inside); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "secret", s, "inside", inside)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "secret", s, "inside", inside)
	_, err := knock.ParseSecret("f00b4r with more")
	fmt.Fprintln(&out, err)
	for _, leak := range []string{"f00b4r", fmt.Sprintf("%x", "f00b4r"), fmt.Sprintf("%X", "f00b4r")} {
		if bytes.Contains([]byte(out.String()), []byte(leak)) {
			t.Errorf("the secret shows in:\n%s", out.String())
		}
	}
	if s != secret(t, "f00b4r") || s == secret(t, "f00b4R") {
		t.Error("secrets do not compare by their text")
	}
}
