package trace_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/gate/trace"
	"rapport/knock/knocktest"
)

// rightly returns what an observer saw of a client that knocks the article's sequence at
// its hour, connects to SSH, and gets the answer.
func rightly(t *testing.T, from, to string, answer arrivals.Kind) arrivals.Client {
	t.Helper()
	track := arrivals.NewTracker(arrivals.Query{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, Reach: 2}, arrivals.Gate{Range: knock.DefaultRange, SSHPort: 22, Window: 5 * time.Second})
	src, dst := netip.MustParseAddr(from), netip.MustParseAddr(to)
	for i, port := range append(articlePorts[:5:5], 22) {
		p := arrivals.Packet{Src: netip.AddrPortFrom(src, uint16(40000+i)), Dst: netip.AddrPortFrom(dst, port), Seq: uint32(i), Arrived: at.Add(time.Duration(i) * 20 * time.Millisecond)}
		track.Add(p)
		if port == 22 && answer != arrivals.SYN {
			p.Kind, p.By, p.Sent, p.Arrived = answer, dst, p.Arrived, time.Time{}
			track.Add(p)
		}
	}
	all := track.Flush()
	if len(all) != 1 || all[0].Phase != knock.Knocks {
		t.Fatalf("%+v", all)
	}
	return all[0]
}

// sixth makes the article's gate one of six knocks.
const sixth = "-A portknocking -p tcp -m tcp --dport 10111 -m recent --rcheck --seconds 5 --name PK_PHASE5 --rsource -m recent --set --name PK_PHASE6 --rsource\n"

