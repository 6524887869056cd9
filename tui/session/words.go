package session

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rapport/knock"
)

// cancelled is why a job that the user ended was not done.
const Cancelled = "cancelled"

// ClockHour names an hour as clocks do: 08h.
func ClockHour(h knock.Hour) string { return h.String()[11:] + "h" }

// PortList writes ports side by side.
func PortList(ports []uint16) string { return strings.Trim(fmt.Sprint(ports), "[]") }

func Ordinals() [knock.Knocks]string { return [...]string{"1st", "2nd", "3rd", "4th", "5th"} }

// ExpandHome returns a path whose ~/ is the home folder.
func ExpandHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}
