package script_test

import (
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// wrongs returns what the sweep guard has counted as wrong ports.
func (g *gated) wrongs() string {
	g.t.Helper()
	return strings.TrimSpace(g.Server.Run(g.t, "sh", "-c", `cat /proc/net/ipt_hashlimit/* /proc/net/ip6t_hashlimit/* 2>/dev/null
		for f in 4 6; do nft list set inet portknock wrong_$f 2>/dev/null; done | grep -A 9 elements || :`))
}

// No handshake of a legitimate client counts as wrong ports: not all attempts of
// one whose clock is hours off, nor near an hour change where two hours' knocks
// go out twice each. The one that is right opens at once after them.
func TestRulesForgiveEveryHandshake(t *testing.T) {
	knocktest.Long(t)
	both(t, nil, func(t *testing.T, g *gated) {
		g.run("setup")
		change := knock.HourOf(at).End()
		for _, addr := range g.addresses() {
			sent := 0
			for _, wrong := range []time.Time{at.Add(-26 * time.Hour), change.Add(3*time.Hour - 10*time.Second)} {
				r := g.knocks(addr, wrong)
				if len(r.Attempts) != len(knock.DefaultGaps()) || r.Opened {
					t.Errorf("%v: a clock at %v: opened %v in %d attempts", addr, wrong, r.Opened, len(r.Attempts))
				}
				for _, a := range r.Attempts {
					sent += len(a.Knocks)
				}
			}
			if counted := g.wrongs(); counted != "" {
				t.Errorf("%v: of %d knocks some count as wrong ports:\n%s", addr, sent, counted)
			}
			g.setClock(change.Add(-time.Minute))
			g.run("refresh")
			for _, now := range []time.Time{change.Add(-20 * time.Second), change.Add(20 * time.Second)} {
				if r := g.knocks(addr, now); !r.Opened || r.OpenedBy != 0 {
					t.Errorf("%v: after %d knocks for other hours, at %v: opened %v by attempt %d", addr, sent, now, r.Opened, r.OpenedBy+1)
				}
			}
			if counted := g.wrongs(); counted != "" {
				t.Errorf("%v: near the hour change some count as wrong ports:\n%s", addr, counted)
			}
			t.Logf("%v: %d knocks for other hours", addr, sent)
			g.setClock(at)
		}
		g.from(g.Addr4).knock(g.wrong(1)...)
		if g.wrongs() == "" {
			t.Error("a wrong port does not count")
		}
	})
}
