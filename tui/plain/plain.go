// Package plain is the client's screens as lines, for screen readers, logs and pipes:
// what happens is printed once, in order, and nothing is repainted. A command is a
// line with one letter, the key that does the same on the screens.
package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
	"rapport/tui/session"
)

// maxLine is the most characters that are printed of a line: it may hold foreign text.
const maxLine = 4000

// Run reads commands from in and prints what happens to out, until the user quits, in
// ends, or ctx does, whose cause it then returns.
func Run(ctx context.Context, c session.Config, in io.Reader, out io.Writer) error {
	if c.Client == nil {
		c.Client = &knock.Client{}
	}
	shared := &session.Shared{Ctx: ctx, Config: c, Now: c.Client.Clock.Now()}
	r := &reader{Session: &session.Session{Shared: shared}, out: out, lines: make(chan string, 1), events: make(chan func(), 256)}
	for _, n := range c.Notes {
		r.say("%s", n)
	}
	if c.Host != nil {
		r.open(*c.Host, c.Secret)
	} else {
		r.list()
	}
	r.say("commands, each on a line: %s", r.commands())
	return r.loop(ctx, bufio.NewReader(in))
}

// reader is a session that is read line by line.
type reader struct {
	*session.Session
	out     io.Writer
	lines   chan string // what was typed; closed at the end of the input
	events  chan func() // of the work under way, to be run by loop
	queue   []string    // typed while work was under way
	ended   bool        // there is no more input
	reading bool        // a line is awaited
	quit    bool
	busy    context.CancelFunc // ends the work under way; nil: none
	shuts   time.Time          // the end of the window; zero: none is open
	failed  error              // of writing
}

// say prints a line.
func (r *reader) say(format string, args ...any) {
	text := knock.Clean(fmt.Sprintf(format, args...), maxLine)
	if _, err := fmt.Fprintln(r.out, text); err != nil && r.failed == nil {
		r.failed = err
	}
}

// loop carries out commands in their order, one after the other: a line that comes
// while work is under way waits, unless it ends that work.
func (r *reader) loop(ctx context.Context, in *bufio.Reader) error {
	for !r.quit && r.failed == nil {
		r.Now = r.Config.Client.Clock.Now()
		if r.busy == nil && len(r.queue) > 0 {
			line := r.queue[0]
			r.queue = r.queue[1:]
			r.command(line)
			continue
		}
		if r.busy == nil && r.ended {
			break
		}
		if !r.reading && !r.ended && len(r.queue) == 0 { // ssh may be next, which reads for itself
			r.reading = true
			go r.read(in)
		}
		hour := r.Hour()
		timer := time.NewTimer(max(0, r.next().Sub(r.Now)))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case line, ok := <-r.lines:
			r.typed(line, ok)
		case event := <-r.events:
			r.Now = r.Config.Client.Clock.Now()
			event()
		case text := <-r.Config.Events:
			r.say("%s", text)
		case <-timer.C:
			r.passed(hour)
		}
		timer.Stop()
	}
	if r.busy != nil {
		r.busy()
	}
	return r.failed
}

// read reads one line: no more, for ssh and a prompt read the same terminal.
func (r *reader) read(in *bufio.Reader) {
	line, err := in.ReadString('\n')
	if line == "" && err != nil {
		close(r.lines)
		return
	}
	r.lines <- line
}

// typed keeps a line for its turn.
func (r *reader) typed(line string, ok bool) {
	r.reading = false
	switch line = strings.TrimSpace(line); {
	case !ok:
		r.ended = true
	case line == "x" && r.busy != nil:
		r.busy()
	case line != "":
		r.queue = append(r.queue, line)
	}
}

// next is when something happens by itself: the window ends, or the hour.
func (r *reader) next() time.Time {
	if !r.named() {
		return r.Now.Add(time.Hour)
	}
	end := r.Hour().End().Add(-r.Target.Skew)
	if !r.shuts.IsZero() && r.shuts.Before(end) {
		return r.shuts
	}
	return end
}

// passed says what the time has brought since the hour given.
func (r *reader) passed(hour knock.Hour) {
	r.Now = r.Config.Client.Clock.Now()
	if !r.shuts.IsZero() && !r.Now.Before(r.shuts) {
		r.shuts = time.Time{}
		r.say("the window is over: SSH is shut to new connections")
	}
	if r.named() && r.Hour() != hour {
		r.say("%s has begun, its ports are %s", session.ClockHour(r.Hour()), r.ports(r.Hour()))
	}
}

// named reports whether a server is open.
func (r *reader) named() bool { return r.Host.Name != "" }

func (r *reader) ports(h knock.Hour) string {
	ports := r.Sequence(h).Ports()
	return session.PortList(ports[:])
}

// work runs f beside the loop. What f says with emit happens in the loop; so does
// what follows its end.
func (r *reader) work(f func(ctx context.Context, emit func(func())) error, after func(error)) {
	ctx, cancel := context.WithCancel(r.Ctx)
	r.busy = cancel
	emit := func(e func()) {
		select {
		case r.events <- e:
		case <-r.Ctx.Done():
		}
	}
	go func() {
		err := f(ctx, emit)
		emit(func() {
			cancel()
			r.busy = nil
			switch {
			case errors.Is(err, context.Canceled):
				r.say("cancelled")
			case err != nil:
				r.say("%s", session.ErrorText(err))
			}
			after(err)
		})
	}()
}

// open makes a server the one that the commands are about.
func (r *reader) open(h hosts.Host, secret knock.Secret) {
	r.Server = session.Server{Host: h, Target: h.Target()}
	r.Target.Secret = secret
	r.shuts = time.Time{}
	r.say("%s, range %s, window %s", h.Name, r.Target.Range, phrase.Span(r.Window()))
	r.say("hour %s, ports %s", r.Hour(), r.ports(r.Hour()))
}

// list names the servers of the hosts file, by the numbers that open them.
func (r *reader) list() {
	if r.Config.HostsPath == "" {
		r.say("there is no list of servers here")
		return
	}
	for i, h := range r.listed() {
		r.say("%d: %s, %s port %d", i+1, h.Name, h.Lookup(), h.SSHPort)
	}
}

func (r *reader) listed() []hosts.Host {
	file, err := hosts.Load(r.Config.HostsPath)
	if err != nil {
		r.say("%v", err)
	} else if len(file.Hosts()) == 0 {
		r.say("no servers in %s yet; rapport hosts add NAME adds one", r.Config.HostsPath)
	}
	return file.Hosts()
}

// choose opens the server of a number in the list.
func (r *reader) choose(line string) {
	all := r.listed()
	n, err := strconv.Atoi(line)
	if err != nil || n < 1 || n > len(all) {
		r.say("there is no command and no server %q; ? lists the commands, h the servers", line)
		return
	}
	h := all[n-1]
	secret, err := h.ReadSecret(r.Ctx)
	if errors.Is(err, hosts.ErrNoSecret) {
		var text string
		if text, err = hosts.Ask(r.Ctx, fmt.Sprintf("secret for %q: ", h.Name)); err == nil {
			secret, err = knock.ParseSecret(text)
		}
	}
	if err != nil {
		r.say("%v", err)
		return
	}
	r.open(h, secret)
}
