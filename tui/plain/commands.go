package plain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"rapport/diag"
	"rapport/diag/check"
	"rapport/diag/clock"
	"rapport/diag/doctor"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
	"rapport/tui/session"
)

// deed is a command: its letter, what it does, and whether it needs a server.
type deed struct {
	letter, about string
	server        bool
	do            func(*reader)
}

// deeds are the commands, in the order of the help.
func deeds() []deed {
	return []deed{
		{"k", "knock", true, (*reader).knock},
		{"p", "probe SSH", true, (*reader).probe},
		{"s", "ssh", true, (*reader).ssh},
		{"d", "diagnose", true, (*reader).diagnose},
		{"f", "apply the fix and knock", true, (*reader).fix},
		{"u", "undo", true, (*reader).undo},
		{"c", "clocks", true, (*reader).clocks},
		{"n", "next hours", true, (*reader).hours},
		{"h", "servers, then a number opens one", false, (*reader).list},
		{"x", "cancel", false, func(r *reader) { r.say("nothing is under way") }},
		{"?", "commands", false, func(r *reader) { r.say("%s", r.commands()) }},
		{"q", "quit", false, func(r *reader) { r.quit = true }},
	}
}

// commands are those that apply, in one line.
func (r *reader) commands() string {
	var all []string
	for _, d := range deeds() {
		if r.named() || !d.server {
			all = append(all, d.letter+" "+d.about)
		}
	}
	return strings.Join(all, ", ")
}

// command carries out a line.
func (r *reader) command(line string) {
	for _, d := range deeds() {
		switch {
		case d.letter != line:
		case d.server && !r.named():
			r.say("no server is open: h lists them, a number opens one")
			return
		default:
			d.do(r)
			return
		}
	}
	r.choose(line)
}

// resolve pins the server's address, and returns the target with it.
func (r *reader) resolve(ctx context.Context, host hosts.Host, t knock.Target, emit func(func())) (knock.Target, error) {
	addr, err := r.Config.Client.Resolve(ctx, host.Lookup(), host.Family)
	if err != nil {
		return t, err
	}
	t.Addr = netip.AddrPortFrom(addr, t.Addr.Port())
	emit(func() {
		if r.Target.Addr != t.Addr && host.Name == r.Host.Name {
			r.Target.Addr = t.Addr
			r.say("address %s", t.Addr)
		}
	})
	return t, nil
}

func (r *reader) knock() {
	host, target := r.Host, r.Target
	var last knock.Report
	r.work(func(ctx context.Context, emit func(func())) error {
		t, err := r.resolve(ctx, host, target, emit)
		if err != nil {
			return err
		}
		_, err = r.Config.Client.Knock(ctx, t, r.Config.Options, func(e knock.Event) {
			emit(func() {
				last = e.Report
				r.step(e)
			})
		})
		return err
	}, func(err error) {
		switch {
		case err == nil:
			r.knocked(last)
		case !errors.Is(err, context.Canceled):
			r.store(knock.Report{})
		}
	})
}

// store adds a handshake to the history.
func (r *reader) store(report knock.Report) {
	if err := r.Record(report); err != nil {
		r.say("%v", err)
	}
}

func (r *reader) probe() {
	host, target := r.Host, r.Target
	r.work(func(ctx context.Context, emit func(func())) error {
		t, err := r.resolve(ctx, host, target, emit)
		if err != nil {
			return err
		}
		report, err := r.Config.Client.Probe(ctx, t.Host, t.Addr, knock.Options{})
		emit(func() { r.say("probed without a knock: %s", report.SSH.Summary()) })
		return err
	}, func(error) {})
}

// ssh runs ssh in this terminal; nothing else reads from it meanwhile.
func (r *reader) ssh() {
	cmd, err := r.Config.SSH(r.Ctx, r.Host, r.Target.Secret)
	if err == nil {
		r.say("ssh begins")
		began := time.Now()
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err = cmd.Run(); err == nil {
			r.say("ssh ended after %s", phrase.Span(time.Since(began).Round(time.Second)))
			return
		}
	}
	r.say("ssh: %s", session.ErrorText(err))
}

func (r *reader) diagnose() {
	host, secret := r.Host, r.Target.Secret
	d := doctor.Doctor{Client: r.Config.Client, Past: scan.DefaultPast}
	var report diag.Report
	r.Fix = hosts.Change{}
	r.work(func(ctx context.Context, emit func(func())) (err error) {
		said := map[string]bool{}
		report, err = d.Run(ctx, host, secret, func(now diag.Report) {
			for _, c := range now.Checks {
				if c.Status != check.Running && !said[c.ID] {
					said[c.ID] = true
					line := fmt.Sprintf("%s %s, %s", c.ID, c.Status, c.Summary())
					emit(func() { r.say("%s", line) })
				}
			}
		})
		return err
	}, func(err error) {
		if err != nil {
			return
		}
		r.say("verdict %s: %s", report.Verdict.Code, report.Summary())
		if fix := report.Fix(); fix != "" {
			r.say("fix: %s", fix)
		}
		if r.Fix = report.Verdict.Change; !r.Fix.IsZero() {
			r.say("f applies %s and knocks", r.Fix)
		}
	})
}

// fix applies what the diagnosis found, here and in the hosts file, and knocks.
func (r *reader) fix() {
	if r.Fix.IsZero() {
		r.say("there is no fix to apply; d diagnoses")
		return
	}
	change := r.Fix
	if applied, ok := r.Apply(nil, change, "the diagnosis")().(session.Applied); ok {
		r.say("applied %s, %s; u undoes it", change, applied)
	}
	r.knock()
}

func (r *reader) undo() {
	undo := r.TakeBack()
	if undo == nil {
		r.say("there is nothing to undo")
		return
	}
	if undone, ok := undo().(session.Undone); ok && undone.Err != nil {
		r.say("not undone in the hosts file: %v", undone.Err)
	} else if ok {
		r.say("undone: %s", undone.What)
	}
}

func (r *reader) clocks() {
	host, target := r.Host, r.Target
	clocks := clock.Clocks{Clock: r.Config.Client.Clock, NTP: host.NTP}
	r.work(func(ctx context.Context, emit func(func())) error {
		t, err := r.resolve(ctx, host, target, emit)
		if err != nil {
			return err
		}
		report, err := clocks.Read(ctx, host.Lookup(), t.Addr.Addr(), func(reading clock.Reading) {
			emit(func() { r.say("%s: %s", reading.Name, reading.Text()) })
		})
		emit(func() { r.say("%s", report.Summary(r.Now)) })
		return err
	}, func(error) {})
}

// hours prints the sequences from the hour before on.
func (r *reader) hours() {
	const ahead = 6
	for i := -1; i <= ahead; i++ {
		h := r.Hour().Add(i)
		r.say("%s: %s", h, r.ports(h))
	}
}
