package ui

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
)

// PathInput is a text field for the path of a file: it shows how the path may go on,
// and tab completes it.
type PathInput struct {
	textinput.Model
	read string // the folder whose names are suggested
}

// NewPathInput returns a path field of w cells.
func NewPathInput(w int) PathInput {
	m := NewInput(w, 4096)
	m.ShowSuggestions = true
	return PathInput{Model: m, read: "\x00"}
}

// Update passes a message to the field.
func (p PathInput) Update(msg tea.Msg) (PathInput, tea.Cmd) {
	if key, ok := msg.(tea.KeyMsg); ok && key.Type == tea.KeyTab {
		before := p.Value()
		p.suggest()
		p.Model, _ = p.Model.Update(msg)
		if p.Value() != before {
			p.suggest()
			return p, nil
		}
	}
	var cmd tea.Cmd
	p.Model, cmd = p.Model.Update(msg)
	p.suggest()
	return p, cmd
}

// Completes reports whether tab would add to the path.
func (p PathInput) Completes() bool {
	s := p.CurrentSuggestion()
	return p.Value() != "" && len(s) > len(p.Value()) && strings.HasPrefix(strings.ToLower(s), strings.ToLower(p.Value()))
}

// suggest reads the folder that was typed so far, once. A leading ~/ stays as it was
// typed.
func (p *PathInput) suggest() {
	folder, _ := filepath.Split(p.Value())
	if folder == p.read {
		return
	}
	p.read = folder
	at := folder
	if rest, ok := strings.CutPrefix(folder, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return
		}
		at = filepath.Join(home, rest)
	}
	if at == "" {
		at = "."
	}
	entries, _ := os.ReadDir(at) // one that cannot be read has no names to suggest
	var all []string
	for _, e := range entries {
		name := folder + e.Name()
		if e.IsDir() {
			name += string(filepath.Separator)
		}
		all = append(all, name)
	}
	p.SetSuggestions(all)
}
