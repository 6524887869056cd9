package rules

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/gate/audit"
	"rapport/knock/gate/script"
	"rapport/knock/netfilter"
	"rapport/knock/pcap"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// way is a command line that prints a server's rules, and when it is the one.
type way struct{ line, when string }

// ways are the command lines to run on the server, and at last one to run here.
func (s *Screen) ways() []way {
	all := []way{
		{"iptables-save; ip6tables-save", "rules of iptables"},
		{"nft list ruleset", "rules of nft"},
		{"cat " + script.InstallPath, "a script of rapport rules"},
	}
	if s.Config.HostsPath != "" {
		all = append(all, way{"rapport ssh " + s.Host.Name + " sudo nft list ruleset >rules.txt", "here; then l"})
	}
	return all
}

// chosenWay is the command line that y copies.
func (s *Screen) chosenWay() int { return min(int(s.wayAt), len(s.ways())-1) }

// wayKeys choose and copy a command line while there is no text yet.
func (s *Screen) wayKeys() []ui.Key {
	move := func(by int) func() tea.Cmd {
		return ui.Act(func() { s.wayAt.Move(by, len(s.ways())-1) })
	}
	return []ui.Key{
		ui.NewKey("y", "copy", "", func() tea.Cmd { return s.CopyText(s.ways()[s.chosenWay()].line) }),
		ui.NewKey("e", "example", "", s.showExample),
		ui.NewKey("up", "", "", move(-1)), ui.NewKey("down", "", "", move(1)),
	}
}

// exampleRules are those that rapport rules prints for the server.
func (s *Screen) exampleRules() script.Rules {
	t := s.Target
	return script.Rules{
		Format: script.NFT, Host: s.Host.Name, Range: t.Range, SSHPort: s.Host.SSHPort, Window: s.Window(), Grace: script.DefaultGrace,
		SweepGuard: min(script.DefaultSweepGuard, script.MaxSweepGuard(t.Range)), SecretPath: script.DefaultSecretPath,
	}
}

// showExample inspects the rules that the server would have by rapport rules.
func (s *Screen) showExample() tea.Cmd {
	s.example = true
	return s.compare("")
}

// waiting draws the screen while the rules are awaited, in the places that they will fill.
func (s *Screen) waiting() []string {
	if !s.Size.Framed() {
		return s.waitingSmall()
	}
	w, body, th := s.Size.Width, s.Size.Body(), s.Theme
	if !s.Size.Wide() {
		how := s.howTo(w-2, 0)
		lines := th.Box(w, len(how.Lines)+2, how)
		rest := s.within(w).outlook(false)
		if s.failure != "" {
			rest = ui.Pane{Title: "not read", Lines: s.paragraph(th.Bad, s.failure)}
		}
		return append(lines, th.Box(w, body-len(lines), rest)...)
	}
	side, top := auditSide(w), wideTop+max(0, body-37)/5
	last := s.outlook(body-top-awaitedRoom >= recordRoom)
	if s.failure != "" {
		last = ui.Pane{Title: "not read", Lines: s.paragraph(th.Bad, s.failure)}
	}
	details := max(8, len(last.Lines)+2)
	room := body - top - details
	how := th.Box(w-widePhases, top, s.howTo(w-widePhases-2, top-2))
	lines := ui.Beside(th.Box(widePhases, top, s.awaitedPhases()), how, widePhases)
	lines = append(lines, ui.Beside(th.Box(w-side, room, s.awaitedTrace(w-side-2, room-2)), th.Box(side, room, s.awaitedAudit(side-2, room-2)), w-side)...)
	return append(lines, th.Box(w, details, last)...)
}

// waitingSmall draws it without frames.
func (s *Screen) waitingSmall() []string {
	w, th := s.Size.Width, s.Theme
	p := s.howTo(w, 0)
	p.Add(s.paragraph(th.Bad, s.failure)...)
	if s.failure == "" && len(s.Text.Bytes) == 0 {
		p.Add("", th.Quiet.Render(" this client's five, for hour "+s.Hour().String()+":"), "   "+s.ownPorts())
		p.Add(s.paragraph(th.Quiet, "Then: their hour and range, what differs here, which rule decides each packet, what attacks cost.")...)
		p.Add(s.paragraph(th.Quiet, s.aboutCaptures())...)
	}
	return ui.Cut(p.Lines, s.Size.Body())
}

