package script_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// programs are what the scripts run. Those that change something are the ones
// between which a script can leave different things behind.
var (
	readers  = []string{"awk", "cat", "cmp", "cut", "date", "grep", "id", "ls", "md5sum", "od", "paste", "sed", "sort", "wc", "iptables", "ip6tables", "iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save"}
	changers = []string{"cp", "flock", "iptables-restore", "ip6tables-restore", "mkdir", "mv", "nft", "rm", "sleep"}
)

// shimmed is the knocktest.Patience with an action of which each program is three.
const shimmed = 2 * time.Minute

// mortal runs a script that is killed before its n-th program.
type mortal struct {
	*gated
	other string // the gate of another range, loaded
}

// shims writes, for each program, one that counts, and kills the script where
// its number has come. The sleeper of setup --confirm sleeps until told.
func (m *mortal) shims() {
	for _, name := range append(readers, changers...) {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if name == "date" {
			path = filepath.Join(m.Dir, "bin/date")
		}
		run := `exec ` + path + ` "$@"`
		if name == "sleep" {
			run = `while [ ! -e wake ]; do /bin/sleep 0.02; done`
		}
		m.write("kill/"+name, `#!/bin/sh
cd `+m.Dir+`/kill
read -r pid 2>/dev/null <pid
if kill -0 "$pid" 2>/dev/null; then
	echo "`+name+` $1" >>count
	if [ "$(/usr/bin/wc -l <count)" -ge "$(/bin/cat number)" ]; then
		kill -9 "$pid"
		[ `+name+` = sleep ] || exit 1
	fi
fi
`+run+"\n", 0o700)
	}
	m.write("kill/pid", "999999\n", 0o600)
	m.write("kill/run", "#!/bin/sh\ncd "+m.Dir+"/kill\necho $$ >pid\nexec sh ../gate \"$@\"\n", 0o700)
}

// print writes the script with the shims in front of its programs.
func (m *mortal) print() {
	m.t.Helper()
	m.gated.print()
	text, err := os.ReadFile(filepath.Join(m.Dir, "gate"))
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("gate", strings.Replace(string(text), "\nPATH=", "\nPATH="+m.Dir+"/kill:", 1), 0o700)
}

// run runs an action that is killed before program number n, and returns what it
// has run. killed is false when it ran to its end.
func (m *mortal) run(n int, action ...string) (ran []string, killed bool) {
	m.t.Helper()
	m.write("kill/count", "", 0o600)
	m.write("kill/number", strconv.Itoa(n), 0o600)
	ctx, cancel := context.WithTimeout(m.t.Context(), shimmed)
	defer cancel()
	cmd := m.Server.Command(ctx, m.Dir+"/kill/run", action...)
	err := cmd.Run()
	b, readErr := os.ReadFile(filepath.Join(m.Dir, "kill/count"))
	if readErr != nil {
		m.t.Fatal(readErr)
	}
	ran = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if err != nil && len(ran) < n {
		m.t.Fatalf("%v fails by itself: %v; it ran %v", action, err, ran)
	}
	return ran, len(ran) >= n
}

// settle lets the time to confirm be over, and waits until nothing waits.
func (m *mortal) settle() {
	m.t.Helper()
	m.write("kill/wake", "", 0o600)
	for deadline := time.Now().Add(shimmed); len(waiting(m)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("after %v it still waits to be confirmed", shimmed)
		}
	}
}

// story is an action that is killed, and what must come of it.
type story struct {
	name   string
	before func(m *mortal)
	action []string
	shut   bool // ssh is shut all the while
	after  func(m *mortal, was, want string) bool
}

var stories = []story{
	{"setup on nothing", func(m *mortal) { m.gated.run("remove") }, []string{"setup", "--confirm", "60"}, false,
		func(m *mortal, was, _ string) bool { m.settle(); return m.loaded() == was }},
	{"setup on a gate", (*mortal).older, []string{"setup", "--confirm", "60"}, true,
		func(m *mortal, was, _ string) bool { m.settle(); return m.loaded() == was }},
	{"setup for good", (*mortal).older, []string{"setup"}, true,
		func(m *mortal, _, want string) bool { m.gated.run("setup"); return m.loaded() == want }},
	{"refresh", func(m *mortal) { m.gated.run("setup"); m.setClock(at.Add(time.Hour)) }, []string{"refresh"}, true,
		func(m *mortal, _, want string) bool { m.gated.run("refresh"); return m.loaded() == want }},
	{"confirm", func(m *mortal) { m.older(); m.run(1<<20, "setup", "--confirm", "60") }, []string{"confirm"}, true,
		func(m *mortal, was, _ string) bool {
			confirmed := len(waiting(m)) == 0
			m.settle()
			return m.loaded() == was || !confirmed && m.loaded() == m.other
		}},
	{"remove", func(m *mortal) { m.gated.run("setup") }, []string{"remove"}, false,
		func(m *mortal, _, want string) bool { m.gated.run("remove"); return m.loaded() == want }},
}

