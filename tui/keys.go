package tui

import "github.com/charmbracelet/bubbles/key"

// keys are what the Knock screen answers to.
type keys struct {
	Knock, Probe, Mask, Copy, Cancel, Help, Suspend, Quit key.Binding
}

func newKeys() keys {
	bind := func(name, what string, k ...string) key.Binding {
		return key.NewBinding(key.WithKeys(k...), key.WithHelp(name, what))
	}
	return keys{
		Knock:   bind("k", "knock", "k", "enter", " "),
		Probe:   bind("p", "probe", "p"),
		Mask:    bind("m", "mask", "m"),
		Copy:    bind("c", "copy", "c"),
		Cancel:  bind("esc", "cancel", "esc"),
		Help:    bind("?", "help", "?"),
		Suspend: bind("ctrl+z", "suspend", "ctrl+z"),
		Quit:    bind("q", "quit", "q", "ctrl+c"),
	}
}

// helpLines explain every key; the help screen shows them.
func helpLines() [][2]string {
	return [][2]string{
		{"k enter space", "knock, then look whether SSH opened"},
		{"", "(while knocking: cancel, and start again)"},
		{"p", "probe: look at SSH without knocking"},
		{"m", "mask the ports, for use in public"},
		{"c", "copy this hour's ports to the clipboard"},
		{"esc", "cancel what is under way; close this help"},
		{"ctrl+z", "suspend to the shell; fg comes back"},
		{"q ctrl+c", "quit"},
		{"silent", "no answer, as a real gate has it"},
		{"refused", "a RST: something rejects the knock"},
		{"unreachable", "an ICMP error, or no route"},
		{"open", "something accepts it: not a gate's way"},
		{"=", "this port occurs twice in its hour"},
	}
}
