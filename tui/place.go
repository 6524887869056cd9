package tui

import (
	"strings"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
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
