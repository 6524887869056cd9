package tui

import (
	"context"
	"errors"
	"net/netip"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/ui"
)

// stage is what the Knock screen is doing.
type stage int

const (
	idle stage = iota
	resolving
	knocking    // knocks leave
	awaitingSSH // the knocks are out, and SSH is probed
	probing     // SSH is probed without a knock
)

// knockScreen shows the newest report as a snapshot, and around it what happened
// before.
type knockScreen struct {
	*session
	planned int // attempts that a handshake may make
	stage   stage
	report  *knock.Report      // of the newest handshake, under way or over
	probe   *knock.ProbeReport // of the newest probe, if nothing came after it
	began   time.Time          // of the newest handshake, by the screen's clock
	// opened is when the handshake was sent that has SSH open since before the newest
	// one began; zero where this program had not opened it.
	opened  time.Time
	failure string // why the newest job could not be done
}

func newKnockScreen(s *session) *knockScreen {
	planned := len(knock.DefaultGaps())
	if gaps := s.config.options.Gaps; gaps != nil {
		planned = len(gaps)
	}
	return &knockScreen{session: s, planned: planned}
}

// hourChangeIsNear is when waiting for the next hour is worth a place in the key bar.
const hourChangeIsNear = 5 * time.Minute

func (s *knockScreen) Keys() ui.Keys {
	start := func(st stage) func() tea.Cmd { return func() tea.Cmd { return s.start(st) } }
	open := func(p Page) func() tea.Cmd { return func() tea.Cmd { return s.open(p) } }
	knocks := ui.NewKey("k", "knock", "knock, then probe; again: cancel, restart", start(knocking), "enter", " ")
	probe := ui.NewKey("p", "probe", "probe SSH without knocking", start(probing))
	ssh := ui.NewKey("s", "ssh", "ssh in this terminal, and come back", s.ssh).If(s.config.SSH != nil)
	wait := ui.NewKey("w", "wait for the hour", "wait for the next hour, then knock", ui.Act(s.wait))
	diagnose := ui.NewKey("d", "diagnose", "diagnose why it stays shut", open(ToDiagnose))
	compare := ui.NewKey("c", "compare", "compare rules", open(ToCompare))
	list := ui.NewKey("h", "hosts", "the list of servers", open(ToHosts)).If(s.config.hostsPath != "")
	mask := s.mask("mask the ports")
	copies := ui.NewKey("y", "copy", "copy this hour's", s.copySequence)
	cancel := ui.NewKey("esc", "cancel", "cancel what is under way", ui.Act(s.cancel))

	k := ui.Keys{Rows: [][]ui.Key{{knocks}, {probe}, {ssh}, {wait}, {diagnose, compare}, {list}, {mask, copies}, {cancel}}}
	k.Legend = [][2]string{
		{"silent", "no answer, as a real gate has it"},
		{"refused", "a RST: something rejects the knock"},
		{"unreachable", "an ICMP error, or no route to host"},
		{"open", "something accepts it, which no gate does"},
		{"=", "this port occurs twice in its hour"},
	}
	if s.wire.busy() || s.waitFor != nil {
		k.Bar = []ui.Key{cancel, knocks.As("again")}
	} else {
		k.Bar = []ui.Key{knocks}
	}
	k.Bar = append(k.Bar, ssh)
	if s.hour().End().Sub(s.now.Add(s.target.Skew)) < hourChangeIsNear {
		k.Bar = append(k.Bar, wait)
	}
	k.Bar = append(k.Bar, diagnose, compare, list, mask, probe.If(!s.wire.busy()), copies)
	return k
}

func (s *knockScreen) Moving() bool {
	left, _ := s.windowLeft()
	return s.stage != idle || left > 0
}

// Events of the screen's jobs, beside those of a handshake.
type (
	pinned struct{ addr netip.Addr } // the name has been resolved
	probed struct{ report knock.ProbeReport }
)

func (s *knockScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case ui.Beat:
		return s.due()
	case pinned:
		s.pin(msg.addr)
	case probed:
		s.probe = &msg.report
		s.note("probed without knocking: %s", msg.report.SSH.Summary())
	case knock.Event:
		s.report = &msg.Report
		s.happened(msg)
	case jobEnded:
		s.ended(msg.err)
	case sshEnded:
		s.sshEnded(msg)
	case Applied:
		switch {
		case msg.Name != s.host.Name: // the user has gone elsewhere
		case msg.Stored(): // the file's path is on the Hosts screen: here it would push the rest out
			s.note("written to the hosts file: %s", msg.Change)
		default:
			s.note("%v", msg)
		}
	}
	return nil
}

// cancel ends what is under way, and what waits for its hour.
func (s *knockScreen) cancel() {
	s.waitFor = nil
	s.wire.cancel()
}

// refreshDelay is how long after the hour change a handshake waits: the server may
// be refreshing its rules.
const refreshDelay = 2 * time.Second

// wait arms the handshake for the start of the next hour, or disarms it.
func (s *knockScreen) wait() {
	if s.waitFor != nil {
		s.waitFor = nil
		return
	}
	next := s.hour().Add(1)
	s.waitFor = &next
	s.note("waiting for %s to knock; esc cancels", clockHour(next))
}

// due starts the handshake that was waiting for its hour.
func (s *knockScreen) due() tea.Cmd {
	next := s.waitFor
	if next == nil || s.now.Add(s.target.Skew).Before(next.Start().Add(refreshDelay)) {
		return nil
	}
	s.waitFor = nil
	return s.start(knocking)
}

