package watch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// Hook runs a command for events that somebody may want to know: in, stuck, stale (a
// client, or the gate, has another hour) and sweep. One at a time, and no more than a
// few a minute.
type Hook struct {
	command string
	queue   chan []string
	tokens  float64 // how many may run now
	filled  time.Time
	left    int // events that were too many
	done    chan struct{}
}

const (
	hookBurst    = 10
	hookInterval = 6 * time.Second
	hookTimeout  = 30 * time.Second
)

// NewHook returns a hook that runs a command line with sh, until ctx ends. Failures go
// to report, from a goroutine of its own.
func NewHook(ctx context.Context, command string, report func(error)) *Hook {
	h := &Hook{command: command, queue: make(chan []string, hookBurst), tokens: hookBurst, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		for env := range h.queue {
			if err := h.run(ctx, env); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}()
	return h
}

// Close waits for commands that are due.
func (h *Hook) Close() {
	close(h.queue)
	<-h.done
}

func (h *Hook) run(ctx context.Context, env []string) error {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", h.command)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the command of --exec failed: %w", err)
	}
	return nil
}

// Trigger returns the name under which an event runs a hook, "" for none.
func (e Event) Trigger() string {
	switch {
	case e.Earlier:
	case e.Kind == GotIn, e.Kind == Stuck, e.Kind == Sweep:
		return string(e.Kind)
	case e.Stale():
		return "stale"
	}
	return ""
}

// Add takes events.
func (h *Hook) Add(now time.Time, events []Event) {
	h.tokens = min(hookBurst, h.tokens+now.Sub(h.filled).Seconds()/hookInterval.Seconds())
	h.filled = now
	for _, e := range events {
		name := e.Trigger()
		if name == "" {
			continue
		}
		if h.tokens < 1 {
			h.left++
			continue
		}
		env := []string{"RAPPORT_EVENT=" + name, "RAPPORT_ADDRESS=" + e.Addr.String(), fmt.Sprintf("RAPPORT_PHASE=%d", e.Phase),
			"RAPPORT_TIME=" + e.Time.UTC().Format(time.RFC3339), "RAPPORT_SUMMARY=" + e.Summary(), fmt.Sprintf("RAPPORT_SUPPRESSED=%d", h.left)}
		select {
		case h.queue <- env:
			h.tokens--
			h.left = 0
		default:
			h.left++
		}
	}
}