// howTo says how to get the rules, and how much of them there is; in h lines there may be
// room for gaps.
func (s *Screen) howTo(w, h int) ui.Pane {
	th := s.Theme
	p := ui.Pane{Title: "the server's rules", Note: "nothing is sent"}
	p.Add(" " + ui.FirstThatFits(w-2, "Paste here what one of these prints on the server, as root:", "Paste what one of these prints on the server, as root:"))
	for i, way := range s.ways() {
		mark, style := "   ", th.Ink
		if i == s.chosenWay() && len(s.Text.Bytes) == 0 {
			mark, style = " "+th.Accent.Render(">")+" ", th.Strong
		}
		line := mark + style.Render(way.line)
		p.Add(ui.Ends(line, th.Quiet.Render(way.when)+" ", w))
	}
	gap := func() {
		if h >= wideTop {
			p.Add("")
		}
	}
	gap()
	p.Add(s.within(w+2).paragraph(th.Ink, "Or its script, or the five ports that it expects. An empty line ends it, or ctrl+d.")...)
	gap()
	switch n := len(s.Text.Bytes); {
	case n == 0:
		p.Add(" " + th.Quiet.Render("nothing yet: ") + th.Accent.Render("y") + " copies, " + th.Accent.Render("l") + " loads a file, " + th.Accent.Render("e") + " shows an example")
	case s.Text.isPorts():
		label := " " + th.Accent.Render("ports") + "  "
		for _, l := range ui.Wrap(s.collected()+" _", w-11) {
			p.Add(label + l)
			label = "        "
		}
	default:
		p.Add(" " + th.Accent.Render("text") + "  " + s.collected() + " _")
		if n == maxText {
			p.Add(" " + th.Bad.Render("the rest is dropped: "+netfilter.ErrLongRules.Error()))
		}
	}
	return p
}

// awaitedRoom is how many lines the awaited trace takes with its frame, and recordRoom how
// many the outlook takes with the commands that record a capture.
const awaitedRoom, recordRoom = 20, 13

// outlook says what the rules will be asked, and how to record a capture if there is room.
func (s *Screen) outlook(record bool) ui.Pane {
	p := ui.Pane{Title: "what you will see"}
	add := func(name, text string) {
		for _, l := range ui.Wrap(text, s.width()-16) {
			p.Add(" " + s.Theme.Accent.Render(ui.Fit(name, 10)) + l)
			name = ""
		}
	}
	add("here", "all of it is computed on this machine: nothing is sent, nothing is stored")
	add("phases", "its ports beside this client's, "+s.ownPorts()+" for hour "+s.Hour().String())
	add("findings", "the hour, range and secret they were made with; what differs here; what is wrong, and its fix")
	add("trace", "which rule decides what becomes of each knock, and of SSH")
	add("audit", fmt.Sprintf("what %d attacks and accidents would cost, played on this machine", len(audit.Names())))
	add("captures", s.aboutCaptures())
	if record {
		p.Add("", " "+s.Theme.Quiet.Render("a capture of a handshake is recorded by"))
		add("here", pcap.Tcpdump(pcap.Client, s.Host.Lookup()))
		add("there", pcap.Tcpdump(pcap.Server, s.Host.Lookup()))
	}
	return p
}

// aboutCaptures says that captures can be loaded too, and how to make them.
func (s *Screen) aboutCaptures() string {
	return "l loads captures too: rapport pcap --tcpdump " + ui.Truncate(s.Host.Name, 20)
}

// ownPorts are those of this client's hour.
func (s *Screen) ownPorts() string {
	var all []string
	for _, port := range s.Sequence(s.Hour()).Ports() {
		all = append(all, s.Port(port))
	}
	return strings.Join(all, " ")
}