// resolve finds the server's address, as soon as the wire is free.
func (s *knockScreen) resolve() tea.Cmd { return s.start(resolving) }

// handshake makes a handshake, as soon as the wire is free.
func (s *knockScreen) handshake() tea.Cmd { return s.start(knocking) }

// start begins to resolve, to knock or to probe, as soon as the wire is free.
func (s *knockScreen) start(st stage) tea.Cmd {
	if st == knocking {
		s.waitFor = nil
	}
	s.stopWaiting()
	return s.wire.start(s.ctx, Turn{s, func() ui.Work { return s.job(st) }})
}

// job is what a stage does on the wire.
func (s *knockScreen) job(st stage) ui.Work {
	target, host, client, options := s.target, s.host, s.config.Client, s.config.options
	if r := s.report; r != nil && options.RTT == 0 {
		options.RTT = r.RoundTrip()
	}
	s.stage, s.failure, s.probe = st, "", nil
	if st == knocking {
		s.opened = s.stillOpenSince()
		s.report = nil
	}
	return func(ctx context.Context, emit func(any)) error {
		addr, err := lookUp(ctx, client, host)
		if err != nil {
			return err
		}
		emit(pinned{addr.Addr()})
		target.Addr = addr
		switch st {
		case knocking:
			_, err = client.Knock(ctx, target, options, func(e knock.Event) { emit(e) })
		case probing:
			var r knock.ProbeReport
			if r, err = client.Probe(ctx, target.Host, addr, knock.Options{}); err == nil {
				emit(probed{r})
			}
		}
		return err
	}
}

// resolveTimeout bounds the resolving of a name, so that a hanging resolver shows.
const resolveTimeout = 10 * time.Second

// lookUp resolves a server by the name or address that its entry has.
func lookUp(ctx context.Context, client *knock.Client, h hosts.Host) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addr, err := client.Resolve(ctx, h.Lookup(), h.Family)
	return netip.AddrPortFrom(addr, uint16(h.SSHPort)), err
}

// ended takes the end of a job.
func (s *knockScreen) ended(err error) {
	knocked := s.stage == knocking || s.stage == awaitingSSH
	s.stage = idle
	switch {
	case errors.Is(err, context.Canceled):
		s.failure = cancelled
		s.note(cancelled)
	case err != nil:
		s.failure = err.Error()
		s.note("%v", err)
		if knocked {
			s.store(false, err.Error())
		}
	case knocked && s.report != nil:
		s.store(s.report.Opened, s.summary())
	}
}

// store stores how a handshake ended for the Hosts screen.
func (s *knockScreen) store(opened bool, summary string) {
	if s.config.resultsPath == "" {
		return
	}
	r := hosts.Result{At: s.now.UTC(), Opened: opened, Summary: summary}
	if err := hosts.SaveResult(s.config.resultsPath, s.host.Name, r); err != nil {
		s.note("%v", err)
	}
}

// copySequence hands this hour's ports to the terminal's clipboard.
func (s *knockScreen) copySequence() tea.Cmd {
	ports := s.sequence(s.hour()).Ports()
	s.note("sequence sent to the terminal's clipboard (OSC 52)")
	return s.copyText(portList(ports[:]))
}

// happened notes one event of a handshake.
func (s *knockScreen) happened(e knock.Event) {
	switch e.Kind {
	case knock.AttemptStarted:
		if s.stage = knocking; e.Attempt == 0 {
			s.began = s.now
		} else {
			s.note("still shut, attempt %d with %s between knocks", e.Attempt+1, whole(time.Duration(e.Report.Attempts[e.Attempt].Gap)))
		}
	case knock.ProbeStarted:
		s.stage = awaitingSSH
	case knock.Finished:
		s.stage = knocking
		s.finished(e.Report)
	}
}

// finished notes how a handshake ended.
func (s *knockScreen) finished(r knock.Report) {
	if r.Before.State != knock.SSHOpen {
		s.opened = time.Time{}
	}
	n := len(r.Attempts)
	if n == 0 {
		return
	}
	s.answers(r.Attempts[n-1])
	if s.stillOpen() {
		s.note("%s", s.summary())
		return
	}
	if knocks := r.Attempts[n-1].Knocks; r.Opened && len(knocks) > 0 {
		took := time.Duration(knocks[len(knocks)-1].Sent - r.Attempts[0].Knocks[0].Sent)
		s.note("sent in %s, SSH answered after %s", ms(took), ms(time.Duration(r.SSH.Read)))
		return
	}
	s.note("SSH %s after %s; d finds out why", r.SSH.State, ui.Count(n, "attempt"))
}

// answers notes what the last attempt's knocks were answered, if anything.
func (s *knockScreen) answers(a knock.Attempt) {
	count := map[knock.Answer]int{}
	for _, k := range a.Knocks {
		count[k.Answer]++
	}
	for _, answer := range []knock.Answer{knock.Open, knock.Refused, knock.Unreachable} {
		if n := count[answer]; n > 0 {
			s.note("%d of %d knocks answered %s; a gate that drops is silent", n, len(a.Knocks), answer)
		}
	}
}

// elapsed returns how long the handshake under way has lasted. It is bounded, for
// the clock may be set meanwhile.
func (s *knockScreen) elapsed() time.Duration {
	return min(max(0, s.now.Sub(s.began)), time.Minute)
}
