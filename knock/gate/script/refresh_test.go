package script_test

import (
	"strings"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// Who has installed nothing that runs refresh is told so when there is still time, and
// when the hour is over.
func TestRulesSayThatNothingRefreshes(t *testing.T) {
	each(t, nil, func(t *testing.T, g *gated) {
		const idle = "nothing has run refresh "
		says := func(when, want string, out string) {
			t.Helper()
			if got := strings.Contains(out, idle); got != (want != "") || !strings.Contains(out, want) {
				t.Errorf("%s, want %q:\n%s", when, want, out)
			}
		}
		g.run("setup", "--confirm", "600")
		says("confirm", idle+"yet", g.run("confirm"))
		says("status", idle+"yet", g.run("status"))
		g.run("refresh")
		says("refreshed", "", g.run("status"))
		g.setClock(at.Add(2 * time.Minute))
		says("after two minutes", "", g.run("status"))
		g.setClock(at.Add(10 * time.Minute))
		says("after ten minutes", idle+"for 10 min", g.run("status"))
		g.setClock(at.Add(3 * time.Hour))
		out, err := g.Try("status")
		if says("after three hours", idle+"for 180 min", out); err == nil || !strings.Contains(out, "stale: ") {
			t.Errorf("rules of a past hour: %v\n%s", err, out)
		}
		g.run("refresh")
		says("refreshed again", "", g.run("status"))
		g.run("remove")
		g.run("setup")
		says("set up anew", idle+"yet", g.run("status"))
	})
}

// Without the gate refresh fails, so remove says what still runs it every minute.
func TestRulesSayWhatStillRefreshes(t *testing.T) {
	knocktest.Need(t, "unshare", "mount")
	each(t, nil, func(t *testing.T, g *gated) {
		const cron, timer = "rm /etc/cron.d/rapport-gate\n", "systemctl disable --now rapport-gate-refresh.timer "
		remove := func(want ...string) {
			t.Helper()
			out := g.run("remove")
			if strings.Count(out, "\n") != len(want) {
				t.Errorf("remove prints\n%s", out)
			}
			for _, s := range want {
				if !strings.Contains(out, s) {
					t.Errorf("remove does not say %q:\n%s", s, out)
				}
			}
		}
		inEtc := func(environment string) []string {
			return []string{"unshare", "--mount", "sh", "-ec", "mount --bind '" + g.Dir + "/etc' /etc; " + environment + ` exec sh "$@"`, "sh"}
		}
		g.Server.Run(t, "cp", "-a", "/etc", g.Dir)
		g.Server.Run(t, "sh", "-ec", "cd '"+g.Dir+"/etc'; rm -f cron.d/rapport-gate systemd/system/rapport-gate*")
		g.Shell = inEtc("")
		g.run("setup")
		remove()
		g.write("etc/cron.d/rapport-gate", "", 0o644)
		remove(cron)
		g.write("etc/systemd/system/rapport-gate-refresh.timer", "", 0o644)
		remove(cron, timer)
		g.Shell = inEtc("SYSTEMD_EXEC_PID=$$")
		remove(cron) // systemd stops the unit, and may start it again
	})
}
