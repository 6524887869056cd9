package script_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

func readRules(t testing.TB, text string) gate.Findings {
	t.Helper()
	f, err := gate.ReadRules(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func codes(problems []gate.Problem) (all []string) {
	for _, p := range problems {
		all = append(all, p.Code)
	}
	return all
}

// What the printed scripts load is found again, whatever they were asked for,
// and nothing is wrong with it.
func TestReadRulesOfThePrintedScripts(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*script.Rules)
		accept gate.AcceptKind
		also   int
	}{
		"plain":                 {nil, gate.Fixed, 0},
		"one shot":              {func(r *script.Rules) { r.OneShot = true }, gate.OneShot, 0},
		"guarded":               {func(r *script.Rules) { r.ReplayGuard = 3 }, gate.Fixed, 0},
		"without a sweep guard": {func(r *script.Rules) { r.SweepGuard = 0 }, gate.Fixed, 0},
		"at the hour change":    {func(r *script.Rules) { r.ReplayGuard = 3; r.Log = true }, gate.Fixed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.also == 0 && tt.change != nil {
				knocktest.Long(t)
			}
			each(t, tt.change, func(t *testing.T, g *gated) {
				if tt.also > 0 {
					g.setClock(at.Truncate(time.Hour).Add(10 * time.Second))
				}
				g.run("setup")
				text := g.Server.Run(t, "nft", "list", "ruleset")
				if tt.change == nil {
					text = g.Server.Run(t, "nft", "-nn", "list", "ruleset")
				}
				if g.rules.Format == script.IPTables {
					// What nft lists of iptables' rules changes nothing.
					text = g.Server.Run(t, "iptables-save") + g.Server.Run(t, "ip6tables-save") + text
				}
				f := readRules(t, text)
				if len(f.Gates) != 2 || len(f.Other) != 0 {
					t.Fatalf("%+v\n%s", f.Gates, text)
				}
				want := knock.Derive(g.Hour, g.Range, g.Secret).Ports()
				for _, found := range f.Gates {
					if found.SweepGuard != g.rules.SweepGuard || found.Strict {
						t.Errorf("sweep guard %d, strict %v in\n%s", found.SweepGuard, found.Strict, text)
					}
					if found.Guarded != (g.rules.ReplayGuard > 0) {
						t.Errorf("guarded: %v in\n%s", found.Guarded, text)
					}
					all := append([][]uint16{found.Ports}, found.Also...)
					if !slices.ContainsFunc(all, func(p []uint16) bool { return slices.Equal(p, want[:]) }) || len(found.Also) != tt.also ||
						found.Accept != tt.accept || found.SSHPort != g.SSHPort || found.Window() != 5*time.Second {
						t.Errorf("%+v", found)
					}
				}
				got := codes(f.Problems(gate.Facts{SSHPort: g.SSHPort, ListTotal: 10000}))
				var problems []string
				if g.rules.SweepGuard == 0 {
					problems = []string{"no-sweep-guard"}
				}
				if !slices.Equal(got, append([]string{}, problems...)) {
					t.Errorf("problems %q in\n%s", got, strings.TrimSpace(text))
				}
			})
		})
	}
}
