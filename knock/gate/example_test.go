package gate_test

import (
	"fmt"
	"strings"

	"rapport/knock/gate"
)

// The gate is found by what its rules do, not by its names.
func ExampleReadRules() {
	const text = `*filter
:INPUT DROP [0:0]
:rap - [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp --syn -j rap
-A rap -m recent --rcheck --seconds 5 --name E -p tcp --dport 22 -j ACCEPT
-A rap -m recent --rcheck --seconds 5 --name D -p tcp --dport 10938 -m recent --set --name E
-A rap -m recent --rcheck --seconds 5 --name C -p tcp --dport 10858 -m recent --set --name D
-A rap -m recent --rcheck --seconds 5 --name B -p tcp --dport 10357 -m recent --set --name C
-A rap -m recent --rcheck --seconds 5 --name A -p tcp --dport 10363 -m recent --set --name B
-A rap -p tcp --dport 10247 -m recent --set --name A
COMMIT
`
	found, err := gate.ReadRules(strings.NewReader(text))
	if err != nil {
		fmt.Println(err)
		return
	}
	g, ok := found.Gate()
	fmt.Println(ok, found.Kind, g.Ports, g.SSHPort, g.Window(), g.Accept.Words())
	for _, p := range found.Problems(gate.Facts{SSHPort: 22}) {
		fmt.Println(p.Severity, p.Code)
	}
	// Output:
	// true iptables [10247 10363 10357 10858 10938] 22 5s fixed
	// warning no-sweep-guard
	// info v6-not-given
	// info list-size
}
