package diag_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/gate"
	"rapport/knock/knocktest"
	"rapport/knock/pcap"
)

// seen says what captures tell of a row.
type seen struct {
	codes []arrivals.Code // one of them is found; gotIn is none, and the client got in
	both  bool            // it takes the client's capture too
	// rules says that it takes the server's rules too.
	rules bool
}

const gotIn arrivals.Code = "in"

// seenFromTheServer is the true cause of each row of the matrix that the doctor, who has the
// client's side alone, may leave unexplained. Of these, SYNs at the server do not show what
// answers on the way, and that SSH comes from another network, for which it takes both sides;
// nor what a rule or another gate does with a client that knocks rightly, for which pcap has
// the server's rules, and watch --clients reads them; nor what an sshd says that accepts
// connections.
func seenFromTheServer() map[string]seen {
	found := func(codes ...arrivals.Code) seen { return seen{codes: codes} }
	both := func(codes ...arrivals.Code) seen { return seen{codes: codes, both: true} }
	rule, differs := seen{codes: []arrivals.Code{arrivals.RuleStops}, rules: true}, seen{codes: []arrivals.Code{arrivals.GateDiffers}, rules: true}
	secret, moves, lost := found(arrivals.NoCandidate), found(arrivals.AddressChanges), both(arrivals.KnockLost)
	ahead, held := found(arrivals.HourAhead), both(arrivals.SSHLost)
	return map[string]seen{
		"NAT by connection, two addresses":                                                                moves,
		"NAT by connection, four addresses, IPv6":                                                         moves,
		"NAT by connection, 3 h behind":                                                                   both(arrivals.AddressChanges),
		"NAT by connection, the rules are given":                                                          moves,
		"NAT by port, a half of the range":                                                                moves,
		"NAT by port, SSH, at a gate that rejects":                                                        both(arrivals.AddressChanges),
		"NAT by port, SSH, the rules are given":                                                           both(arrivals.AddressChanges),
		"SSH leaves by another address":                                                                   both(arrivals.AddressChanges),
		"a tarpit on 22 in front of a gate":                                                               held,
		"a tarpit on 22 in front of a gate, IPv6":                                                         held,
		"a router rejects SSH alone":                                                                      held,
		"a firewall here drops SSH":                                                                       found(arrivals.NoSSH),
		"a firewall here drops the knocks":                                                                found(arrivals.NoKnocks),
		"a router drops the knocks":                                                                       lost,
		"a home router forwards SSH alone":                                                                lost,
		"a home router forwards SSH alone, the rules are given":                                           lost,
		"a proxy accepts one knock":                                                                       lost,
		"another secret":                                                                                  secret,
		"another secret, the rules are given":                                                             secret,
		"another secret, the rules are given, and sshd is stopped":                                        secret,
		"another secret, the rules are given and open as they say":                                        secret,
		"another secret and another SSH port, the rules are given and open as they say":                   secret,
		"rules of yesterday are given, and the secret is another one now":                                 secret,
		"rules of another server are given, and a router drops the knocks":                                lost,
		"rules with another range are given, and a router drops the knocks":                               lost,
		"the rules are given, 3 h behind, and a router drops the knocks":                                  both(arrivals.KnockLost, arrivals.HourAhead),
		"the rules are given, with a replay guard that has room, and a router drops the knocks":           lost,
		"rules of another server with the same secret are given, another secret":                          secret,
		"another secret, 300 ms":                                                                          secret,
		"another secret, 1500 ms":                                                                         secret,
		"another secret, 4 s, IPv6":                                                                       secret,
		"another secret, the rules are given, IPv6":                                                       secret,
		"3 h behind, 2 s":                                                                                 ahead,
		"3 h behind, 4 s":                                                                                 ahead,
		"3 h behind, 8 s, 200 ms away":                                                                    ahead,
		"top port one less, 5 s, at the gate of rapport rules":                                            found(arrivals.RangeDiffers),
		"nothing, and 40 % of the packets are lost":                                                       found(gotIn, arrivals.KnockMissing, arrivals.SSHSilent),
		"nothing, and 40 % of the packets are lost, at a gate that rejects":                               found(gotIn, arrivals.KnockMissing, arrivals.SSHSilent),
		"a ban after 7 SYNs":                                                                              found(gotIn),
		"a ban after 10 SYNs, 1 h behind":                                                                 ahead,
		"a ban after 15 SYNs, 1 h behind, a web server":                                                   ahead,
		"nothing, 300 ms":                                                                                 found(gotIn),
		"sshd is stuck, 4 s":                                                                              found(arrivals.SSHSilent),
		"no gate, 4 s":                                                                                    found(gotIn),
		"clock 2 h ahead (http), and a range nobody thought of":                                           found(arrivals.RangeDiffers),
		"refresh 30 h ago (http)":                                                                         secret,
		"the guard is used up (nft)":                                                                      found(arrivals.Unanswered),
		"sshd is stopped, SSH alone is reset":                                                             found(arrivals.SSHRefused),
		"a range nobody thought of":                                                                       found(arrivals.RangeDiffers),
		"another SSH port":                                                                                found(arrivals.SSHPort),
		"another SSH port is set here":                                                                    found(arrivals.SSHPort),
		"another SSH port is set here, at a gate that rejects":                                            found(arrivals.SSHPort),
		"a tarpit on 22 in front of a gate, 3 h behind":                                                   both(arrivals.HourAhead),
		"the gate is for another interface, the rules are given":                                          {codes: []arrivals.Code{arrivals.Unanswered}, rules: true},
		"the gate is for another interface, the rules are given, IPv6, that rejects":                      found(arrivals.SSHRefused),
		"the rules filter private networks, and the knocks get lost behind NAT":                           lost,
		"the rules are given, and a router drops the knocks":                                              lost,
		"a router resets all high ports, and nothing else answers":                                        lost,
		"a router drops one knock, at a gate that rejects":                                                found(arrivals.KnockMissing),
		"three unanswered connections on the way, for long":                                               found(arrivals.KnockMissing),
		"a service in front of the gate takes a knock":                                                    rule,
		"a rule in front of the gate refuses a knock":                                                     rule,
		"a rule in front of the gate rejects a knock, IPv6":                                               rule,
		"this client is banned with a rejection":                                                          rule,
		"this client is banned from SSH with a rejection":                                                 rule,
		"sshd is stopped, at a gate that rejects, and the first SYN to SSH is lost":                       found(arrivals.SSHRefused),
		"sshd is stopped, IPv6, at a gate that resets":                                                    found(arrivals.SSHRefused),
		"SSH is forwarded to a host that is gone":                                                         found(arrivals.Unanswered, arrivals.SSHRefused),
		"1 h ahead, no clock, future not asked for":                                                       found(arrivals.HourBehind),
		"this machine 2 h ahead (ntp elsewhere), another secret":                                          secret,
		"the guard is used up (iptables), top port one less, the rules are given":                         found(arrivals.RangeDiffers),
		"rules of UTC+1, a right clock (http), future not asked for":                                      found(arrivals.HourBehind),
		"rules of UTC+1, a right clock (ntp), future not asked for":                                       found(arrivals.HourBehind),
		"rules of UTC+2, a right clock (http), future not asked for, at a gate that rejects":              found(arrivals.HourBehind),
		"another user behind the same NAT keeps it open, and the secret is wrong here":                    found(arrivals.NoCandidate, arrivals.Mixed),
		"another secret, 10 s, at a gate that rejects":                                                    secret,
		"another secret, IPv6, at a gate that rejects":                                                    secret,
		"another secret, at the gate of rapport rules":                                                    secret,
		"fail2ban bans another address, the rules are given, another secret is set here":                  secret,
		"fail2ban bans the NAT, the rules are given":                                                      rule,
		"a gap of 3 s is set here, 3 h behind":                                                            ahead,
		"an ipset bans this address, the rules alone are given":                                           rule,
		"a recent list bans this address, the rules are given":                                            {codes: []arrivals.Code{arrivals.Unanswered}, rules: true},
		"a strict gate, another secret":                                                                   secret,
		"strict is left over, another secret":                                                             secret,
		"a gap of 90 ms is left over, another secret":                                                     secret,
		"a sweep guard of 500 is left over, another secret, at the gate of rapport rules":                 secret,
		"strict, a gap of 500 ms and a sweep guard of 10 are left over, 3 h behind":                       ahead,
		"4 connections to SSH a minute, others are dropped, 1 h behind":                                   ahead,
		"6 connections to SSH a minute, others are dropped, 1 h behind":                                   ahead,
		"10 connections to SSH a minute, others are dropped, 1 h behind":                                  ahead,
		"another secret, and 20 % of the packets are lost":                                                secret,
		"another secret and another SSH port, the rules are given":                                        secret,
		"a ban after 30 SYNs, another secret, a web server":                                               secret,
		"a ban after 30 SYNs, another secret, a web server, IPv6":                                         secret,
		"a ban after 30 SYNs, another secret, nothing else answers":                                       secret,
		"2 SYNs a second at the server, a window of 12 s that is not known, behind a router":              rule,
		"a ban from SSH that rejects after 12 SYNs, another secret":                                       secret,
		"20 connections to SSH a minute, others are dropped, 1 h behind":                                  ahead,
		"6 connections to SSH a minute, others are dropped, 3 h behind":                                   ahead,
		"a SYN proxy on the way, 3 h behind":                                                              ahead,
		"another range is set here, 3 h behind":                                                           found(arrivals.RangeDiffers),
		"the gap that a limit needs is set here, 3 h behind":                                              ahead,
		"a gate of six knocks":                                                                            differs,
		"a gate of six knocks, IPv6, that rejects":                                                        differs,
		"phases two and three are swapped":                                                                differs,
		"phases two and three are swapped, at a gate that rejects":                                        differs,
		"the phases are reversed":                                                                         differs,
		"a gate for UDP":                                                                                  differs,
		"a rule in front of the gate drops high ports":                                                    rule,
		"this client is banned in silence":                                                                rule,
		"only IPv6 is known, and the gate is for IPv4 alone":                                              differs,
		"rules for IPv4 alone are given, and the gate for IPv6 is shut":                                   differs,
		"another user behind the same NAT knocks every 7 s, and the secret is wrong here":                 found(arrivals.NoCandidate, arrivals.Mixed),
		"another user behind the same NAT knocks every 9 s, and a wrong skew is set here":                 found(arrivals.HourAhead, arrivals.Mixed),
		"another user behind the same NAT knocks during the slow handshake, and the secret is wrong here": secret,
		"another user behind the same NAT knocks between two attempts, and the secret is wrong here":      secret,
		"1 h behind, and 20 % of the packets are lost":                                                    ahead,
		"3 h behind, and 10 % of the packets are lost, IPv6":                                              ahead,
		"3 h behind, and 20 % of the packets are lost, at a gate that rejects":                            ahead,
		"3 h behind, and packets overtake each other":                                                     ahead,
		"top port one less, and 20 % of the packets are lost":                                             found(arrivals.RangeDiffers),
		"the secret lacks its newline, and 10 % of the packets are lost":                                  differs,
		"range 10000-20000, and 10 % of the packets are lost":                                             found(arrivals.RangeDiffers),
	}
}

