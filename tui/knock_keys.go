package tui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"
	"github.com/muesli/cancelreader"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/hosts"
)

// knockKey answers a key on the Knock screen.
func (a *app) knockKey(msg tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(msg, a.keys.Cancel):
		a.cancel()
	case key.Matches(msg, a.keys.Mask):
		a.screen.masked = !a.screen.masked
	case key.Matches(msg, a.keys.Copy):
		return a.copySequence()
	case key.Matches(msg, a.keys.Knock):
		a.help = false
		return a.start(knocking)
	case key.Matches(msg, a.keys.Probe):
		a.help = false
		return a.start(probing)
	case key.Matches(msg, a.keys.Wait):
		a.help = false
		a.wait()
	case key.Matches(msg, a.keys.SSH):
		return a.ssh()
	case key.Matches(msg, a.keys.Diagnose):
		return a.toDiagnose()
	case key.Matches(msg, a.keys.Compare):
		a.toCompare()
	case key.Matches(msg, a.keys.Hosts):
		return a.toHosts()
	}
	return nil
}

// cancelled is why a job that the user ended was not done.
const cancelled = "cancelled"

// settle is how long after the turn of the hour a handshake waits: the server
// may be refreshing its rules.
const settle = 2 * time.Second

// wait arms the handshake for the start of the next hour, or disarms it.
func (a *app) wait() {
	if a.screen.waitFor != nil {
		a.screen.waitFor = nil
		return
	}
	next := knock.HourOf(a.now.Add(a.screen.target.Skew)).Add(1)
	a.screen.waitFor = &next
	a.screen.note(a.now, "waiting for %sh to knock; esc gives up", next.String()[11:])
}

// due starts the handshake that was waiting for its hour.
func (a *app) due() tea.Cmd {
	next := a.screen.waitFor
	if next == nil || a.now.Add(a.screen.target.Skew).Before(next.Start().Add(settle)) {
		return nil
	}
	a.screen.waitFor = nil
	return a.start(knocking)
}

// start begins a job. There is only ever one: another that is under way is
// cancelled, and the new one begins when that has returned, so that two
// handshakes never mix on the wire.
func (a *app) start(st stage) tea.Cmd {
	if a.screen.waitFor != nil && st != knocking {
		a.screen.note(a.now, "no longer waiting for the turn of the hour")
	}
	if a.cancel(); a.job != nil {
		a.queued = st
		return nil
	}
	target, host, client, options := a.screen.target, a.screen.host, a.config.Client, a.config.Options
	if r := a.screen.report; r != nil && options.RTT == 0 {
		options.RTT = r.RoundTrip()
	}
	a.screen.start(a.now, st)
	if st == diagnosing {
		a.diagnose.began, a.diagnose.failure = a.now, ""
	}
	doctor, hostsPath := diag.Doctor{Client: client, Past: diag.DefaultPast, Future: a.diagnose.future}, a.config.HostsPath
	a.jobs++
	j, cmd := startJob(a.ctx, a.jobs, func(ctx context.Context, emit func(any)) error {
		if st == diagnosing {
			return examine(ctx, &doctor, host, target.Secret, hostsPath, emit)
		}
		addr, err := resolve(ctx, client, host)
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
	})
	a.job = &j
	return cmd
}

// done takes the end of a job, and starts what was queued behind it.
func (a *app) done(msg jobDone) tea.Cmd {
	if a.job == nil || msg.number != a.job.number {
		return nil
	}
	was, left := a.screen.stage, a.job.left
	a.job = nil
	if !left {
		a.screen.stage = idle
	}
	switch {
	case left:
	case was == diagnosing:
		a.diagnosed(msg.err)
	case errors.Is(msg.err, context.Canceled):
		a.screen.looking = false
		a.screen.failure = cancelled
		a.screen.note(a.now, cancelled)
	case msg.err != nil:
		a.screen.failure = msg.err.Error()
		a.screen.note(a.now, "%v", msg.err)
		a.keepResult(was, false, msg.err.Error())
	case was == knocking && a.screen.report != nil:
		a.keepResult(was, a.screen.report.Opened, a.screen.summary(a.now))
	}
	if next := a.queued; next != idle {
		a.queued = idle
		return a.start(next)
	}
	return nil
}

