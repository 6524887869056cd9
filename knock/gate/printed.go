package gate

import (
	"strconv"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
)

// fromPrinted returns the gate that the script would load. Its ports are unknown.
func fromPrinted(p script.Printed) Findings {
	f := Findings{Kind: FromScript, Printed: &p}
	g := Gate{Ports: make([]uint16, knock.Knocks), Lists: make([]string, knock.Knocks), Windows: make([]time.Duration, knock.Knocks),
		Accept: Fixed, SSHPort: p.SSHPort, AcceptPorts: []int{p.SSHPort}, Chain: "portknocking", Guarded: p.ReplayGuard > 0, SweepGuard: p.SweepGuard, opens: true, swept: true}
	if p.SweepGuard == 0 {
		g.passes = knock.Knocks
	}
	if p.Format == script.NFT {
		g.Chain = "knocking"
	}
	if p.OneShot {
		g.Accept = OneShot
	}
	for k := range g.Windows {
		g.Windows[k] = p.Window
		g.Lists[k] = "phase" + strconv.Itoa(k+1)
	}
	for _, family := range []knock.Family{knock.Family4, knock.Family6} {
		g.Family = family
		f.Gates = append(f.Gates, g)
	}
	return f
}
