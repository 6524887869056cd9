// Package knocking is the Knock screen: the sequences around this hour, the newest
// handshake on a time line, what SSH answered, how long the window stays open, and
// the log. It also runs ssh on the terminal, and waits for the next hour.
package knocking

import (
	"context"
	"errors"
	"net/netip"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/strength"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Stage is what the Knock screen is doing.
type Stage int

// The stages.
const (
	Idle        Stage = iota // no handshake is under way
	Resolving                // the name is looked up
	Knocking                 // knocks leave
	AwaitingSSH              // the knocks are sent, and SSH is probed
	Probing                  // SSH is probed without a knock
)

// Screen shows the sequences around this hour, the newest handshake, and the log.
type Screen struct {
	*session.Session
	Stage  Stage
	Report *knock.Report      // of the newest handshake, under way or over
	probe  *knock.ProbeReport // of the newest probe, if nothing came after it
	began  time.Time          // of the newest handshake, by the screen's clock
	// opened is when an earlier handshake opened SSH, if its window was still open
	// when the newest one began; zero otherwise.
	opened  time.Time
	Failure error     // why the newest job could not be done; context.Canceled: the user ended it
	ended   time.Time // when the newest handshake ended
	// sshEndedAt is when ssh gave the terminal back, zero if something came after it.
	sshEndedAt time.Time
	sshLasted  time.Duration
	sshFailure string // how it ended, empty if well
}

// Ended returns when the newest handshake ended, zero for none.
func (s *Screen) Ended() time.Time { return s.ended }

// secretWords says where the secret is stored, and how strong it is.
func (s *Screen) secretWords() string {
	where := map[hosts.SecretSource]string{
		hosts.FromCommand: "from a command", hosts.InFile: "in a file", hosts.InKeyring: "in the keyring", hosts.Inline: "in the hosts file",
	}[s.Host.Secret.Source()]
	if where == "" {
		where = "typed"
	}
	return where + ", " + strength.Estimate(s.Target.Secret, s.Target.Range).Summary()
}

const (
	// refreshDelay is how long after the hour change a handshake waits: the server may
	// be refreshing its rules.
	refreshDelay = 2 * time.Second
	// resolveTimeout bounds the resolving of a name, so that a hanging resolver shows.
	resolveTimeout = 10 * time.Second
)

// Keys implements [session.Screen].
func (s *Screen) Keys() ui.Keys {
	start := func(st Stage) func() tea.Cmd { return func() tea.Cmd { return s.Start(st) } }
	open := func(p session.Page) func() tea.Cmd { return func() tea.Cmd { return s.Open(p) } }
	knocks := ui.NewKey("k", "knock", "knock, then probe; again: restart", start(Knocking), "enter", " ")
	probe := ui.NewKey("p", "probe", "probe SSH without knocking", start(Probing))
	ssh := ui.NewKey("s", "ssh", "ssh in this terminal, and come back", s.ssh).If(s.Config.SSH != nil)
	wait := ui.NewKey("w", "at the hour", "wait for the next hour, then knock", ui.Act(s.wait))
	diagnose := ui.NewKey("d", "diagnose", "diagnose why it stays shut", open(session.ToDiagnosis))
	rules := ui.NewKey("c", "rules", "its rules", open(session.ToRules))
	list := ui.NewKey("h", "hosts", "the list of servers", open(session.ToOverview)).If(s.Config.HostsPath != "")
	mask := s.Mask("mask the ports")
	copies := ui.NewKey("y", "copy", "copy this hour's ports", s.copySequence)
	fix := ui.NewKey("f", "fix", "apply the fix that was found, and knock", func() tea.Cmd { return s.ApplyFix(s) }).If(!s.Fix.IsZero())
	cancel := ui.NewKey("esc", "cancel", "cancel what is under way", ui.Act(func() { s.WaitFor = nil; s.Wire.Cancel() }))

	k := ui.Keys{Rows: [][]ui.Key{{knocks}, {ssh}, {probe}, {wait}, {diagnose, rules}, {fix}, {list}, {mask, copies}, {cancel}}}
	accepted := [2]string{"open", "something accepts it, which no gate does"}
	if s.Config.Demo {
		accepted = [2]string{"received", "the demo's gate accepts a knock to see it"}
	}
	k.Legend = [][2]string{
		{"silent", "no answer, as a real gate has it"},
		accepted,
		{"refused", "a RST: something rejects the knock"},
		{"ICMP", "unreachable: an ICMP error, or no route to host"},
		{"=", "this port occurs twice in its hour"},
	}
	busy := s.Wire.Job != nil || s.WaitFor != nil
	cancel = cancel.If(busy)
	k.Bar = []ui.Key{knocks, ssh, probe, diagnose, rules, list, cancel, fix, wait, mask, copies}
	return k
}

// Moving implements [session.Screen].
func (s *Screen) Moving() bool {
	return s.Stage != Idle || s.windowLeft() > 0 || s.Report != nil && s.replayed() < knock.Knocks
}

// Update implements [session.Screen].
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case ui.Beat:
		return s.due()
	case netip.Addr:
		s.Pin(msg)
	case knock.ProbeReport:
		s.probe = &msg
		s.Note("probed without knocking: %s", msg.SSH.Summary())
	case knock.Event:
		s.Report = &msg.Report
		s.happened(msg)
	case session.JobEnded:
		s.jobEnded(msg.Err)
	case sshEnded:
		if msg.of == s {
			s.sshEnded(msg)
		}
	case session.Applied:
		switch {
		case msg.Name != s.Host.Name: // the user has gone elsewhere
		case msg.Stored(): // the file's path is on the Hosts screen: here it would push the rest out
			s.Note("written to the hosts file: %s", msg.Change)
		default:
			s.Note("%v", msg)
		}
	}
	return nil
}

