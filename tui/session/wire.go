package session

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/tui/ui"
)

// Wire runs the one job that sends packets to the server. A new job cancels the
// old one, and begins when that has returned, so that two handshakes never mix.
type Wire struct {
	Job       *ui.Job // under way, or nil
	user      Screen  // gets its events; nil: none does
	cancelled bool    // its events are dropped, except its end
	next      Turn    // begins when it has returned
}

// Turn is a job for the wire.
type Turn struct {
	User  Screen         // gets its events, and a [JobEnded]
	Begin func() ui.Work // called when the wire is free; returns what the job does
}

// JobEnded is the last event of a job on the wire; Err is nil if it succeeded.
type JobEnded struct{ Err error }

// Start begins a job, at once or after the one under way.
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

// Cancel cancels the job under way, and the next one. Of the events that the job
// still sends, its screen gets only the [JobEnded].
func (w *Wire) Cancel() {
	w.next = Turn{}
	if w.Job != nil {
		w.cancelled = true
		w.Job.Cancel()
	}
}

// Leave cancels the jobs as Cancel does, and drops the [JobEnded] too.
func (w *Wire) Leave() {
	w.Cancel()
	w.user = nil
}

// UsedBy reports whether a screen's job is under way, or next.
func (w *Wire) UsedBy(s Screen) bool {
	return w.Job != nil && w.user == s || w.next.User == s
}

// Event passes an event of the job to its screen.
func (w *Wire) Event(msg ui.JobEvent) tea.Cmd {
	if msg.Job != w.Job || w.cancelled || w.user == nil {
		return nil
	}
	return w.user.Update(msg.Event)
}

// Done ends the job, and begins the next one.
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
