package tui

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"
)

// job is long work under way: a function with a context and an event callback,
// whose events arrive as messages. Every job has a number, so that what a
// cancelled one still sends is told apart and dropped.
type job struct {
	number int
	cancel context.CancelFunc
	muted  bool // it is cancelled: its events count no more
	left   bool // its screen is gone: its end does not count either
}

// jobEvent is one event of a job.
type jobEvent struct {
	number int
	event  any
	next   tea.Cmd // waits for the next one
}

// jobDone says that a job has returned; no event of it comes after.
type jobDone struct {
	number int
	err    error
}

// startJob runs f as a command, where a panic still restores the terminal.
func startJob(ctx context.Context, number int, f func(ctx context.Context, emit func(any)) error) (job, tea.Cmd) {
	ctx, cancel := context.WithCancel(ctx)
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
			return jobEvent{number, e, listen}
		}
		cancel()
		return jobDone{number, failed}
	}
	return job{number: number, cancel: cancel}, tea.Batch(run, listen)
}
