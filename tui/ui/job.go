package ui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// Job is long work under way: a function with a context and an event callback,
// whose events arrive as messages. They name their job, so that what a cancelled
// one still sends is told apart and dropped.
type Job struct {
	// Cancel asks the work to end; [JobDone] says when it has.
	Cancel context.CancelFunc
}

// JobEvent is one event of a job.
type JobEvent struct {
	Job   *Job
	Event any
	Next  tea.Cmd // waits for the next one
}

// JobDone says that a job has returned; no event of it comes after.
type JobDone struct {
	Job *Job
	Err error
}

// Work is what a job does.
type Work func(ctx context.Context, emit func(any)) error

// StartJob runs f as a command, where a panic still restores the terminal.
func StartJob(ctx context.Context, f Work) (*Job, tea.Cmd) {
	ctx, cancel := context.WithCancel(ctx)
	job := &Job{Cancel: cancel}
	// Room for all the events of a handshake: f is never held up by a frame.
	events := make(chan any, 256)
	var failed error
	run := func() tea.Msg {
		defer close(events)
		failed = f(ctx, func(e any) {
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
		return nil
	}
	var listen tea.Cmd
	listen = func() tea.Msg {
		if e, ok := <-events; ok {
			return JobEvent{job, e, listen}
		}
		cancel()
		return JobDone{job, failed}
	}
	return job, tea.Batch(run, listen)
}

// Beat is the heartbeat, once a second; FastBeat comes ten times a second while
// something moves. Whoever receives one arms the next, so that there is only one.
type (
	Beat     time.Time
	FastBeat time.Time
)

// EverySecond waits for the next full second.
func EverySecond() tea.Cmd {
	return tea.Every(time.Second, func(t time.Time) tea.Msg { return Beat(t) })
}

// Soon waits for a tenth of a second.
func Soon() tea.Cmd {
	return tea.Tick(time.Second/10, func(t time.Time) tea.Msg { return FastBeat(t) })
}
