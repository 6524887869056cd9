package hosts

import (
	"errors"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Settings are those of the screens, above the hosts of a hosts file.
type Settings struct {
	Theme   string // "dark", "light", or the name of a file in the folder themes; empty: as the environment says
	History bool   // handshakes are stored
	Motion  bool   // changes may be animated
	Mouse   bool   // the mouse is used from the start
}

// DefaultSettings are those of a hosts file that has none.
func DefaultSettings() Settings { return Settings{History: true, Motion: true} }

// setting reads one of the settings; known is false for any other key.
func (s *Settings) setting(name string, v *unstable.Node) (known bool, err error) {
	switch name {
	case "theme":
		if s.Theme, err = (value{name, v}).text(); err == nil {
			err = CheckTheme(s.Theme)
		}
	case "history":
		s.History, err = (value{name, v}).boolean()
	case "motion":
		s.Motion, err = (value{name, v}).boolean()
	case "mouse":
		s.Mouse, err = (value{name, v}).boolean()
	default:
		return false, nil
	}
	return true, err
}

// Restore puts the text of a hosts file back to what it was before an edit, unless it
// was changed again since.
func (e *Editor) Restore(before, after []byte) error {
	if string(e.text) != string(after) {
		return errors.New("the hosts file was changed since")
	}
	doc, err := parse(before)
	if err != nil {
		return err
	}
	e.document = doc
	return nil
}

// Text returns the text of the hosts file.
func (e *Editor) Text() []byte { return slices.Clone(e.text) }
