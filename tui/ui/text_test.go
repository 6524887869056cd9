package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

func TestTextThatHasToFit(t *testing.T) {
	long := "SSH is filtered without a knock, after 38.1 ms"
	for _, tt := range []struct{ name, got, want string }{
		{"fit pads", Fit("ab", 4), "ab  "},
		{"fit cuts", Fit("abcdef", 4), "abc…"},
		{"ends", Ends("a", "b", 5), "a   b"},
		{"the right end gives way", Ends("abcd", "efg", 6), "abcd  "},
		{"hours are not broken", strings.Join(Wrap("hour 2026-11-22-08", 12), "|"), "hour|2026-11-22-0|8"},
		{"paragraph", strings.Join(Paragraph(plainTheme().Ink, "one two", "  ", 5), "|"), "  one|  two"},
		{"cut says that there is more", strings.Join(Cut([]string{"one two three", "four five,", "six"}, 2), "|"), "one two three|four five …"},
		{"cut leaves what is short", strings.Join(Cut([]string{"one"}, 2), "|"), "one"},
		{"clause", Clause(long, 40), "SSH is filtered without a knock"},
		{"no clause ends late enough", Clause("abcdefgh ijklmn opqr", 15), "abcdefgh …"},
		{"the first wording", FirstThatFits(9, "too long for it", "fits", "f"), "fits"},
		{"the last wording", FirstThatFits(2, "too long", "long"), "long"},
		{"milliseconds", Duration(200 * time.Millisecond), "200 ms"},
		{"seconds", Duration(1500 * time.Millisecond), "1.5 s"},
		{"minutes", Duration(5 * time.Minute), "5 min"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestSignedOffsets(t *testing.T) {
	for d, want := range map[time.Duration]string{41 * time.Minute: "+41m", -3 * time.Hour: "-3h", 90 * time.Minute: "+1h30m", -time.Second: "-1s", time.Hour + time.Second: "+1h0m1s"} {
		if got := Signed(d); got != want {
			t.Errorf("Signed(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestScrollStaysWithinTheText(t *testing.T) {
	var lines []string
	for i := range 10 {
		lines = append(lines, fmt.Sprint(i))
	}
	for _, tt := range []struct {
		at, room int
		want     string
	}{
		{0, 4, "0123 lines 1-4 of 10, 6 more"},
		{3, 4, "3456 lines 4-7 of 10, 6 more"},
		{1 << 20, 4, "6789 lines 7-10 of 10, 6 more"},
		{-5, 4, "0123 lines 1-4 of 10, 6 more"},
		{2, 20, "0123456789 lines 1-10 of 10, 0 more"},
		{2, -1, "2 lines 3-3 of 10, 9 more"},
	} {
		shown, where, most := Scroll(tt.at).Window(lines, tt.room)
		if got := fmt.Sprintf("%s %s, %d more", strings.Join(shown, ""), where, most); got != tt.want {
			t.Errorf("at %d in %d lines: %s, want %s", tt.at, tt.room, got, tt.want)
		}
	}
}

// Signs that are used side by side differ.
func TestASCIISignsDiffer(t *testing.T) {
	g := asciiGlyphs
	seen := map[string]bool{}
	for _, sign := range []string{g.Yes, g.No, g.Wait, "!", ">", "-", g.Full, g.Tried, g.Untried, g.Inside, g.Point, g.Tick} {
		if seen[sign] {
			t.Errorf("%s has two meanings", sign)
		}
		seen[sign] = true
	}
}

// The quick measure agrees with the library's, whatever the text.
func TestCellsAgreeWithTheLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\x1b[0m", "\x1b[1;38;2;1;2;3m", "█─╭✓", "·…", "a b", "漢", "é", "\x1b[", "\x1b]0;t\a"}))).Draw(t, "parts")
		s := strings.Join(parts, "")
		if got, want := Cells(s), ansi.StringWidth(s); got != want {
			t.Fatalf("%q: %d cells, want %d", s, got, want)
		}
	})
}
