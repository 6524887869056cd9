//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// badNetwork is a row of the table: what lies between client and server.
type badNetwork struct {
	name string
	path knocktest.Path
}

// badNetworks lose, reorder, duplicate and delay. The round trip is 20 ms unless the
// row says otherwise.
func badNetworks() []badNetwork {
	const ms = time.Millisecond
	near := func(p knocktest.Path) knocktest.Path {
		p.Delay = 10 * ms
		return p
	}
	return []badNetwork{
		{"loss 0 %", near(knocktest.Path{})},
		{"loss 1 %", near(knocktest.Path{Loss: 0.01})},
		{"loss 5 %", near(knocktest.Path{Loss: 0.05})},
		{"loss 10 %", near(knocktest.Path{Loss: 0.1})},
		{"loss 20 %", near(knocktest.Path{Loss: 0.2})},
		{"reorder 10 %, 20 ms jitter", near(knocktest.Path{Late: 0.1, Jitter: 20 * ms})},
		{"reorder 30 %, 20 ms jitter", near(knocktest.Path{Late: 0.3, Jitter: 20 * ms})},
		{"duplicates 10 %", near(knocktest.Path{Duplicate: 0.1})},
		{"round trip 1 ms", knocktest.Path{Delay: ms / 2}},
		{"round trip 50 ms", knocktest.Path{Delay: 25 * ms}},
		{"round trip 200 ms", knocktest.Path{Delay: 100 * ms}},
		{"round trip 600 ms", knocktest.Path{Delay: 300 * ms}},
		{"150 ms, 5 % loss, 30 ms jitter", knocktest.Path{Delay: 60 * ms, Jitter: 30 * ms, Loss: 0.05}},
		{"200 ms, 20 % loss, 30 ms jitter", knocktest.Path{Delay: 85 * ms, Jitter: 30 * ms, Loss: 0.2}},
	}
}

// patient is how long a client may take to get in.
const patient = 8 * time.Second

// BenchmarkBadNetwork makes the table of bad networks: for each, this program,
// the article's script and knockd's client fed by the article's derivation, side
// by side against the real gate, from the start of the command to SSH's banner.
// -benchtime 300x makes 300 runs of this program a row, 38 of knockd's client
// and 20 of the script, which takes five seconds each time; it takes some ten
// minutes.
func BenchmarkBadNetwork(b *testing.B) {
	rapport := build(b)
	if b.N == 1 {
		return // the testing package tries with one first
	}
	networks := badNetworks()
	lines := make([]string, len(networks))
	var rows sync.WaitGroup
	slots := make(chan struct{}, 3)
	for i, n := range networks {
		slots <- struct{}{}
		l := newLab(b, rapport, n.path, uint64(i+1))
		rows.Go(func() {
			defer func() { <-slots }()
			results := l.race(map[string]int{"rapport": b.N, "knockd": (b.N + 7) / 8, "article": (b.N + 14) / 15})
			for j, peer := range []string{"rapport", "knockd", "article"} {
				name := n.name
				if j > 0 {
					name = ""
				}
				lines[i] += fmt.Sprintf("| %s | %s | %s |\n", name, peer, results[peer])
			}
			fmt.Fprint(os.Stderr, lines[i])
		})
	}
	rows.Wait()
	fmt.Printf("\n| network | client | runs | within 2 s | within 5 s | median | 95th percentile | SYNs | connections, most |\n|---|---|---|---|---|---|---|---|---|\n%s", strings.Join(lines, ""))
	b.ReportMetric(0, "ns/op")
}

// A few runs of two rows: a client gets in although packets are lost and reordered.
func TestBadNetwork(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	rapport := build(t)
	for i, n := range []badNetwork{
		{"loss", knocktest.Path{Delay: 5 * time.Millisecond, Loss: 0.1}},
		{"mixed", knocktest.Path{Delay: 60 * time.Millisecond, Jitter: 30 * time.Millisecond, Loss: 0.05}},
	} {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			r := newLab(t, rapport, n.path, uint64(i+1)).race(map[string]int{"rapport": 12})["rapport"]
			if in := r.within(patient); in < 1 {
				t.Errorf("of 12 handshakes %.0f got in: %v", in*12, r)
			}
			if r.connections > 4 {
				t.Errorf("a handshake made %d connections to SSH", r.connections)
			}
		})
	}
}

// lab is one server behind a bad network, and clients to run side by side.
type lab struct {
	testing.TB
	server  *knocktest.Server
	capture *knocktest.Capture
	path    knocktest.Path
	clients map[string][]*knocktest.Host
	command map[string][]string
}