func waiting(m *mortal) []string {
	waits, _ := filepath.Glob(m.Dir + "/run/rapport-gate/*.undo.id")
	return waits
}

// older loads a gate with another range, and writes the script of the usual one.
func (m *mortal) older() {
	usual := m.rules.Range
	m.rules.Range = knocktest.NewRange(m.t, 30000, 30099)
	m.print()
	m.gated.run("setup")
	m.other = m.loaded()
	m.rules.Range = usual
	m.print()
}

// begin prepares a story.
func (m *mortal) begin(s story) (was string) {
	m.setClock(at)
	_ = os.Remove(filepath.Join(m.Dir, "kill/wake"))
	s.before(m)
	return m.loaded()
}

// intruder counts connections to SSH without a knock, until stop.
func (g *gated) intruder() (stop func() int) {
	done := make(chan struct{})
	counts := make(chan int)
	for _, addr := range g.addresses() {
		p := g.from(addr)
		go func() {
			n := 0
			for {
				select {
				case <-done:
					counts <- n
					return
				default:
				}
				if c, err := p.dial(g.SSHPort, 20*time.Millisecond); err == nil {
					c.Close()
					n++
				}
			}
		}()
	}
	return sync.OnceValue(func() int { close(done); return <-counts + <-counts })
}

// Killed before any of its programs, a script leaves no gate open, and nobody
// locked out for longer than --confirm says. One kill between two programs that
// change something stands for all there; RAPPORT_KILLS=all kills before each.
func TestRulesSurviveKills(t *testing.T) {
	knocktest.Long(t)
	for _, s := range stories {
		killed(t, s, func(m *mortal, tell func(string, bool)) {
			was := m.begin(s)
			programs, _ := m.run(1<<20, s.action...)
			want := m.loaded()
			if !s.after(m, was, want) {
				tell("to its end", false)
			}
			var points []int
			for i, p := range programs {
				name, _, _ := strings.Cut(p, " ")
				if os.Getenv("RAPPORT_KILLS") == "all" || changes(name, p) {
					points = append(points, i+1)
				}
			}
			t.Logf("%s: %d kills, of %d programs", t.Name(), len(points), len(programs))
			for _, n := range points {
				was := m.begin(s)
				stop := func() int { return 0 }
				if s.shut {
					stop = m.intruder()
				}
				m.run(n, s.action...)
				ok := s.after(m, was, want)
				tell(fmt.Sprintf("killed before program %d, %s", n, programs[n-1]), ok && stop() == 0)
			}
		})
	}
}

// The same at random moments: RAPPORT_KILLS is how many for each story.
func TestRulesSurviveRandomKills(t *testing.T) {
	knocktest.Long(t)
	kills, err := strconv.Atoi(os.Getenv("RAPPORT_KILLS"))
	if err != nil {
		kills = 1
	}
	for _, s := range stories {
		killed(t, s, func(m *mortal, tell func(string, bool)) {
			m.begin(s)
			began := time.Now()
			m.run(1<<20, s.action...)
			took := time.Since(began)
			want := m.loaded()
			s.after(m, "", want)
			for range kills {
				was := m.begin(s)
				stop := func() int { return 0 }
				if s.shut {
					stop = m.intruder()
				}
				wait := rand.N(took)
				m.killAfter(wait, s.action...)
				ok := s.after(m, was, want)
				tell(fmt.Sprintf("killed after %v of %v", wait, took), ok && stop() == 0)
			}
		})
	}
}

// killAfter runs an action and kills it after a while.
func (m *mortal) killAfter(wait time.Duration, action ...string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), shimmed)
	defer cancel()
	m.write("kill/number", strconv.Itoa(1<<20), 0o600)
	cmd := m.Server.Command(ctx, m.Dir+"/kill/run", action...)
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	time.Sleep(wait)
	m.Server.Run(m.t, "sh", "-c", "kill -9 $(cat "+m.Dir+"/kill/pid) 2>/dev/null || :")
	_ = cmd.Wait() // was killed
}

// changes reports whether a program that was run changes anything.
func changes(name, call string) bool {
	for _, c := range changers {
		if name == c {
			return name != "nft" || call == "nft -f"
		}
	}
	return false
}

// killed runs a story's test for both formats.
func killed(t *testing.T, s story, test func(m *mortal, tell func(why string, ok bool))) {
	t.Run(s.name, func(t *testing.T) {
		t.Parallel()
		both(t, func(r *script.Rules) { r.Range = knocktest.NewRange(t, 10000, 10099) }, func(t *testing.T, g *gated) {
			m := &mortal{gated: g}
			m.shims()
			m.print()
			test(m, func(why string, ok bool) {
				if !ok {
					t.Errorf("%s:\n%s", why, g.loaded())
				}
			})
		})
	})
}