// wait arms the handshake for the start of the next hour, or disarms it.
func (s *Screen) wait() {
	if s.WaitFor != nil {
		s.WaitFor = nil
		return
	}
	next := s.Hour().Add(1)
	s.WaitFor = &next
	s.Note("waiting for %s to knock; esc cancels", session.ClockHour(next))
}

// due starts the handshake that waits for its hour, once that has begun.
func (s *Screen) due() tea.Cmd {
	next := s.WaitFor
	if next == nil || s.Now.Add(s.Target.Skew).Before(next.Start().Add(refreshDelay)) {
		return nil
	}
	return s.Start(Knocking)
}

// Start begins to resolve, to knock or to probe, as soon as the wire is free.
func (s *Screen) Start(st Stage) tea.Cmd {
	if st == Knocking {
		s.WaitFor = nil
	}
	s.StopWaiting()
	return s.Wire.Start(s.Ctx, session.Turn{User: s, Begin: func() ui.Work { return s.job(st) }})
}

func (s *Screen) job(st Stage) ui.Work {
	target, host, client, options := s.Target, s.Host, s.Config.Client, s.Config.Options
	if r := s.Report; r != nil && options.RTT == 0 {
		options.RTT = r.RoundTrip()
	}
	s.Stage, s.Failure, s.probe = st, nil, nil
	if st != Resolving {
		s.sshEndedAt = time.Time{}
	}
	if st == Knocking {
		s.opened = s.stillOpenSince()
		s.Report = nil
	}
	return func(ctx context.Context, emit func(any)) error {
		lookUp, stop := context.WithTimeout(ctx, resolveTimeout)
		defer stop()
		addr, err := client.Resolve(lookUp, host.Lookup(), host.Family)
		if err != nil {
			return err
		}
		emit(addr)
		target.Addr = netip.AddrPortFrom(addr, uint16(host.SSHPort))
		switch st {
		case Knocking:
			_, err = client.Knock(ctx, target, options, func(e knock.Event) { emit(e) })
		case Probing:
			var r knock.ProbeReport
			if r, err = client.Probe(ctx, target.Host, target.Addr, knock.Options{}); err == nil {
				emit(r)
			}
		}
		return err
	}
}

// jobEnded notes how a job ended.
func (s *Screen) jobEnded(err error) {
	knocked := s.Stage == Knocking || s.Stage == AwaitingSSH
	s.Stage = Idle
	if knocked {
		s.ended = s.Now
	}
	switch {
	case errors.Is(err, context.Canceled):
		s.Failure = context.Canceled
		s.Note("cancelled")
	case err != nil:
		s.Failure = err
		s.NoteAs(session.Bad, "%s", session.ErrorText(err))
		if knocked {
			s.store(knock.Report{})
		}
	case knocked && s.Report != nil:
		s.store(*s.Report)
	}
}

// store adds a handshake to the history.
func (s *Screen) store(r knock.Report) {
	if err := s.Record(r); err != nil {
		s.NoteAs(session.Bad, "%v", err)
	}
}

func (s *Screen) copySequence() tea.Cmd {
	ports := s.Sequence(s.Hour()).Ports()
	s.Note("sequence sent to the terminal's clipboard (OSC 52)")
	return s.CopyText(session.PortList(ports[:]))
}

func (s *Screen) happened(e knock.Event) {
	switch e.Kind {
	case knock.AttemptStarted:
		if s.Stage = Knocking; e.Attempt == 0 {
			s.began = s.Now
		}
	case knock.ProbeStarted:
		s.Stage = AwaitingSSH
	case knock.Finished:
		s.Stage = Knocking
		s.finished(e.Report)
	}
}

// finished notes how a handshake ended.
func (s *Screen) finished(r knock.Report) {
	if r.Before.State != knock.SSHOpen {
		s.opened = time.Time{}
	}
	n := len(r.Attempts)
	if n == 0 {
		return
	}
	s.answers(n, r.Attempts[n-1])
	if s.stillOpen() {
		s.Note("%s", s.summary())
		return
	}
	if knocks := r.Attempts[n-1].Knocks; r.Opened && len(knocks) > 0 {
		took := time.Duration(knocks[len(knocks)-1].Sent - r.Attempts[0].Knocks[0].Sent)
		s.NoteAs(session.Good, "sent in %s, SSH answered after %s", ms(took), ms(time.Duration(r.SSH.Read)))
		return
	}
	s.NoteAs(session.Bad, "SSH %s after %s; d finds out why", r.SSH.State, phrase.Plural(n, "attempt"))
}

// answers notes which answers the knocks of the last attempt, the nth, got, if any.
func (s *Screen) answers(n int, a knock.Attempt) {
	count := map[knock.Answer]int{}
	for _, k := range a.Knocks {
		count[k.Answer]++
	}
	for _, answer := range []knock.Answer{knock.Open, knock.Refused, knock.Unreachable} {
		if s.Config.Demo && answer == knock.Open {
			continue
		}
		if got := count[answer]; got > 0 {
			s.Note("attempt %d: %d of %d knocks %s; a gate that drops is silent", n, got, len(a.Knocks), answer)
		}
	}
}

// elapsed is the handshake's age, at most a minute: the clock may be set meanwhile.
func (s *Screen) elapsed() time.Duration {
	return min(max(0, s.Now.Sub(s.began)), time.Minute)
}
