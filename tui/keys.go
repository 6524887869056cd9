package tui

import "github.com/charmbracelet/bubbles/key"

// keys are what the Knock screen answers to.
type keys struct {
	Knock, Probe, SSH, Wait, Diagnose, Compare, Hosts, Mask, Copy, Cancel, Help, Suspend, Quit key.Binding
}

func newKeys() keys {
	bind := func(name, what string, k ...string) key.Binding {
		return key.NewBinding(key.WithKeys(k...), key.WithHelp(name, what))
	}
	return keys{
		Knock:    bind("k", "knock", "k", "enter", " "),
		Probe:    bind("p", "probe", "p"),
		Mask:     bind("m", "mask", "m"),
		Copy:     bind("y", "copy", "y"),
		SSH:      bind("s", "ssh", "s"),
		Wait:     bind("w", "wait", "w"),
		Diagnose: bind("d", "diagnose", "d"),
		Compare:  bind("c", "compare", "c"),
		Hosts:    bind("h", "hosts", "h"),
		Cancel:   bind("esc", "cancel", "esc"),
		Help:     bind("?", "help", "?"),
		Suspend:  bind("ctrl+z", "suspend", "ctrl+z"),
		Quit:     bind("q", "quit", "q"),
	}
}

// knockHelp explains every key and word of the Knock screen.
func knockHelp() [][2]string {
	return [][2]string{
		{"k enter space", "knock, then look; again: cancel, restart"},
		{"p", "probe: look at SSH without knocking"},
		{"s", "ssh in this terminal, and come back"},
		{"w", "wait for the next hour, then knock"},
		{"d   c", "diagnose why it stays shut; compare rules"},
		{"h", "the list of servers"},
		{"m   y", "mask the ports; copy this hour's"},
		{"esc", "cancel what is under way"},
		{"q   ctrl+z", "quit; suspend, fg comes back"},
		{"silent", "no answer, as a real gate has it"},
		{"refused", "a RST: something rejects the knock"},
		{"unreachable", "an ICMP error, or no route"},
		{"open", "something accepts it: not a gate's way"},
		{"=", "this port occurs twice in its hour"},
	}
}

// compareHelp explains every key and word of the Compare screen.
func compareHelp() [][2]string {
	return [][2]string{
		{"f", "take the server's range and hour over"},
		{"c", "compare other rules"},
		{"up down", "scroll; pgup, pgdown, home and end too"},
		{"m", "mask the ports, for use in public"},
		{"esc", "cancel; back to the Knock screen"},
		{"q   ctrl+z", "quit; suspend, fg comes back"},
		{"there, here", "the server's ports, and what this knocks"},
		{"door rcheck", "open for one window"},
		{"door update", "each connection extends the window"},
		{"door remove", "the first connection uses it up"},
		{"computed", "by the script; the text does not tell"},
	}
}

// diagnoseHelp explains every key and sign of the Diagnose screen.
func (a app) diagnoseHelp() [][2]string {
	t := a.theme
	return [][2]string{
		{"f", "do what of the fix is on this side; knock"},
		{"r   F", "run again; again with hours to come"},
		{"y   m", "copy the report; mask the ports"},
		{"tab up down", "see more; pgup, pgdown, home and end too"},
		{"esc", "cancel; back to the Knock screen"},
		{"q   ctrl+z", "quit; suspend, fg comes back"},
		{t.yes + "   " + t.no, "ok; fail"},
		{"!   >   -", "warn; running; skipped"},
		{t.wait + "   " + t.untried, "check not begun; hour, range not tried yet"},
		{t.tried + "   " + t.full, "tried, at least where likeliest; a hit"},
		{"[" + t.tried + "]", "the client's own hour, range and secret"},
		{t.point + "   " + t.begin + t.inside + t.end, "a clock's time; its span where not exact"},
		{"outvoted", "most sources agree on another time"},
	}
}

// hostsHelp explains every key of the Hosts screen.
func hostsHelp() [][2]string {
	return [][2]string{
		{"enter k space", "open the selected server"},
		{"up down", "select; pgup, pgdown, home and end too"},
		{"/", "filter by name and address; esc takes it away"},
		{"a", "add a server"},
		{"e", "edit the selected one"},
		{"i", "import an old script in the article's style"},
		{"x delete", "remove the selected one, once confirmed"},
		{"q   ctrl+z", "quit; suspend, fg comes back"},
	}
}

// scrolled returns where a key moves the first line that is shown, of at least 0
// once it is bounded; other keys leave it.
func scrolled(at int, key string, page int) int {
	switch key {
	case "up":
		return at - 1
	case "down":
		return at + 1
	case "pgup":
		return at - page
	case "pgdown", " ":
		return at + page
	case "home":
		return 0
	case "end":
		return 1 << 20
	}
	return at
}
