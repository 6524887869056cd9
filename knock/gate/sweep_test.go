package gate_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// permutations returns all orders of 0 to n-1.
func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, o := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(o), at, n-1))
		}
	}
	return all
}

// withPorts is rules with other ports than the article's.
func withPorts(text string, ports [knock.Knocks]uint16) string {
	var pairs []string
	for k, p := range articlePorts {
		pairs = append(pairs, fmt.Sprint(p), fmt.Sprint(ports[k]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// A pass of ascending ports gains a phase, and one more for each port that is
// above the one before: as many passes as the sequence has descents, and one.
// Of all orders 1, 26, 66, 26 and 1 of 120 need 1 to 5 passes.
func TestSweepPasses(t *testing.T) {
	for _, name := range []string{"article.save", "native.nft"} {
		if name != "article.save" && !knocktest.RunsLong() {
			continue
		}
		text, counts := rules(t, name), map[int]int{}
		for _, o := range permutations(knock.Knocks) {
			ports, want := [knock.Knocks]uint16{}, 1
			for k := range ports {
				ports[k] = uint16(10100 + 170*o[k])
				if k > 0 && ports[k] < ports[k-1] {
					want++
				}
			}
			g, ok := readRules(t, withPorts(text, ports)).Gate()
			s := g.Sweep(knock.DefaultRange)
			if !ok || s.Passes != want || s.Guarded || s.Rate != 200 || s.SYNs != 1000*want || s.Time != time.Duration(want)*5*time.Second {
				t.Fatalf("%s, %v: %+v, want %d passes", name, ports, s, want)
			}
			counts[s.Passes]++
		}
		if fmt.Sprint(counts) != "map[1:1 2:26 3:66 4:26 5:1]" {
			t.Errorf("%s: %v", name, counts)
		}
	}
	g, _ := readRules(t, rules(t, "article.save")).Gate()
	if s := g.Sweep(knock.Range{}); s.Rate != 13107 || s.SYNs != 2*65535 {
		t.Errorf("the range is not known: %+v", s)
	}
}

// What a gate makes of wrong ports is found in rules of other people too, and
// told only where it is so.
func TestSweepProblems(t *testing.T) {
	save, nft, script := rules(t, "article.save"), rules(t, "native.nft"), rules(t, "refresh.sh")
	const call, jump = "-A INPUT -j portknocking\n", "ct state new jump knocks\n"
	const over = "10000:10999 -m recent --name SCAN --set"
	edit := func(text string, pairs ...string) string {
		t.Helper()
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(text, pairs[i]) {
				t.Fatalf("no %q to change", pairs[i])
			}
			text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
		}
		return text
	}
	hashlimit := func(rate, mode string) string {
		return edit(save, call, "-A INPUT -m recent --name SCAN --rcheck --seconds 60 -j DROP\n"+
			"-A INPUT -p tcp -m tcp --dport 10000:10999 -m hashlimit --hashlimit-above "+rate+" --hashlimit-burst 20 --hashlimit-mode "+mode+" --hashlimit-name scan -m recent --name SCAN --set -j DROP\n"+call)
	}
	meter := func(statement string) string {
		return edit(nft, jump, "ip saddr @scan drop\nip6 saddr @scan6 drop\ntcp dport 10000-10999 ct state new "+statement+" { ip saddr limit rate over 20/minute burst 20 packets } add @scan { ip saddr } drop\n"+
			"tcp dport 10000-10999 ct state new add @meter6 { ip6 saddr & ffff:ffff:ffff:: limit rate over 20/minute burst 20 packets } add @scan6 { ip6 saddr } drop\n"+jump,
			"\tset phase1_4", "\tset scan { type ipv4_addr; flags dynamic,timeout; timeout 60s; }\n\tset scan6 { type ipv6_addr; flags dynamic,timeout; timeout 60s; }\n\tset phase1_4")
	}
	for _, tt := range []struct {
		name  string
		text  string
		want  []string // of the codes that are about it
		guard int
	}{
		{"the article's", save, []string{"no-sweep-guard", "knocks-not-syn"}, 0},
		{"nft's", nft, []string{"no-sweep-guard", "knocks-not-syn"}, 0},
		{"a script that computes its ports", script, []string{"no-sweep-guard", "knocks-not-syn"}, 0},
		{"SYNs alone", edit(save, "--state NEW -j portknock_into", "--state NEW --syn -j portknock_into", "-m state --state NEW -m recent", "-m state --state NEW --syn -m recent"), []string{"no-sweep-guard"}, 0},
		{"SYNs alone in nft", edit(nft, jump, "tcp flags syn / fin,syn,rst,ack "+jump), []string{"no-sweep-guard"}, 0},
		{"others dropped before", edit(save, call, "-A INPUT -p tcp ! --syn -m state --state NEW -j DROP\n"+call), []string{"no-sweep-guard"}, 0},
		{"others dropped before in nft", edit(nft, jump, "tcp flags & (fin|syn|rst|ack) != syn ct state new drop\n"+jump), []string{"no-sweep-guard"}, 0},
		{"hashlimit and a list", hashlimit("20/min", "srcip"), []string{"knocks-not-syn"}, 20},
		{"a limit that a sweep stays below", hashlimit("500/sec", "srcip"), []string{"no-sweep-guard", "knocks-not-syn"}, 0},
		{"a limit for each port", hashlimit("20/min", "srcip,dstport"), []string{"no-sweep-guard", "knocks-not-syn"}, 0},
		{"a hit count", edit(save, call, "-A INPUT -p tcp -m tcp --dport "+over+"\n-A INPUT -m recent --name SCAN --rcheck --seconds 60 --hitcount 20 -j DROP\n"+call), []string{"knocks-not-syn"}, 20},
		{"a set of nft", meter("update @meter"), []string{"knocks-not-syn"}, 20},
		{"a meter of nft", meter("meter scans"), []string{"knocks-not-syn"}, 20},
		{"a wrong port takes the phases", edit(save, "COMMIT\n", "-A portknocking -m multiport ! --dports 10247,10363,10357,10858,10938 -j start_over\n"+
			"-A start_over -m recent --name PK_PHASE1 --remove\n-A start_over -m recent --name PK_PHASE2 --remove\n-A start_over -m recent --name PK_PHASE3 --remove\n-A start_over -m recent --name PK_PHASE4 --remove\nCOMMIT\n"),
			[]string{"strict-gate", "knocks-not-syn"}, 0},
		{"a gate that does not open", edit(save, call, ""), nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := readRules(t, tt.text)
			got := slices.DeleteFunc(codes(f.Problems(gate.Facts{SSHPort: 22, ListTotal: 10000})), func(c string) bool {
				return c != "no-sweep-guard" && c != "knocks-not-syn" && c != "strict-gate"
			})
			if g := f.Gates[0]; !slices.Equal(got, append([]string{}, tt.want...)) || g.SweepGuard != tt.guard || g.Strict != slices.Contains(tt.want, "strict-gate") {
				t.Errorf("problems %q, want %q; %+v", got, tt.want, g)
			}
		})
	}
}

// Gates that start over on a wrong or a repeated knock, in the styles in which
// they are described on the net, as a kernel has them: what inspect says is what
// packets do.
func TestStrictGates(t *testing.T) {
	knocktest.Long(t)
	knocktest.Need(t, "iptables-restore", "iptables-save", "nft", "bash", "timeout")
	for name, load := range map[string][]string{
		"article":            {"sh", "-c", "iptables -I INPUT 1 -p tcp ! --syn -m state --state NEW -j DROP; iptables -D INPUT -i lo -j ACCEPT 2>/dev/null; true"},
		"strict_chain.rules": {"iptables-restore"}, "strict_gates.rules": {"iptables-restore"}, "strict.nft": {"nft", "-f"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasSuffix(name, ".rules") {
				knocktest.Long(t)
			}
			t.Parallel()
			s := knocktest.NewServer(t, knocktest.Options{At: at, NoSSHD: true, NoGate: name != "article"})
			if name != "article" {
				path, err := filepath.Abs(filepath.Join("testdata", "rules", name))
				if err != nil {
					t.Fatal(err)
				}
				s.Run(t, "nft", "flush", "ruleset")
				s.Run(t, load[0], append(load[1:], path)...)
			} else {
				s.Run(t, load[0], load[1:]...)
			}
			text := s.Run(t, "iptables-save") + s.Run(t, "nft", "list", "ruleset")
			f := readRules(t, text)
			g, ok := f.Gate()
			if !ok || !slices.Equal(g.Ports, articlePorts) {
				t.Fatalf("%+v in\n%s", g, text)
			}
			got, sweep := codes(f.Problems(gate.Facts{SSHPort: 22})), g.Sweep(knock.DefaultRange)
			if strict := name != "article"; g.Strict != strict || sweep.Guarded != strict || slices.Contains(got, "no-sweep-guard") == strict || slices.Contains(got, "strict-gate") != strict {
				t.Errorf("strict %v, %+v, problems %q in\n%s", g.Strict, sweep, got, text)
			}
			open := func(ports ...uint16) bool {
				for _, p := range ports {
					s.Run(t, "bash", "-c", fmt.Sprintf("timeout 0.5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d' 2>/dev/null; true", p))
				}
				// Nothing listens: who is let through is refused at once.
				return strings.TrimSpace(s.Run(t, "bash", "-c", "timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/22' 2>/dev/null; echo $?")) != "124"
			}
			p := articlePorts
			if !open(p...) {
				t.Error("the handshake does not open")
			}
			time.Sleep(g.Windows[len(g.Windows)-1] + time.Second)
			if open(slices.Insert(slices.Clone(p), 2, 10500)...) == g.Strict {
				t.Errorf("strict %v, and with a wrong knock it is otherwise", g.Strict)
			}
			time.Sleep(g.Windows[len(g.Windows)-1] + time.Second)
			if open(slices.Insert(slices.Clone(p), 2, p[1])...) == g.Strict {
				t.Errorf("strict %v, and with a repeated knock it is otherwise", g.Strict)
			}
		})
	}
}

// A gate made with no secret is found without any, and with another one.
func TestInspectTheEmptySecret(t *testing.T) {
	const worst = "empty-secret"
	hour := solveHour.Add(-2)
	for _, tt := range []struct {
		name   string
		secret knock.Secret
		made   solve.Variant
		r      knock.Range
		want   bool
	}{
		{"no secret", knock.Secret{}, solve.AsGiven, knock.DefaultRange, true},
		{"another secret", knocktest.NewSecret(t, "f00b4r"), solve.AsGiven, knocktest.NewRange(t, 20000, 20499), true},
		{"no newline", knock.Secret{}, solve.NoNewline, knock.DefaultRange, true},
		{"a blank", knock.Secret{}, solve.BlankBefore, knock.DefaultRange, true},
		{"too few ports to tell", knock.Secret{}, solve.AsGiven, knocktest.NewRange(t, 7000, 7009), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ports := tt.made.Ports(hour, tt.r, knock.Secret{})
			p := solve.Query{Secret: tt.secret, Range: knock.DefaultRange, Hour: solveHour, Past: 3, Future: 3}
			i, err := gate.Inspect(context.Background(), readRules(t, withPorts(rules(t, "article.save"), ports)), p, gate.Facts{})
			if err != nil || (len(i.Problems) > 0 && i.Problems[0].Code == worst && i.Problems[0].Severity == gate.SeverityError) != tt.want || i.OtherSecret() {
				t.Fatalf("%+v, %v", i.Problems, err)
			}
			if tt.want && (i.Empty.Hour != hour || i.Empty.Range != tt.r || i.Range() != tt.r) {
				t.Errorf("%+v", i.Empty)
			}
			p.Ports = ports
			if i, err := gate.InspectPorts(context.Background(), p); err != nil || slices.Contains(codes(i.Problems), worst) != tt.want {
				t.Errorf("ports: %+v, %v", i.Problems, err)
			}
		})
	}
	for _, s := range []knock.Secret{{}, knocktest.NewSecret(t, "f00b4r"), knocktest.NewSecret(t, "other")} {
		p := solve.Query{Secret: s, Range: knock.DefaultRange, Hour: solveHour, Past: 3, Future: 3}
		if i, err := gate.Inspect(context.Background(), readRules(t, rules(t, "article.save")), p, gate.Facts{}); err != nil || i.Empty != nil {
			t.Errorf("the article's: %+v, %v", i.Empty, err)
		}
	}
}

// No sweep guard helps a narrow range: the fix is a wider one.
func TestSweepOfANarrowRange(t *testing.T) {
	for _, tt := range []struct {
		bottom, top int
		fix         string
	}{
		{10000, 10999, "load the script of rapport rules HOST"},
		{10000, 10049, "take a wider range"},
	} {
		facts := gate.Facts{Candidate: &solve.Candidate{Range: knocktest.NewRange(t, tt.bottom, tt.top), Variant: solve.AsGiven}}
		found := false
		for _, p := range readRules(t, rules(t, "article.save")).Problems(facts) {
			found = found || p.Code == "no-sweep-guard" && strings.HasPrefix(p.Fix, tt.fix)
		}
		if !found {
			t.Errorf("%d-%d: no fix that starts %q", tt.bottom, tt.top, tt.fix)
		}
	}
}
