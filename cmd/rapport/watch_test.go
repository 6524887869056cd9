//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// watched is a line of rapport watch --json.
type watched struct {
	Schema   int
	Time     time.Time
	Event    string
	Address  string
	Family   string
	Phase    *int
	Age      *float64 `json:"age_s"`
	Inferred bool
	Earlier  bool
	Evidence string
	Others   []string
	Waiting  int
	Summary  string
	Gate     *struct {
		Kind     string
		Families []string
		SSHPort  int       `json:"ssh_port"`
		Windows  []float64 `json:"windows_s"`
		Counted  bool      `json:"dropped_attempts_counted"`
	}
	Client *client
}

// watching is the built program on a server.
type watching struct {
	t      testing.TB
	server *knocktest.Server
	lines  chan watched
	seen   []watched
}

// watchOn starts the program and waits until it watches.
func watchOn(t testing.TB, s *knocktest.Server, rapport string, flags ...string) *watching {
	t.Helper()
	w := &watching{t: t, server: s, lines: make(chan watched, 1000)}
	cmd := s.Command(t.Context(), rapport, append([]string{"watch", "--json"}, flags...)...)
	cmd.Env = append(cmd.Env, "RAPPORT_SECRET="+s.Secret.Reveal())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.lines)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var e watched
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Schema != 1 {
				t.Errorf("%v: %s", err, lines.Text())
			}
			w.lines <- e
		}
		if err := cmd.Wait(); t.Context().Err() == nil {
			t.Errorf("the watch ended: %v: %s", err, &said)
		}
	}()
	w.until("the gate is watched", func(e watched) bool { return e.Event == "gate" })
	return w
}

// until waits for an event.
func (w *watching) until(what string, ok func(watched) bool) watched {
	w.t.Helper()
	patience := time.After(30 * time.Second)
	for {
		select {
		case e, open := <-w.lines:
			if !open {
				w.t.Fatalf("the watch ended before: %s", what)
			}
			if w.seen = append(w.seen, e); ok(e) {
				return e
			}
		case <-patience:
			w.t.Fatalf("not seen: %s; only %+v", what, w.seen)
		}
	}
}

// of waits for an event about an address.
func (w *watching) of(event string, addr netip.Addr) watched {
	w.t.Helper()
	return w.until(event+" "+addr.String(), func(e watched) bool { return e.Event == event && e.Address == addr.String() })
}

// phases returns the phases that an address has been seen to enter, in order.
func (w *watching) phases(addr netip.Addr) (all []int) {
	for _, e := range w.seen {
		if e.Event == "phase" && e.Address == addr.String() {
			all = append(all, *e.Phase)
		}
	}
	return all
}

// scripted is a server with the script that rapport rules prints.
func scripted(t testing.TB, rapport, format string, flags ...string) (*knocktest.Server, *knocktest.Script) {
	t.Helper()
	awayFromHourChange()
	s := knocktest.NewServer(t, knocktest.Options{NoGate: true})
	return s, setUp(t, s, rapport, format, flags...)
}

// setUp loads a gate on s, in place of its gate of that format.
func setUp(t testing.TB, s *knocktest.Server, rapport, format string, flags ...string) *knocktest.Script {
	t.Helper()
	knocktest.Need(t, "iptables-restore", "ip6tables-restore", "nft", "md5sum")
	script := s.NewScript(t)
	args := []string{"rules", "server", "--format", format, "--secret-path", script.SecretPath(), "--config", filepath.Join(t.TempDir(), "hosts.toml")}
	print := exec.Command(rapport, append(args, flags...)...)
	print.Env = append(os.Environ(), "RAPPORT_SECRET="+s.Secret.Reveal())
	text, err := print.Output()
	if err != nil {
		t.Fatal(err)
	}
	script.Install(t, string(text))
	script.SetClock(t, time.Now())
	script.Run(t, "setup")
	return script
}

// shakes sends a handshake from the server's client, and returns whether it opened.
func shakes(t *testing.T, s *knocktest.Server, rapport string) bool {
	t.Helper()
	cmd := exec.Command(rapport, "knock", s.Addr4.String(), "--config", os.DevNull)
	cmd.Env = append(os.Environ(), "RAPPORT_SECRET="+s.Secret.Reveal())
	return cmd.Run() == nil
}