// TestUnexplainedIsSeenFromTheServer: what the doctor may leave unexplained has a name on
// the server's side.
func TestUnexplainedIsSeenFromTheServer(t *testing.T) {
	knocktest.Long(t)
	knocktest.Need(t, "tcpdump", "setpriv", "iptables-save", "ip6tables-save")
	told := seenFromTheServer()
	for _, f := range matrix(t) {
		if !slices.Contains(f.expects(), diag.Unexplained) {
			continue
		}
		want, known := told[f.name]
		if delete(told, f.name); !known {
			t.Errorf("nothing is said of %q", f.name)
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.observe(t, want)
		})
	}
	for name := range told {
		t.Errorf("the doctor explains %q, or there is no such row", name)
	}
}

// observe makes one handshake, and reads what captures of it tell.
func (f fault) observe(t *testing.T, want seen) {
	s, p := f.prepare(t)
	secret, err := knock.ParseSecret(p.secret)
	if err != nil {
		t.Fatal(err)
	}
	target := p.host.Target()
	target.Secret = secret
	addr, err := p.doctor.Client.Resolve(t.Context(), p.host.Lookup(), p.host.Family)
	if err != nil {
		t.Fatal(err)
	}
	target.Addr = netip.AddrPortFrom(addr, target.Addr.Port())
	if strings.HasPrefix(f.name, "another user") {
		knock.Wait(t.Context(), 9500*time.Millisecond) // until that one has knocked
	}
	began := time.Now()
	dir := t.TempDir()
	record := func(side pcap.Side, filter string) []string {
		return []string{"tcpdump", "--immediate-mode", "-Z", "root", "-i", "any", "-s", "160", "-U", "-w", filepath.Join(dir, string(side)), filter + "(tcp or icmp or icmp6)"}
	}
	// The client's namespace is that of other tests too. The end of its parent ends the
	// server's tcpdump, no signal to that does.
	there, here := record(pcap.Server, ""), record(pcap.Client, fmt.Sprintf("(host %v or host %v or host %v) and ", s.Addr4, s.Addr6, addr))
	ends := []func(){dump(t, s.Command(t.Context(), "setpriv", append([]string{"--pdeathsig", "TERM"}, there...)...)), dump(t, exec.Command(here[0], here[1:]...))}
	o := knock.Options{Gaps: []time.Duration{time.Millisecond}}
	if f.server.Path.Loss > 0 {
		o.Gaps = slices.Repeat(o.Gaps, 3)
	}
	if _, err := p.doctor.Client.Knock(t.Context(), target, o, nil); err != nil {
		t.Log(err)
	}
	for _, end := range ends {
		end()
	}
	server := pcap.Options{Side: pcap.Server, Target: knock.Target{Secret: s.Secret, Range: s.Range, Window: s.Window, Addr: s.SSHAddr(addr)}}
	at := f.server.At
	if at.IsZero() {
		at = morning
	}
	captures := []*pcap.Capture{readShifted(t, filepath.Join(dir, string(pcap.Server)), at.Sub(began))}
	if want.both {
		captures = append(captures, readShifted(t, filepath.Join(dir, string(pcap.Client)), time.Until(p.doctor.Client.Clock())))
	}
	if want.rules {
		rules, err := gate.ReadRules(strings.NewReader(s.Run(t, "iptables-save") + s.Run(t, "ip6tables-save")))
		if err != nil {
			t.Fatal(err)
		}
		server.Rules = &rules
	}
	r, err := pcap.Analyze(t.Context(), captures, server)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	r.Print(&text)
	if !names(r, want.codes) {
		t.Errorf("want one of %q of\n%s", want.codes, &text)
	}
}

