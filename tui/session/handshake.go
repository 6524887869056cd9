package session

import (
	"fmt"
	"time"

	"rapport/knock"
	"rapport/knock/hosts/history"
)

// Record adds a handshake to the history of the server; the zero Report is one that could
// not be made.
func (s *Session) Record(r knock.Report) error {
	h := history.Handshake{Host: s.Host.Identity(), At: s.Now.UTC(), Opened: r.Opened, Attempts: len(r.Attempts), State: r.SSH.State}
	if r.Opened && r.Before.State != knock.SSHOpen { // else the banner needed no knock
		h.Took = float64(max(r.SSH.Read, r.SSH.Connect)) / float64(time.Millisecond)
	}
	if s.History = append(s.History, h); s.Config.HistoryPath == "" {
		return nil
	}
	return history.Save(s.Config.HistoryPath, h)
}

// Outcome says how a handshake ended. The demo sees its knocks, and so knows more than a
// gate tells.
func (s *Shared) Outcome(r knock.Report) string {
	if !s.Config.Demo || r.SSH.State != knock.SSHRefused || len(r.Attempts) == 0 {
		return r.Summary()
	}
	received, all := 0, 0
	for _, k := range r.Attempts[len(r.Attempts)-1].Knocks {
		if !k.Copy {
			all++
		}
		if !k.Copy && k.Answer == knock.Open {
			received++
		}
	}
	switch {
	case received == all:
		return "all five knocks were received, so the gate is open; but SSH is refused: nothing listens behind the gate"
	case received == 0:
		return "no knock was received: the gate expects other ports, of another hour or range"
	}
	return fmt.Sprintf("%d of %d knocks were received: the others were lost, or are not what the gate expects", received, all)
}
