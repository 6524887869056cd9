package watch

import (
	"context"
	"encoding/json"
	"io"
	"slices"
)

// Lines returns a function that prints the events of a snapshot, a JSON object each.
// With mask the ports of knocks are left out.
func Lines(out io.Writer, mask bool) func(Snapshot) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return func(seen Snapshot) error {
		for _, event := range seen.Events {
			if mask {
				event = event.Masked()
			}
			if err := e.Encode(event); err != nil {
				return err
			}
		}
		return nil
	}
}

// Sinks say what else gets the snapshots of a watch, and what is left out of them.
type Sinks struct {
	Metrics string // the address of a [Metrics], if not empty
	Exec    string // the command of a [Hook], if not empty
	Filter  Filter
}

// Validate reports an address on which nothing can listen.
func (s Sinks) Validate() error {
	if s.Metrics == "" {
		return nil
	}
	_, err := metricsAddress(s.Metrics)
	return err
}

// Open returns a function that passes a snapshot on, and returns what is to be shown of
// it. end ends the sinks. Failures of the command go to report.
func (s Sinks) Open(ctx context.Context, report func(error)) (pass func(Snapshot) Snapshot, end func(), err error) {
	var m *Metrics
	var h *Hook
	if s.Metrics != "" {
		if m, err = NewMetrics(s.Metrics); err != nil {
			return nil, nil, err
		}
	}
	if s.Exec != "" {
		h = NewHook(ctx, s.Exec, report)
	}
	end = func() {
		if m != nil {
			_ = m.Close()
		}
		if h != nil {
			h.Close()
		}
	}
	return func(seen Snapshot) Snapshot {
		if m != nil {
			m.Set(seen)
		}
		if h != nil {
			h.Add(seen.Time, seen.Events)
		}
		seen.Visits = s.Filter.Visits(seen.Visits)
		seen.Events = slices.DeleteFunc(slices.Clone(seen.Events), func(e Event) bool { return !s.Filter.Passes(e) })
		return seen
	}, end, nil
}