// knocks sends SYNs to ports, one after the other. A busy machine takes a while to
// start bash; after a second a SYN would be repeated.
func knocks(t *testing.T, s *knocktest.Server, from *knocktest.Host, ports ...uint16) {
	t.Helper()
	for _, p := range ports {
		from.Run(t, "sh", "-c", fmt.Sprintf("timeout 0.5 bash -c '</dev/tcp/%v/%d' || :", s.Addr4, p))
	}
}

// threeGates makes servers with the article's rules, and with those of the two
// scripts. The article's has no script.
func threeGates(rapport string) map[string]func(*testing.T) (*knocktest.Server, *knocktest.Script) {
	return map[string]func(*testing.T) (*knocktest.Server, *knocktest.Script){
		"article": func(t *testing.T) (*knocktest.Server, *knocktest.Script) {
			awayFromHourChange()
			return knocktest.NewServer(t, knocktest.Options{}), nil
		},
		"iptables": func(t *testing.T) (*knocktest.Server, *knocktest.Script) { return scripted(t, rapport, "iptables") },
		"nft":      func(t *testing.T) (*knocktest.Server, *knocktest.Script) { return scripted(t, rapport, "nft") },
	}
}

// A handshake appears as its phases in order and the connection; half a handshake as
// stuck in its last phase. Nothing on the server has changed.
func TestWatchOnTheServer(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft")
	rapport := build(t)
	for name, newServer := range threeGates(rapport) {
		t.Run(name, func(t *testing.T) {
			if name == "iptables" {
				knocktest.Long(t)
			}
			t.Parallel()
			s, _ := newServer(t)
			ports := s.Ports(t, knock.HourOf(time.Now()))
			state := func() string {
				return s.Run(t, "sh", "-c", "(iptables-save; ip6tables-save) | grep ^-A; nft -s list ruleset; cat /proc/net/xt_recent/* || :")
			}
			half := knocktest.NewClient(t, s)
			w := watchOn(t, s, rapport)
			if g := w.seen[0].Gate; g.SSHPort != 22 || !slices.Equal(g.Families, []string{"4", "6"}) || !slices.Equal(g.Windows, []float64{5, 5, 5, 5, 5}) {
				t.Errorf("gate %+v", g)
			}
			for to, me := range map[netip.Addr]netip.Addr{s.Addr4: s.Client4, s.Addr6: s.Client6} {
				proxy := exec.Command(rapport, "proxy", to.String(), "22", "--config", os.DevNull)
				proxy.Env = append(os.Environ(), "RAPPORT_SECRET="+s.Secret.Reveal())
				hold, err := proxy.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := proxy.Start(); err != nil {
					t.Fatal(err)
				}
				in := w.of("in", me)
				hold.Close()
				_ = proxy.Process.Kill()
				_ = proxy.Wait() // was killed
				if got := w.phases(me); *in.Phase != 5 || !slices.Equal(got[:5], []int{1, 2, 3, 4, 5}) {
					t.Errorf("%v in from phase %d by %v", me, *in.Phase, got)
				}
			}
			knocks(t, s, half, ports[0])
			sent := time.Now()
			knocks(t, s, half, ports[1])
			entered := w.until("phase 2", func(e watched) bool { return e.Event == "phase" && e.Address == half.Addr4.String() && *e.Phase == 2 })
			if d := entered.Time.Sub(sent); d < -100*time.Millisecond || d > time.Second {
				t.Errorf("phase 2 entered %v after the knock was on its way", d)
			}
			stuck := w.of("stuck", half.Addr4)
			if *stuck.Phase != 2 {
				t.Errorf("stuck at %d", *stuck.Phase)
			}
			if d := stuck.Time.Sub(entered.Time) - 5*time.Second; d.Abs() > 100*time.Millisecond {
				t.Errorf("the window was over %v off", d)
			}
			before := state()
			time.Sleep(1200 * time.Millisecond) // a few looks, of every kind
			if after := state(); after != before {
				t.Errorf("the watch changes\n%s\nto\n%s", before, after)
			}
		})
	}
}

