//go:build linux

package netfilter_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rapport/knock/knocktest"
	"rapport/knock/netfilter/machine"
)

const (
	// lateness is what a packet may come late: the rows leave 100 ms to every edge.
	lateness = 90 * time.Millisecond
	// attempts is how often a row is played if this machine is too busy to be in time.
	attempts = 8
	// rowsAtATime bounds the namespaces that are made at the same moment.
	rowsAtATime = 8
)

// The kernel does what the table of the machine's test says.
func TestKernelBehaviours(t *testing.T) {
	knocktest.Need(t, "iptables-legacy-restore", "nft", "ip")
	var all sync.WaitGroup
	free := make(chan bool, rowsAtATime)
	for _, b := range behaviours() {
		all.Go(func() {
			free <- true
			defer func() { <-free }()
			for range attempts {
				wrong, late, err := b.ask(t)
				switch {
				case err != nil:
					t.Errorf("%s: %v", b.name, err)
				case late:
					continue
				case wrong != "":
					t.Errorf("%s:%s", b.name, wrong)
				}
				return
			}
			t.Logf("%s: not compared, packets came late", b.name)
		})
	}
	all.Wait()
}

// ask plays the packets to the kernel. It returns which verdicts are wrong, and whether
// a packet came late.
func (b behaviour) ask(t *testing.T) (wrong string, late bool, err error) {
	f := firewall{loads: []load{{"nft", b.listed()}}}
	if b.iptables != "" {
		f.loads = append(f.loads, load{map[bool]string{false: "iptables", true: "ip6tables"}[b.v6()] + "-legacy-restore", b.saved()})
	}
	f.loads = append(f.loads, load{"nft", accounting})
	visits := b.visits(t)
	err = inNetwork(func(n *network) error {
		if err := f.load(n); err != nil {
			return err
		}
		start := time.Now()
		for i, v := range visits {
			time.Sleep(time.Until(start.Add(v.at)))
			play := n.receive
			if v.answer {
				play = n.send
			}
			if err := play(packet{Packet: v.packet}, i+1); err != nil {
				return err
			}
			late = late || time.Since(start)-v.at > lateness
		}
		through, err := n.through()
		for i, v := range visits {
			if want := v.want == machine.Accept; want != through[i+1] {
				wrong += fmt.Sprintf(" at %v, port %d: let through: %v, want %v;", v.at, v.packet.DstPort, through[i+1], want)
			}
		}
		return err
	})
	return wrong, late, err
}