// newLab makes the lab.
func newLab(t testing.TB, rapport string, p knocktest.Path, seed uint64) *lab {
	t.Helper()
	knocktest.Need(t, "knock", "nc", "sh")
	p.Seed = seed
	// Connections that earlier runs left half closed, because the network lost the FIN,
	// must not shut out later runs.
	l := &lab{TB: t, path: p, server: knocktest.NewServer(t, knocktest.Options{
		Router: true, Path: p, SSHD: []string{"MaxStartups 500", "LoginGraceTime 15", "LogLevel VERBOSE"},
	})}
	l.capture = l.server.Capture(t)
	l.clients = map[string][]*knocktest.Host{}
	for peer, n := range map[string]int{"rapport": 2, "knockd": 2, "article": 1} {
		for range n {
			l.clients[peer] = append(l.clients[peer], knocktest.NewClient(t, l.server))
		}
	}
	article := knocktest.ArticleClient(t, l.server)
	dir, host := filepath.Dir(article), l.server.Addr4.String()
	knockd := filepath.Join(dir, "knockd.sh")
	script := `AT=$(cat "$1/at"); . "$1/calc.sh"; calc_knock_ports "$(cat "$1/secret")" $(cat "$1/range")
knock "$2" $pk_port1 $pk_port2 $pk_port3 $pk_port4 $pk_port5; exec nc "$2" 22`
	if err := os.WriteFile(knockd, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	l.command = map[string][]string{
		"rapport": {rapport, "knock", host},
		"knockd":  {"sh", knockd, dir, host},
		"article": {"sh", article, host, "22"},
	}
	return l
}

// race runs each client so many times, all side by side.
func (l *lab) race(runs map[string]int) map[string]*results {
	all := map[string]*results{}
	var mu sync.Mutex
	var clients sync.WaitGroup
	for peer, n := range runs {
		all[peer] = &results{}
		for i, client := range l.clients[peer] {
			clients.Go(func() {
				for range n/len(l.clients[peer]) + min(1, max(0, n%len(l.clients[peer])-i)) {
					took, syns, connections := l.run(client, l.command[peer])
					mu.Lock()
					all[peer].add(took, syns, connections)
					mu.Unlock()
				}
			})
		}
	}
	clients.Wait()
	return all
}

// run runs a command at a client until it prints SSH's banner, and returns how long
// that took; zero means never.
func (l *lab) run(client *knocktest.Host, args []string) (took time.Duration, syns, connections int) {
	// The server forgets the client and its open connections.
	time.Sleep(2*l.path.Delay + l.path.Jitter + 20*time.Millisecond)
	forget := l.server.Command(context.Background(), "sh", "-c", `for list in /proc/net/xt_recent/*; do echo "-$1" >"$list"; done`, "forget", client.Addr4.String())
	if err := forget.Run(); err != nil {
		l.Error(err)
		return
	}
	before, made := l.seen(client)
	if args[1] == "knock" { // the hour may turn meanwhile
		skew := time.Until(l.server.Hour.Start().Add(30 * time.Minute)).Round(time.Second)
		args = append(slices.Clone(args), "--skew", skew.String())
	}
	cmd := client.Command(context.Background(), args[0], args[1:]...)
	cmd.Env = append(cmd.Env, "RAPPORT_SECRET="+knocktest.DefaultSecret)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.Error(err)
		return
	}
	in, err := cmd.StdinPipe() // nc would end with its input
	if err != nil {
		l.Error(err)
		return
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		l.Error(err)
		return
	}
	end := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with all that it started
	timer := time.AfterFunc(patient, end)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "SSH-") {
			took = time.Since(started)
			break
		}
	}
	timer.Stop()
	end()
	in.Close()
	_ = cmd.Wait()
	syns, connections = l.seen(client)
	return took, syns - before, connections - made
}

// seen returns how many SYNs a client has sent so far, and how many connections
// sshd has had from it by its log.
func (l *lab) seen(client *knocktest.Host) (syns, connections int) {
	for _, s := range l.capture.SYNs() {
		if s.Src.Addr() == client.Addr4 {
			syns++
		}
	}
	return syns, strings.Count(l.server.SSHDLog(), "Connection from "+client.Addr4.String()+" ")
}

// results are those of all runs of one client in one network.
type results struct {
	took        []time.Duration // sorted, the longest time there is for never
	syns        int
	connections int // the most that one run made
}

func (r *results) add(took time.Duration, syns, connections int) {
	if took == 0 {
		took = math.MaxInt64
	}
	i, _ := slices.BinarySearch(r.took, took)
	r.took = slices.Insert(r.took, i, took)
	r.syns += syns
	r.connections = max(r.connections, connections)
}

// within returns the part of the runs that got in within d.
func (r *results) within(d time.Duration) float64 {
	n, _ := slices.BinarySearch(r.took, d+1)
	return float64(n) / float64(len(r.took))
}

func (r *results) String() string {
	percentile := func(p int) string {
		d := r.took[min(len(r.took)*p/100, len(r.took)-1)]
		if d > patient {
			return "never"
		}
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	n := len(r.took)
	return fmt.Sprintf("%d | %.1f %% | %.1f %% | %s | %s | %.1f | %d",
		n, 100*r.within(2*time.Second), 100*r.within(5*time.Second), percentile(50), percentile(95), float64(r.syns)/float64(n), r.connections)
}
