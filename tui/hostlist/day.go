package hostlist

import (
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/record"
)

// dayBox shows how the handshakes of the last day ended, by hour and server.
func (s *Screen) dayBox(w, h int) []string {
	since := knock.HourOf(s.Now).Start().Add(-23 * time.Hour)
	var servers []record.Server
	for _, host := range s.ofLastDay(since, h-3) {
		servers = append(servers, record.Server{Name: host.Name, Past: s.history(host)})
	}
	return record.Day(s.Theme, servers, len(s.shown()), s.Now, w, h)
}

// ofLastDay returns up to n servers of the list: where there are more, those with handshakes
// since a time, then others.
func (s *Screen) ofLastDay(since time.Time, n int) (out []hosts.Host) {
	all := s.shown()
	if len(all) <= n {
		return all
	}
	for _, busy := range []bool{true, false} {
		for _, h := range all {
			if len(out) < n && (s.lastAt(h) >= since.UnixNano()) == busy {
				out = append(out, h)
			}
		}
	}
	return out
}
