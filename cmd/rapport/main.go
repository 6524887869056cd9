// Command rapport is the terminal assistant for a port-knocking scheme that
// needs no daemon: it previews sequences, knocks, and proves that SSH opened.
package main

import (
	"os"

	"rapport/tui/noquery"
)

func main() {
	noquery.Restore()
	os.Exit(run(os.Args[1:]))
}
