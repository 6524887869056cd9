package tui

import (
	"context"
	"sync"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/hosts"
)

// diagnoseScreen is what the Diagnose screen shows: the newest snapshot of a
// diagnosis, and around it what the user may do with it.
type diagnoseScreen struct {
	report  diag.Report
	target  knock.Target // what was examined, with the skew and range of then
	planned []diag.Cell  // what a scan would try, until it tells
	began   time.Time    // of the run, by the screen's clock
	future  int          // how many hours to come the run tries
	listed  bool         // the hosts file has the server
	asking  bool         // whether to try hours to come
	copied  bool         // the report is in the clipboard
	failure string       // why the run did not come to its end
	scroll  int          // of what is below the verdict
}

// snapshots keeps the newest report of a diagnosis until it is drawn: several
// may come for each frame, and the diagnosis never waits for one.
type snapshots struct {
	mu     sync.Mutex
	newest diag.Report
	told   bool // of the newest, by an event that was not answered yet
}

// put keeps r, and reports whether an event has to tell of it.
func (s *snapshots) put(r diag.Report) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = r
	tell := !s.told
	s.told = true
	return tell
}

// take returns the newest report.
func (s *snapshots) take() diag.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = false
	return s.newest
}

// Events of a diagnosis.
type (
	examined struct{ snapshots *snapshots }
	listed   bool // the hosts file has the server
)

// take notes one event of a diagnosis.
func (d *diagnoseScreen) take(event any) {
	switch e := event.(type) {
	case examined:
		d.report = e.snapshots.take()
	case listed:
		d.listed = bool(e)
	}
}

// examine makes a diagnosis and tells of it.
func examine(ctx context.Context, d *diag.Doctor, h hosts.Host, secret knock.Secret, hostsPath string, emit func(any)) error {
	emit(listed(isListed(hostsPath, h.Name)))
	var s snapshots
	_, err := d.Run(ctx, h, secret, func(r diag.Report) {
		if s.put(r) {
			emit(examined{&s})
		}
	})
	return err
}

// isListed reports whether the hosts file has a server.
func isListed(path, name string) bool {
	if path == "" {
		return false
	}
	file, err := hosts.Load(path)
	_, ok := file.Host(name)
	return err == nil && ok
}

// diagnosing reports whether a diagnosis is under way, or about to be.
func (a app) diagnosing() bool { return a.screen.stage == diagnosing || a.queued == diagnosing }

// change is what of the verdict's fix is on this side, as far as it is not done
// yet.
func (a app) change() diag.Change {
	d := a.diagnose
	if !d.report.Done || a.diagnosing() {
		return diag.Change{}
	}
	return d.report.Verdict.Change
}