// TestExplain: of a client that knocked rightly the rules say which of them stopped what, or
// what the gate wants instead; those that let it in leave what was found as it is.
func TestExplain(t *testing.T) {
	save := rules(t, "article.save")
	const me, server = "192.0.2.9", "192.0.2.1"
	const call = "-A INPUT -j portknocking\n"
	before := func(rule string) string { return strings.Replace(save, call, rule+"\n"+call, 1) }
	swap := strings.NewReplacer("10363", "10357", "10357", "10363").Replace(save)
	six := strings.Replace(strings.Replace(save, "--name PK_PHASE5 --mask 255.255.255.255 --rsource -m state --state NEW -m tcp --dport 22", "--name PK_PHASE6 --mask 255.255.255.255 --rsource -m state --state NEW -m tcp --dport 22", 1), "COMMIT", sixth+"COMMIT", 1)
	output := strings.Replace(save, "COMMIT", "-A OUTPUT -p tcp -m tcp --sport 22 -j DROP\nCOMMIT", 1)
	for _, tt := range []struct {
		name, text, from, to string
		answer               arrivals.Kind
		code                 arrivals.Code
		summary, fix         string // parts of them
	}{
		{"a ban", before("-A INPUT -s 192.0.2.9/32 -j DROP"), me, server, arrivals.SYN, arrivals.RuleStops,
			"the server's rules drop all five knocks (rule 3 of chain INPUT): -A INPUT -s 192.0.2.9/32 -j DROP", "lift the ban"},
		{"a ban of another", before("-A INPUT -s 192.0.2.8/32 -j DROP"), me, server, arrivals.SYN, arrivals.Unanswered,
			"the server's rules as they stand let it in", "look for what remembers it"},
		{"high ports", before("-A INPUT -p tcp -m tcp --dport 1024:65535 -j DROP"), me, server, arrivals.SYN, arrivals.RuleStops, "drop all five knocks (rule 3 of chain INPUT)", "stand before that rule"},
		{"one knock", before("-A INPUT -p tcp -m tcp --dport 10357 -j REJECT"), me, server, arrivals.SYN, arrivals.RuleStops, "reject the 3rd knock (rule 3", "stand before that rule"},
		{"a service", before("-A INPUT -p tcp -m tcp --dport 10357 -j ACCEPT"), me, server, arrivals.SYN, arrivals.RuleStops, "accept the 3rd knock before the gate sees it", "stand before that rule"},
		{"a knock that the gate's rule does not take", strings.Replace(save, "--dport 10357 -m state", "--dport 10357 -s 198.51.100.0/24 -m state", 1), "84.23.151.77", server, arrivals.SYN, arrivals.RuleStops,
			"the gate's rule for the 3rd knock does not match: ", "look at that rule"},
		{"SSH", before("-A INPUT -p tcp -m tcp --dport 22 -j REJECT"), me, server, arrivals.Refused, arrivals.RuleStops, "reject SSH (rule 3", "stand before that rule"},
		{"answers", output, me, server, arrivals.SYN, arrivals.RuleStops, "drop sshd's answer (rule 1 of chain OUTPUT)", "answers of sshd"},
		{"order", swap, me, server, arrivals.SYN, arrivals.GateDiffers, "the gate wants the knocks in the order 1 3 2 4 5", "rapport rules HOST"},
		{"two other ports", strings.NewReplacer("10363", "10364", "10357", "10358").Replace(save), me, server, arrivals.SYN, arrivals.GateDiffers, "the gate wants 2 other ports, of another hour, range or secret", "rapport inspect RULES HOST"},
		{"six knocks", six, me, server, arrivals.SYN, arrivals.GateDiffers, "the gate wants 6 knocks", "rapport rules HOST"},
		{"UDP", strings.ReplaceAll(save, "-p tcp -m tcp --dport 10", "-p udp -m udp --dport 10"), me, server, arrivals.SYN, arrivals.GateDiffers, "the gate wants UDP packets", "rapport rules HOST"},
		{"family", save, "2001:db8::9", "2001:db8::1", arrivals.SYN, arrivals.GateDiffers, "the gate wants IPv4: it has no rules for the other family", "rapport ssh -4 HOST"},
		{"SSH port", strings.Replace(save, "--dport 22 ", "--dport 2222 ", 1), me, server, arrivals.SYN, arrivals.SSHPort, "port 22 was tried; SSH is behind port 2222", "--ssh-port 2222"},
		{"a set that is not shown", before("-A INPUT -m set --match-set ban src -j DROP"), me, server, arrivals.SYN, arrivals.RuleStops, "perhaps for a rule whose outcome is not known", "look at that rule"},
		{"nothing listens", save, me, server, arrivals.Refused, arrivals.SSHRefused, "SSH was refused; the server's rules let it in", "start sshd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := rightly(t, tt.from, tt.to, tt.answer)
			if !c.Barred() {
				t.Fatalf("it is not barred: %s", c.Line())
			}
			if !trace.Explain(readRules(t, tt.text), &c) {
				t.Fatal("nothing is found")
			}
			if k := c.Findings[0].Knocks; len(k) > 0 && c.Reached != k[0]-1 {
				t.Errorf("it reached phase %d", c.Reached)
			}
			if len(c.Findings) != 1 || c.Findings[0].Code != tt.code || !strings.Contains(c.Summary(), tt.summary) || !strings.Contains(c.Findings[0].Fix(), tt.fix) {
				t.Errorf("%s, want %s", c.Line(), tt.summary)
			}
			knocktest.Printable(t, c.Line())
			masked, err := json.Marshal(c.Masked())
			for _, p := range articlePorts {
				if err != nil || strings.Contains(string(masked), fmt.Sprint(p)) {
					t.Errorf("masked: %v, port %d: %s", err, p, masked)
				}
			}
		})
	}
	got := rightly(t, me, server, arrivals.Accepted)
	full := rightly(t, me, server, arrivals.SYN)
	trace.Explain(readRules(t, save), &full)
	if full.RecordWaits(129); !strings.Contains(full.Line(), "the server's rules as they stand let it in; 129 connections wait for sshd; fix: on the server, restart sshd") {
		t.Errorf("sshd's queue is full: %s", full.Line())
	}
	if trace.Explain(readRules(t, save), &got) {
		t.Errorf("who got in is explained: %s", got.Line())
	}
}
