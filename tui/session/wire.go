package session

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/tui/ui"
)

// Wire has the one job that sends packets to the server. Another one that is under
// way is cancelled, and the new one begins when that has returned, so that two
// handshakes never mix on the wire.
type Wire struct {
	Job       *ui.Job // under way, or nil
	user      Screen  // whose it is; nil: nobody's any more
	cancelled bool    // nothing but its end is heard of it
	next      Turn    // what begins when it has returned
}

// Turn is a job for the wire. begin is called when the wire is free, and returns
// what the job does.
type Turn struct {
	User  Screen
	Begin func() ui.Work
}

// JobEnded is the last event of a job on the wire.
type JobEnded struct{ Err error }

// Start begins a job, or lines it up behind the one under way.
func (w *Wire) Start(ctx context.Context, u Turn) tea.Cmd {
	w.Cancel()
	if w.next = u; w.Job != nil {
		return nil
	}
	return w.proceed(ctx)
}

func (w *Wire) proceed(ctx context.Context) (cmd tea.Cmd) {
	u := w.next
	w.next = Turn{}
	if u.User != nil {
		w.user, w.cancelled = u.User, false
		w.Job, cmd = ui.StartJob(ctx, u.Begin())
	}
	return cmd
}

// Cancel ends the job that is under way, and hears no more of it than its end.
func (w *Wire) Cancel() {
	w.next = Turn{}
	if w.Job != nil {
		w.cancelled = true
		w.Job.Cancel()
	}
}

// Leave ends the job that is under way, and does not hear of its end either.
func (w *Wire) Leave() {
	w.Cancel()
	w.user = nil
}

// Busy reports whether a job is under way.
func (w *Wire) Busy() bool { return w.Job != nil }

// UsedBy reports whether a screen's job is under way, or about to be.
func (w *Wire) UsedBy(s Screen) bool {
	return w.Job != nil && w.user == s || w.next.User == s
}

// Event hands an event of the job to the screen whose it is.
func (w *Wire) Event(msg ui.JobEvent) tea.Cmd {
	if msg.Job != w.Job || w.cancelled || w.user == nil {
		return nil
	}
	return w.user.Update(msg.Event)
}

// Done takes the end of the job, and starts what was lined up behind it.
func (w *Wire) Done(ctx context.Context, msg ui.JobDone) (cmd tea.Cmd) {
	if msg.Job != w.Job {
		return nil
	}
	user := w.user
	w.Job, w.user = nil, nil
	if user != nil {
		cmd = user.Update(JobEnded{msg.Err})
	}
	return tea.Batch(cmd, w.proceed(ctx))
}