// Two addresses that are stuck because each has the other's knocks, and one whose
// connection uses another address than its knocks.
func TestWatchSeesSharedHandshakes(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft")
	rapport := build(t)
	for _, format := range []string{"iptables", "nft"} {
		t.Run(format, func(t *testing.T) {
			if format == "iptables" {
				knocktest.Long(t)
			}
			t.Parallel()
			seesShared(t, rapport, format)
		})
	}
}

func seesShared(t *testing.T, rapport, format string) {
	s, _ := scripted(t, rapport, format)
	a, b := knocktest.NewClient(t, s), knocktest.NewClient(t, s)
	ports := s.Ports(t, knock.HourOf(time.Now()))
	w := watchOn(t, s, rapport)
	if !w.seen[0].Gate.Counted {
		t.Error("the script's rule against other connections is not taken for one that counts")
	}
	knocks(t, s, a, ports[0])
	knocks(t, s, b, ports[0])
	shared := w.until("shared", func(e watched) bool { return e.Event == "shared" })
	if got := append(shared.Others, shared.Address); !slices.Contains(got, a.Addr4.String()) || !slices.Contains(got, b.Addr4.String()) {
		t.Errorf("shared: %+v", shared)
	}
	knocks(t, s, a, ports[:]...)
	w.until("the door is open", func(e watched) bool { return e.Event == "phase" && *e.Phase == 5 })
	b.Run(t, "sh", "-c", fmt.Sprintf("timeout 4 bash -c '</dev/tcp/%v/22' || :", s.Addr4))
	shared = w.until("shared", func(e watched) bool { return e.Event == "shared" })
	if shared.Address != a.Addr4.String() || *shared.Phase != 5 || len(shared.Others) != 0 {
		t.Errorf("shared: %+v", shared)
	}
}

// A one-shot gate leaves nothing on the lists, and short connections leave nothing
// in /proc.
func TestWatchSeesOneShots(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft")
	rapport := build(t)
	for name, flags := range map[string][]string{
		"nft":                   {"nft", "--one-shot"},
		"nft with a guard":      {"nft", "--one-shot", "--replay-guard=1"},
		"iptables with a guard": {"iptables", "--one-shot", "--replay-guard=1"},
	} {
		t.Run(name, func(t *testing.T) {
			if name != "nft with a guard" {
				knocktest.Long(t)
			}
			t.Parallel()
			s, _ := scripted(t, rapport, flags[0], flags[1:]...)
			w := watchOn(t, s, rapport)
			for range 4 {
				if !shakes(t, s, rapport) {
					t.Fatal("the gate does not open")
				}
				if in := w.of("in", s.Client4); *in.Phase != 5 {
					t.Errorf("in from phase %d", *in.Phase)
				}
			}
			last := knocktest.NewClient(t, s) // until it shows, all that was to come has come
			knocks(t, s, last, s.Ports(t, knock.HourOf(time.Now()))[0])
			w.of("phase", last.Addr4)
			entered := 0
			for _, p := range w.phases(s.Client4) {
				if p == 5 {
					entered++
				}
			}
			if entered != 4 {
				t.Errorf("%d handshakes in %+v", entered, w.seen)
			}
		})
	}
}

func TestWatchSeesARefusalByTheGuard(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft")
	rapport := build(t)
	for _, format := range []string{"iptables", "nft"} {
		t.Run(format, func(t *testing.T) {
			if format == "iptables" {
				knocktest.Long(t)
			}
			t.Parallel()
			s, _ := scripted(t, rapport, format, "--replay-guard=1")
			first, second := knocktest.NewClient(t, s), knocktest.NewClient(t, s)
			ports := s.Ports(t, knock.HourOf(time.Now()))
			w := watchOn(t, s, rapport)
			knocks(t, s, first, ports[:4]...) // and no further, while there is room
			stuck := w.of("stuck", first.Addr4)
			knocks(t, s, first, ports[:]...)
			w.until("the door is open", func(e watched) bool { return e.Event == "phase" && *e.Phase == 5 })
			knocks(t, s, second, ports[:]...)
			refused := w.of("refused", second.Addr4)
			if *stuck.Phase != 4 || *refused.Phase != 4 {
				t.Errorf("stuck at %d, refused after %d", *stuck.Phase, *refused.Phase)
			}
		})
	}
}