// names reports whether a client has one of the findings.
func names(r pcap.Report, codes []arrivals.Code) bool {
	return slices.ContainsFunc(r.Clients, func(c arrivals.Client) bool {
		return slices.ContainsFunc(codes, func(code arrivals.Code) bool { return c.Has(code) || code == gotIn && c.In && len(c.Findings) == 0 })
	})
}

// dump records until the returned function is called.
func dump(t *testing.T, cmd *exec.Cmd) (end func()) {
	t.Helper()
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for b := make([]byte, 1024); !bytes.Contains(text, []byte("listening on")); {
		n, err := said.Read(b)
		if err != nil {
			t.Fatalf("tcpdump does not listen: %s", text)
		}
		text = append(text, b[:n]...)
	}
	return func() {
		knock.Wait(context.Background(), 300*time.Millisecond) // for answers on their way
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// readShifted reads a capture as by a clock that is off.
func readShifted(t *testing.T, path string, shift time.Duration) *pcap.Capture {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const header, record = 24, 16
	for at := header; at+record <= len(data); {
		seconds := int64(binary.LittleEndian.Uint32(data[at:])) + int64(shift/time.Second)
		binary.LittleEndian.PutUint32(data[at:], uint32(seconds))
		at += record + int(binary.LittleEndian.Uint32(data[at+8:]))
	}
	c, err := pcap.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c.Name = filepath.Base(path)
	return c
}