// keepResult keeps how a handshake ended for the Hosts screen.
func (a *app) keepResult(was stage, opened bool, summary string) {
	if was != knocking || a.config.ResultsPath == "" {
		return
	}
	r := hosts.Result{At: a.now.UTC(), Opened: opened, Summary: summary}
	if err := hosts.SaveResult(a.config.ResultsPath, a.screen.host.Name, r); err != nil {
		a.screen.note(a.now, "%v", err)
	}
}

// copySequence hands this hour's ports to the terminal's clipboard.
func (a *app) copySequence() tea.Cmd {
	ports := a.screen.current(a.now).Ports()
	text := strings.Trim(fmt.Sprint(ports), "[]")
	a.screen.note(a.now, "sequence sent to the terminal's clipboard (OSC 52)")
	clipboard := a.config.clipboard
	return func() tea.Msg {
		clipboard(text)
		return nil
	}
}

// sshEnded says that the ssh that had the terminal is over.
type sshEnded struct{ err error }

// ssh gives the terminal to an ssh through the gate.
func (a *app) ssh() tea.Cmd {
	if a.config.SSH == nil {
		return nil
	}
	if a.job != nil {
		a.screen.note(a.now, "a handshake is under way; press s again when it is over")
		return nil
	}
	cmd, err := a.config.SSH(a.screen.host, a.screen.target.Secret)
	if err != nil {
		a.screen.note(a.now, "%v", err)
		return nil
	}
	a.screen.note(a.now, "ssh has the terminal")
	ctx := a.ctx
	return tea.Exec(execFunc(func() error { return runSSH(ctx, cmd) }), func(err error) tea.Msg { return sshEnded{err} })
}

// brief is how short a session is whose words nobody has read yet.
const brief = 2 * time.Second

// runSSH runs ssh on the terminal, until the end of ctx at most. What a session
// that failed or was brief left there would vanish with the screen's return, so
// it waits for a key then.
func runSSH(ctx context.Context, cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	started := time.Now()
	err := runUntil(ctx, cmd)
	if ctx.Err() == nil && (err != nil || time.Since(started) < brief) {
		end := "ssh is over"
		if err != nil {
			end = err.Error()
		}
		fmt.Printf("\n[%s; enter goes back to the screens] ", end)
		if in, err := cancelreader.NewReader(os.Stdin); err == nil {
			stop := context.AfterFunc(ctx, func() { in.Cancel() })
			_, _ = bufio.NewReader(in).ReadString('\n')
			stop()
			_ = in.Close()
		}
	}
	return err
}

// graceful is how long ssh may take to leave when it is told to.
const graceful = 2 * time.Second

// runUntil runs cmd, ends it with ctx, and leaves the terminal as it was even
// where cmd does not.
func runUntil(ctx context.Context, cmd *exec.Cmd) error {
	if before, err := term.GetState(os.Stdin.Fd()); err == nil {
		defer func() { _ = term.Restore(os.Stdin.Fd(), before) }()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
	}
	if cmd.Process.Signal(syscall.SIGTERM) != nil { // Windows has none
		_ = cmd.Process.Kill()
	}
	select {
	case err := <-over:
		return err
	case <-time.After(graceful):
		_ = cmd.Process.Kill()
		return <-over
	}
}

func (a *app) sshEnded(msg sshEnded) {
	var exit *exec.ExitError
	switch {
	case msg.err == nil:
		a.screen.note(a.now, "ssh is over")
	case errors.As(msg.err, &exit):
		a.screen.note(a.now, "ssh is over, exit status %d", exit.ExitCode())
	default:
		a.screen.note(a.now, "ssh did not start: %v", msg.err)
	}
}