func TestWatchSeesThatNothingListens(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft")
	rapport := build(t)
	for _, format := range []string{"iptables", "nft"} {
		t.Run(format, func(t *testing.T) {
			if format == "iptables" {
				knocktest.Long(t)
			}
			t.Parallel()
			s := knocktest.NewServer(t, knocktest.Options{NoGate: true, NoSSHD: true})
			setUp(t, s, rapport, format)
			w := watchOn(t, s, rapport)
			if shakes(t, s, rapport) {
				t.Fatal("ssh answers")
			}
			w.of("ssh-down", s.Client4)
			for _, e := range w.seen {
				if e.Event == "in" || e.Event == "stuck" {
					t.Errorf("told as well: %+v", e)
				}
			}
		})
	}
}

// When the accept rule changes during a session, no event repeats, and none is wrong.
func TestWatchOutlivesAnotherAcceptRule(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft")
	rapport := build(t)
	// A window long enough to load another gate on a busy machine.
	s, _ := scripted(t, rapport, "iptables", "--window", "20")
	half := knocktest.NewClient(t, s)
	ports := s.Ports(t, knock.HourOf(time.Now()))
	w := watchOn(t, s, rapport)
	knocks(t, s, half, ports[:2]...)
	c := knocktest.NewClient(t, s)
	knocks(t, s, c, ports[:]...)
	w.until("the door is open", func(e watched) bool { return e.Event == "phase" && *e.Phase == 5 })
	setUp(t, s, rapport, "iptables", "--window", "20", "--one-shot")
	w.until("another gate", func(e watched) bool { return e.Event == "gate" })
	c.Run(t, "sh", "-c", fmt.Sprintf("timeout 1 bash -c '</dev/tcp/%v/22; sleep 0.8' || :", s.Addr4))
	if in := w.of("in", c.Addr4); *in.Phase != 5 {
		t.Errorf("in from phase %d", *in.Phase)
	}
	time.Sleep(21 * time.Second) // the window of whom is half through
	d := knocktest.NewClient(t, s)
	knocks(t, s, d, ports[0])
	w.of("phase", d.Addr4)
	for _, e := range w.seen {
		if e.Event == "stuck" || e.Event == "shared" {
			t.Errorf("accused: %+v", e)
		}
	}
	if got := w.phases(c.Addr4); !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
		t.Errorf("phases %v", got)
	}
}

// The watch goes on when rules are removed and loaded again.
func TestWatchOutlivesItsRules(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft")
	rapport := build(t)
	gates := threeGates(rapport)
	gates["guarded"] = func(t *testing.T) (*knocktest.Server, *knocktest.Script) {
		return scripted(t, rapport, "iptables", "--replay-guard=2") // with lists named after the hour
	}
	for name, newServer := range gates {
		t.Run(name, func(t *testing.T) {
			if name == "iptables" || name == "article" {
				knocktest.Long(t)
			}
			t.Parallel()
			s, script := newServer(t)
			now := time.Now()
			w := watchOn(t, s, rapport)
			enters := func(at time.Time) {
				t.Helper()
				c := knocktest.NewClient(t, s)
				knocks(t, s, c, s.Ports(t, knock.HourOf(at))[0])
				w.of("phase", c.Addr4)
			}
			enters(now)
			slow := false
			if script == nil {
				for range 5 {
					began := time.Now()
					s.Refresh(t, now.Add(time.Hour))
					// It removes rule by rule: for so long there is no gate.
					slow = slow || time.Since(began) > 200*time.Millisecond
				}
			} else {
				script.SetClock(t, now.Add(time.Hour))
				script.Run(t, "refresh")
			}
			enters(now.Add(time.Hour))
			time.Sleep(2 * time.Second) // until the rules were read, twice
			enters(now.Add(time.Hour))
			for _, e := range w.seen[1:] {
				if !slow && (e.Event == "gate" || e.Event == "lost") {
					t.Errorf("a refresh is taken for another gate: %+v", e)
				}
			}
			if script == nil {
				return
			}
			script.Run(t, "remove")
			w.until("the gate is gone", func(e watched) bool { return e.Event == "lost" })
			script.SetClock(t, now)
			script.Run(t, "setup")
			w.until("the gate is back", func(e watched) bool { return e.Event == "gate" })
			enters(now)
		})
	}
}

