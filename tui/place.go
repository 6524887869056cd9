package tui

import (
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
	"rapport/tui/activity"
	"rapport/tui/clocks"
	"rapport/tui/diagnose"
	"rapport/tui/hostlist"
	"rapport/tui/knocking"
	"rapport/tui/rules"
	"rapport/tui/sequences"
	"rapport/tui/session"
)

// place is one server with its screens. It stays as it is while another is shown: a
// handshake, a diagnosis and a countdown go on.
type place struct {
	*session.Session
	entry     hosts.Host // of the hosts file, as it was last opened; flags and fixes of this run may differ
	knock     *knocking.Screen
	sequences *sequences.Screen
	clocks    *clocks.Screen
	diagnose  *diagnose.Screen
	rules     *rules.Screen
}

func (p *place) screens() []session.Screen {
	return []session.Screen{p.knock, p.sequences, p.clocks, p.diagnose, p.rules}
}

// stored are the handshakes that the history has with the servers of the hosts file and those
// that were opened, the newest first.
func (a *app) stored() (all []activity.Handshake) {
	if a.Config.HistoryPath == "" { // then there is what this run did
		for _, p := range a.places {
			for _, h := range p.History {
				all = append(all, activity.Handshake{Name: p.Host.Name, Handshake: h})
			}
		}
		return newestFirst(all)
	}
	names := map[string]string{} // by identity
	if file, err := hosts.Load(a.Config.HostsPath); err == nil {
		for _, h := range file.Hosts() {
			names[h.Identity()] = h.Name
		}
	}
	for _, p := range a.places {
		names[p.Host.Identity()] = p.Host.Name
	}
	past := history.Load(a.Config.HistoryPath)
	for id, name := range names {
		for _, h := range past[id] {
			all = append(all, activity.Handshake{Name: name, Handshake: h})
		}
	}
	return newestFirst(all)
}

// refresh reads the stored handshakes anew for a screen that shows them, once a job has
// ended.
func (a *app) refresh() {
	if !a.stale {
		return
	}
	switch a.shown {
	case a.hosts:
		a.hosts.Stored = a.stored()
	case a.log:
		a.log.Past = a.stored()
	default: // it is read when one is opened
		return
	}
	a.stale = false
}

func newestFirst(all []activity.Handshake) []activity.Handshake {
	slices.Reverse(all) // of those at the same time the last comes first
	slices.SortStableFunc(all, func(a, b activity.Handshake) int { return b.At.Compare(a.At) })
	return all
}

// at returns the server called name, nil where it was not opened.
func (a *app) at(name string) hostlist.Server {
	if p, ok := a.places[strings.ToLower(name)]; ok {
		return p.knock
	}
	return nil
}

// find returns the place of a server, a new one where there is none. An entry that was
// changed in the hosts file counts; what this run changed stays otherwise.
func (a *app) find(h hosts.Host, secret knock.Secret) *place {
	key := strings.ToLower(h.Name)
	if p, ok := a.places[key]; ok {
		if p.entry.Name != "" && !p.entry.Equal(h) {
			p.SetHost(h)
		}
		p.entry = h
		p.Target.Secret = secret
		return p
	}
	s := &session.Session{Shared: a.Shared, Server: session.Server{Host: h, Target: h.Target()}}
	s.Target.Secret = secret
	if a.Config.HistoryPath != "" {
		s.History = history.Load(a.Config.HistoryPath)[h.Identity()]
	}
	p := &place{
		Session: s, knock: &knocking.Screen{Session: s}, sequences: &sequences.Screen{Session: s},
		clocks: &clocks.Screen{Session: s}, diagnose: &diagnose.Screen{Session: s}, rules: &rules.Screen{Session: s},
	}
	a.places[key] = p
	return p
}
