package tui

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/tui/ui"
)

// Wire has the one job that sends packets to the server. Another one that is under
// way is cancelled, and the new one begins when that has returned, so that two
// handshakes never mix on the wire.
type Wire struct {
	job       *ui.Job // under way, or nil
	user      Screen  // whose it is; nil: nobody's any more
	cancelled bool    // nothing but its end is heard of it
	next      Turn // what begins when it has returned
}

// Turn is a job for the wire. begin is called when the wire is free, and returns
// what the job does.
type Turn struct {
	user  Screen
	begin func() ui.Work
}

// jobEnded is the last event of a job on the wire.
type jobEnded struct{ err error }

// start begins a job, or lines it up behind the one under way.
func (w *Wire) start(ctx context.Context, u Turn) tea.Cmd {
	w.cancel()
	if w.next = u; w.job != nil {
		return nil
	}
	return w.proceed(ctx)
}

func (w *Wire) proceed(ctx context.Context) (cmd tea.Cmd) {
	u := w.next
	w.next = Turn{}
	if u.user != nil {
		w.user, w.cancelled = u.user, false
		w.job, cmd = ui.StartJob(ctx, u.begin())
	}
	return cmd
}

// cancel ends the job that is under way, and hears no more of it than its end.
func (w *Wire) cancel() {
	w.next = Turn{}
	if w.job != nil {
		w.cancelled = true
		w.job.Cancel()
	}
}

// leave ends the job that is under way, and does not hear of its end either.
func (w *Wire) leave() {
	w.cancel()
	w.user = nil
}

// busy reports whether a job is under way.
func (w *Wire) busy() bool { return w.job != nil }

// usedBy reports whether a screen's job is under way, or about to be.
func (w *Wire) usedBy(s Screen) bool {
	return w.job != nil && w.user == s || w.next.user == s
}

// event hands an event of the job to the screen whose it is.
func (w *Wire) event(msg ui.JobEvent) tea.Cmd {
	if msg.Job != w.job || w.cancelled || w.user == nil {
		return nil
	}
	return w.user.Update(msg.Event)
}

// done takes the end of the job, and starts what was lined up behind it.
func (w *Wire) done(ctx context.Context, msg ui.JobDone) (cmd tea.Cmd) {
	if msg.Job != w.job {
		return nil
	}
	user := w.user
	w.job, w.user = nil, nil
	if user != nil {
		cmd = user.Update(jobEnded{msg.Err})
	}
	return tea.Batch(cmd, w.proceed(ctx))
}
