package ui

import (
	"context"
	"io"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// Job is long work under way. Its events arrive as messages that name their job, so
// that those of a cancelled job can be dropped.
type Job struct {
	// Cancel cancels the work's context; a [JobDone] says when the work has returned.
	Cancel context.CancelFunc
}

// JobEvent is one event of a job.
type JobEvent struct {
	Job   *Job
	Event any
	Next  tea.Cmd // waits for the next one; Update must return it
}

// JobDone says that a job has returned; no event of it comes after.
type JobDone struct {
	Job *Job
	Err error
}

// Work is what a job does; emit sends an event.
type Work func(ctx context.Context, emit func(any)) error

// StartJob returns a job and the command that runs it. In a command, a panic still
// restores the terminal.
func StartJob(ctx context.Context, f Work) (*Job, tea.Cmd) {
	ctx, cancel := context.WithCancel(ctx)
	job := &Job{Cancel: cancel}
	// Room for all events of a handshake, so that f never waits for a frame.
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

// Beat arrives once a second. Whoever receives one starts the next, so that there
// is never more than one.
type Beat time.Time

// FastBeat arrives ten times a second while the screen shown is moving.
type FastBeat time.Time

// Exec gives the terminal to f while it runs; done makes the message of its end.
func Exec(f func() error, done func(error) tea.Msg) tea.Cmd { return tea.Exec(execFunc(f), done) }

// execFunc is a function as a command of Bubble Tea's. It uses the process's own files.
type execFunc func() error

func (f execFunc) Run() error        { return f() }
func (execFunc) SetStdin(io.Reader)  {}
func (execFunc) SetStdout(io.Writer) {}
func (execFunc) SetStderr(io.Writer) {}