func TestWatchHasToBeOnAServer(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft", "timeout")
	rapport := build(t)
	gated := knocktest.NewServer(t, knocktest.Options{NoSSHD: true})
	bare := knocktest.NewServer(t, knocktest.Options{NoSSHD: true, NoGate: true})
	bare.Run(t, "sh", "-c", "for t in iptables ip6tables; do $t -F; $t -X; done; nft flush ruleset")
	open := knocktest.NewServer(t, knocktest.Options{NoSSHD: true, NoGate: true})
	for _, tt := range []struct {
		name   string
		server *knocktest.Server
		args   []string
		code   int
		said   string
	}{
		{"a signal ends it", gated, []string{"timeout", "--preserve-status", "1", rapport, "watch", "--json"}, 143, ""},
		{"no gate", open, []string{rapport, "watch", "--json"}, 1, "rapport: no gate in this machine's rules; rapport inspect says more\n"},
		{"no rules at all", bare, []string{rapport, "watch", "--json"}, 1, "rapport: no gate in this machine's rules; rapport inspect says more\n"},
		{"output closed", gated, []string{"bash", "-c", `timeout 20 "$0" watch --json | head -1 >/dev/null; exit "${PIPESTATUS[0]}"`, rapport}, 0, ""},
		{"no terminal", gated, []string{rapport, "watch"}, 2, "rapport: the screens need a terminal that can move its cursor; rapport watch --json prints the same without one\n"},
		{"arguments", gated, []string{rapport, "watch", "host"}, 2, "rapport: watch takes no HOST; run it on the server\n"},
		{"a flag for clients", gated, []string{rapport, "watch", "-4"}, 2, "rapport: watch takes no --ipv4: it finds the gate in this machine's rules\n"},
		{"no address", gated, []string{rapport, "watch", "--metrics", "nonsense"}, 2, "rapport: --metrics: \"nonsense\" is no address to listen on, such as :9464 or 192.0.2.1:9464\n"},
		{"a flag with a value", gated, []string{rapport, "watch", "--range", "1-100"}, 2, "rapport: watch takes no --range: it finds the gate in this machine's rules\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := tt.server.Command(t.Context(), tt.args[0], tt.args[1:]...)
			var said bytes.Buffer
			cmd.Stderr = &said
			_ = cmd.Run()
			if cmd.ProcessState.ExitCode() != tt.code || said.String() != tt.said {
				t.Errorf("exit %d, said %q", cmd.ProcessState.ExitCode(), &said)
			}
		})
	}
}

// The screen on a real terminal, during a real handshake.
func TestWatchInTmux(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "iptables-save", "ip6tables-save", "tmux")
	rapport := build(t)
	s := knocktest.NewServer(t, knocktest.Options{})
	cmd := s.Command(t.Context(), rapport, "watch")
	x := newTmux(t, "80", "24", strings.Join(cmd.Args, " ")+"; echo left with $?; sleep 60")
	x.until("iptables gate, SSH port 22", "waiting for the first knock")
	knocked := exec.Command(rapport, "knock", s.Addr4.String(), "--config", os.DevNull)
	knocked.Env = append(os.Environ(), "RAPPORT_SECRET="+s.Secret.Reveal())
	if out, err := knocked.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	x.until(s.Client4.String(), "got in", "handshakes    1   got in    1")
	x.keys("p")
	x.until("PAUSED", "p resume")
	x.keys("p", "?")
	x.until("passed that phase between two readings")
	x.keys("?")
	x.run("resize-window", "-x", "60", "-y", "16")
	x.until("got in", "q quit")
	x.keys("q")
	x.until("left with 0")
}
