// Command rapport is the terminal assistant for a port-knocking scheme that
// needs no daemon: it previews sequences, knocks, and proves that SSH opened.
package main

import (
	"os"

	"rapport/tui/quiet"
)

func main() {
	quiet.Restore()
	os.Exit(run(os.Args[1:]))
}
