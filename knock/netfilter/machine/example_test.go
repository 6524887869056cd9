package machine_test

import (
	"fmt"
	"net/netip"
	"time"

	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

// Two knocks open SSH for five seconds. The trace says why the last packet comes too
// late.
func Example() {
	rules, err := netfilter.Parse([]byte(`*filter
:INPUT DROP [0:0]
-A INPUT -p tcp --dport 10247 -m recent --name ONE --set
-A INPUT -p tcp --dport 10363 -m recent --name ONE --rcheck --seconds 5 -m recent --name TWO --set
-A INPUT -p tcp --dport 22 -m recent --name TWO --rcheck --seconds 5 -j ACCEPT
COMMIT`))
	if err != nil {
		fmt.Println(err)
		return
	}
	m := rules.NewMachine()
	m.Tracing = true
	syn := machine.Packet{Proto: machine.TCP, Flags: machine.SYN, SrcPort: 50000,
		Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.1")}
	for second, port := range []int{22, 10247, 10363, 22} {
		syn.DstPort = port
		r := m.Deliver(syn, time.Duration(second)*time.Second)
		fmt.Println(port, r.Verdict)
		for _, c := range r.Changes {
			fmt.Println("  ", c.Verb, c.List)
		}
	}
	m.Wait(9 * time.Second)
	r := m.Deliver(syn, m.Now())
	fmt.Println(syn.DstPort, r.Verdict)
	for _, h := range r.Trace {
		if h.Rule == nil {
			fmt.Println("   policy:", h.Verdict)
		} else {
			fmt.Printf("   line %d: %s\n", h.Rule.Line, h.Reason)
		}
	}
	// Output:
	// 22 drop
	// 10247 drop
	//    add ONE
	// 10363 drop
	//    add TWO
	// 22 accept
	// 22 drop
	//    line 3: port is 22
	//    line 4: port is 22
	//    line 5: seconds 5: last seen on the list TWO 10.0 s ago
	//    policy: drop
}
