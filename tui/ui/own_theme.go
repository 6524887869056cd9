package ui

import (
	"github.com/charmbracelet/lipgloss"
	"github.com/lucasb-eyer/go-colorful"
)

// OwnTheme returns the theme of a scheme with the colours that a user chose, as #rrggbb
// by role. Where the terminal has fewer colours the nearest is drawn.
func OwnTheme(r *lipgloss.Renderer, ascii bool, scheme Scheme, own map[string]string) Theme {
	t := NewTheme(r, ascii, scheme)
	for role, s := range map[string]*Style{
		"ink": &t.Ink, "muted": &t.Quiet, "faint": &t.Faint, "accent": &t.Accent, "open": &t.Open,
		"warn": &t.Warn, "bad": &t.Bad, "past": &t.Past, "next": &t.Next,
	} {
		if c := own[role]; c != "" {
			*s = newStyle(r.NewStyle().Foreground(lipgloss.Color(c)))
		}
	}
	from, noAccent := colorful.Hex(own["accent"])
	to, noOpen := colorful.Hex(own["open"])
	if noAccent == nil && noOpen == nil {
		for i := range t.Steps {
			c := from.BlendLab(to, float64(i)/float64(len(t.Steps)-1)).Clamped().Hex()
			t.Steps[i] = newStyle(r.NewStyle().Foreground(lipgloss.Color(c)))
		}
	}
	t.Strong = t.Ink.Bold(true)
	t.Badge = t.Accent.Bold(true).Reverse(true)
	return t
}