// awaitedPhases is the client's half of the phases.
func (s *Screen) awaitedPhases() ui.Pane {
	th := s.Theme
	p := ui.Pane{Title: "phases", Note: "the server's are awaited"}
	p.Add(th.Quiet.Render(" " + ui.Fit("", 9) + ui.Fit("there", 10) + ui.Fit("here", 10) + "for hour " + s.Hour().String()))
	row := func(name, here string) { p.Add(" " + ui.Fit(name, 9) + th.Faint.Render(ui.Fit("?", 10)) + here) }
	for k, port := range s.Sequence(s.Hour()).Ports() {
		row(session.Ordinals()[k], s.Port(port))
	}
	row("ssh", fmt.Sprint(s.Host.SSHPort))
	row("window", ui.Duration(s.Window()))
	return p
}

// awaitedTrace has the place of each packet, and says by an example how to read its signs.
func (s *Screen) awaitedTrace(w, h int) ui.Pane {
	th := s.Theme
	p := ui.Pane{Title: "trace", Note: "your handshake, played through the rules"}
	const cell = 8
	text := min(widestRule, w-lineColumn-cell*(knock.Knocks+1))
	ports := append(strings.Fields(s.ownPorts()), fmt.Sprint(s.Host.SSHPort))
	row := func(label string, style ui.Style, of func(k int) string) {
		line := ui.Fit("", lineColumn) + ui.Fit(label, text)
		for k := range ports {
			line += ui.Fit(" "+of(k), cell)
		}
		p.Add(style.Render(line))
	}
	row("", th.Quiet, packetName)
	row("port", th.Quiet, func(k int) string { return ports[k] })
	for _, of := range []string{"phase before and after", "verdict"} {
		row(of, th.Faint, func(int) string { return "?" })
	}
	p.Add("")
	row("for example:", th.Quiet, func(int) string { return "" })
	for phase := range ports {
		row(s.exampleRule(ports[phase], phase, text), th.Faint, func(k int) string {
			switch {
			case k == knock.Knocks && phase == k:
				return th.Yes + "*"
			case k == phase:
				return th.Yes
			}
			return "-"
		})
	}
	if legend := s.traceLegend(); h > len(p.Lines)+len(legend) {
		p.Add("")
		for _, l := range legend {
			p.Add(ui.Fit("", lineColumn) + th.Quiet.Render(ui.Fit(l[0], 8)+l[1]))
		}
	}
	return p
}

// exampleRule is the rule of a phase, or behind the last one that of SSH, in w cells.
func (s *Screen) exampleRule(port string, phase, w int) string {
	const longest = 83 // of those with all their words
	last := phase == knock.Knocks
	switch {
	case w <= longest && last:
		return fmt.Sprintf("tcp %s, phase %d: accept", port, phase)
	case w <= longest:
		return fmt.Sprintf("tcp %s, phase %d to %d", port, phase, phase+1)
	}
	within := ""
	if phase > 0 {
		within = fmt.Sprintf("--rcheck --seconds %.0f --name PK_PHASE%d ", s.Window().Seconds(), phase)
	}
	if last {
		return fmt.Sprintf("-p tcp --dport %s %s-j ACCEPT", port, within)
	}
	return fmt.Sprintf("-p tcp --dport %s %s-j portknock_into_phase%d", port, within, phase+1)
}

// awaitedAudit names what will be played, in h lines of w cells.
func (s *Screen) awaitedAudit(w, h int) ui.Pane {
	names := audit.Names()
	p := ui.Pane{Title: "audit", Note: fmt.Sprintf("%d to play", len(names))}
	for _, name := range names {
		p.Add(" " + s.Theme.Faint.Render(s.Theme.Wait) + " " + s.Theme.Quiet.Render(ui.Fit(name, 16)) + s.Theme.Faint.Render(ui.FirstThatFits(w-19, audit.About(name), "")))
	}
	p.Lines = ui.Cut(p.Lines, h)
	return p
}
