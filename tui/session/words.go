package session

import (
	"fmt"
	"strings"

	"rapport/knock"
)

// ClockHour writes an hour without its date: 08h.
func ClockHour(h knock.Hour) string { return h.String()[11:] + "h" }

// PortList writes ports with a space between them.
func PortList(ports []uint16) string { return strings.Trim(fmt.Sprint(ports), "[]") }

// Ordinals names the knocks in order, as the screens do.
func Ordinals() [knock.Knocks]string { return [...]string{"1st", "2nd", "3rd", "4th", "5th"} }
