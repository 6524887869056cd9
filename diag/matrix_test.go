package diag_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/diag"
	"rapport/diag/doctor"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// fault is one row of the matrix: what is wrong, really, and the verdict.
type fault struct {
	name   string
	server knocktest.Options
	clocks knocktest.Clocks // services of the server, if any
	// break does what is wrong besides.
	breaks func(t *testing.T, s *knocktest.Server, p *patient)
	want   diag.Code
	// or has codes that say the same of this fault as want.
	or []diag.Code
	// among has, in place of want, the causes that look alike here: the verdict is
	// one of them, and not sure.
	among []diag.Code
	// opens says that the verdict's change must open the gate. Where or or among
	// allow several codes, any change that there is must open it.
	opens bool
	also  func(r diag.Report) bool
	at    time.Time     // by this machine's clock; morning when zero
	limit time.Duration // of the whole diagnosis, if it has one
	// idle says that the row needs a machine with nothing else to do: its diagnosis takes
	// nearly all of the time that it may, and leaves out what comes last where it is late;
	// the order of the packets decides which of them get lost; or it compares round trips
	// of milliseconds, or depends on when somebody else knocks.
	idle bool
	// heal is called before the verdict's change is tried.
	heal func(t *testing.T, s *knocktest.Server)
}

// sure is the likelihood from which a verdict is taken as certain.
const sure = 0.9

// expects says which codes are right.
func (f fault) expects() (codes []diag.Code) {
	if f.among != nil {
		return f.among
	}
	return append([]diag.Code{f.want}, f.or...)
}

// wrong says what is wrong with a report, nothing if it is as expected.
func (f fault) wrong(r diag.Report) string {
	switch code := r.Verdict.Code; {
	case !slices.Contains(f.expects(), code):
		return fmt.Sprintf("verdict %s, want %s", code, f.expects())
	case f.among != nil && r.Causes[0].Likelihood >= sure:
		return fmt.Sprintf("verdict %s is given with %.2f, and looks like %s", code, r.Causes[0].Likelihood, f.among)
	case f.also != nil && !f.also(r):
		return fmt.Sprintf("verdict %s, as expected, but not all of the report is", code)
	case r.Verdict.Change.IsZero() && f.opens:
		return fmt.Sprintf("verdict %s changes nothing here", code)
	case !r.Verdict.Change.IsZero() && !f.opens && f.or == nil && f.among == nil:
		return fmt.Sprintf("verdict %s changes %q here", code, r.Verdict.Change)
	}
	return ""
}

// patient is the client's side of a row.
type patient struct {
	host   hosts.Host
	secret string
	doctor doctor.Doctor
}

const (
	fewestRows = 150 // how many rows are run at least
	// heavyLoss is the share of lost packets from which the order of the packets decides
	// which of them get lost: such rows need an idle machine too.
	heavyLoss = 0.1
)

// sample returns the rows that are run: all, or of each kind the first, the fourth and
// so on, and each that is the first with its verdict.
func sample(t *testing.T) (rows []fault) {
	seen := map[diag.Code]bool{}
	for n, f := range matrix(t) {
		if *allRows || !f.idle && f.server.Path.Loss < heavyLoss && (n%3 == 0 || !seen[f.want]) {
			rows = append(rows, f)
			seen[f.want] = true
		}
	}
	if len(rows) < fewestRows {
		t.Fatalf("%d rows are too few", len(rows))
	}
	return rows
}

func shift(d time.Duration) time.Time { return morning.Add(d) }

// matrix is every verdict, by real faults.
func matrix(t *testing.T) []fault {
	return slices.Concat(alone(t), controlFaults(t), someFaults(t), windowFaults(t), clockFaults(t), timeoutFaults(t), pairFaults(t), addressFaults(t), gateFaults(t), rangeFaults(t), paceFaults(t), oddFaults(t), rulesFaults(t), claimsFaults(t), firewallFaults(t))
}

// alone is every verdict, each by at least one fault.
func alone(t *testing.T) []fault {
	lesser, greater := knocktest.NewRange(t, 10000, 10998), knocktest.NewRange(t, 10000, 11000)
	higher, lower := knocktest.NewRange(t, 10001, 10999), knocktest.NewRange(t, 9999, 10999)
	far := knocktest.NewRange(t, 20000, 29999)
	hashed := func(f func(string) string) knocktest.Options { return knocktest.Options{Hashed: f} }
	standIn := func(handle func(net.Conn)) func(*testing.T, *knocktest.Server, *patient) {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.ServeSSH(t, handle) }
	}
	block := func(how knocktest.Refusal) func(*testing.T, *knocktest.Server, *patient) {
		return func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.Block(t, how, knocktest.Within(knock.DefaultRange))
		}
	}
	behind := func(o knocktest.Options, d time.Duration) knocktest.Options {
		o.At = morning.Add(d)
		return o
	}
	oneShot := func(r *script.Rules) { r.OneShot = true }
	offset := func(n int) func(diag.Report) bool {
		return func(r diag.Report) bool {
			return r.Verdict.Detail.HourOffset != nil && *r.Verdict.Detail.HourOffset == n
		}
	}
	names := func(f knock.Family) func(*testing.T, *knocktest.Server, *patient) {
		return func(t *testing.T, s *knocktest.Server, p *patient) {
			p.host.Address, p.host.Family = "both.test", f
			p.doctor.Client.Resolver = knocktest.NewResolver(t, map[string][]netip.Addr{"both.test": {s.Addr6, s.Addr4}})
		}
	}
	return []fault{
		{name: "nothing", want: diag.Opens},
		{name: "nothing, at a gate that rejects", server: knocktest.Options{Refusal: knocktest.Reset}, want: diag.Opens},
		{name: "nothing, 200 ms away", server: knocktest.Options{Router: true, Path: knocktest.Path{Delay: 100 * time.Millisecond}}, want: diag.Opens},
		{name: "nothing, at the gate of rapport rules", server: knocktest.Options{NoGate: true}, want: diag.Opens, breaks: scripted(script.NFT, nil)},
		{name: "nothing, at a gate for one connection", server: knocktest.Options{NoGate: true}, want: diag.Opens, breaks: scripted(script.IPTables, oneShot)},
		{name: "nothing guards SSH", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen},
		{name: "the third knock is lost, once", want: diag.LossyPath, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Lose(t, knocktest.Loss{Ports: knocktest.Within(knock.DefaultRange), Nth: 3})
		}},
		{name: "every seventh knock is lost", want: diag.LossyPath, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Lose(t, knocktest.Loss{Ports: knocktest.Within(knock.DefaultRange), Nth: 2, Every: 7})
		}},

		{name: "clock 2 h ahead (http)", server: knocktest.Options{At: shift(2 * time.Hour)}, clocks: knocktest.Clocks{HTTP: true, Shift: 2 * time.Hour}, want: diag.ServerAhead, opens: true, also: offset(2)},
		{name: "clock 3 h behind (http)", server: knocktest.Options{At: shift(-3 * time.Hour)}, clocks: knocktest.Clocks{HTTP: true, Shift: -3 * time.Hour}, want: diag.ServerBehind, opens: true, also: offset(-3)},
		{name: "clock 41 min behind (ntp)", server: knocktest.Options{At: shift(-41 * time.Minute)}, clocks: knocktest.Clocks{NTP: true, Shift: -41 * time.Minute}, want: diag.ServerBehind, opens: true, also: func(r diag.Report) bool {
			return r.Verdict.Change.Skew != nil && (*r.Verdict.Change.Skew+41*time.Minute).Abs() <= 2*time.Second
		}},
		{name: "clock 41 min ahead (smtp)", server: knocktest.Options{At: shift(41 * time.Minute)}, clocks: knocktest.Clocks{SMTP: true, Shift: 41 * time.Minute}, want: diag.ServerAhead, opens: true, also: offset(1)},
		{name: "clock 20 min ahead, same hour (http)", clocks: knocktest.Clocks{HTTP: true, Shift: 20 * time.Minute}, want: diag.Opens},
		{name: "refresh 3 h ago (http)", server: knocktest.Options{At: shift(-3 * time.Hour)}, clocks: knocktest.Clocks{HTTP: true}, want: diag.RulesStale, opens: true, also: offset(-3)},
		{name: "refresh a day ago (ntp)", server: knocktest.Options{At: shift(-24 * time.Hour)}, clocks: knocktest.Clocks{NTP: true}, want: diag.RulesStale, opens: true, also: offset(-24)},
		{name: "rules 2 h ahead of a right clock", server: knocktest.Options{At: shift(2 * time.Hour)}, clocks: knocktest.Clocks{HTTP: true}, want: diag.HourAhead, opens: true, breaks: func(_ *testing.T, _ *knocktest.Server, p *patient) {
			p.doctor.Future = 26
		}},
		{name: "3 h behind, no clock", server: knocktest.Options{At: shift(-3 * time.Hour)}, want: diag.HourBehind, opens: true, also: offset(-3)},
		{name: "26 h behind, no clock", server: knocktest.Options{At: shift(-26 * time.Hour)}, want: diag.HourBehind, opens: true, also: offset(-26)},
		{name: "3 h behind, at a gate that rejects", server: knocktest.Options{At: shift(-3 * time.Hour), Refusal: knocktest.Reset}, want: diag.HourBehind, opens: true},
		{name: "3 h behind, at a gate that says port unreachable", server: knocktest.Options{At: shift(-3 * time.Hour), Refusal: knocktest.PortUnreachable}, want: diag.HourBehind, opens: true},
		{name: "3 h behind, at a gate that says prohibited", server: knocktest.Options{At: shift(-3 * time.Hour), Refusal: knocktest.AdminProhibited}, want: diag.HourBehind, opens: true},
		{name: "3 h behind, 600 ms away", server: knocktest.Options{At: shift(-3 * time.Hour), Path: knocktest.Path{Delay: 300 * time.Millisecond}}, want: diag.HourBehind, opens: true},
		{name: "3 h behind, and every tenth packet is lost", server: knocktest.Options{At: shift(-3 * time.Hour), Path: knocktest.Path{Delay: 20 * time.Millisecond, Loss: 0.05, Seed: 7}}, want: diag.HourBehind, opens: true},
		{name: "nothing, 600 ms away", server: knocktest.Options{Path: knocktest.Path{Delay: 300 * time.Millisecond}}, want: diag.Opens},
		{name: "this client is banned with a rejection", server: knocktest.Options{}, want: diag.Unexplained, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Run(t, "iptables", "-I", "INPUT", "-s", s.Client4.String(), "-j", "REJECT")
		}},
		{name: "this client is banned from SSH with a rejection", server: knocktest.Options{}, want: diag.Unexplained, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Run(t, "iptables", "-I", "INPUT", "-s", s.Client4.String(), "-p", "tcp", "--dport", "22", "-j", "REJECT")
		}},
		{name: "3 h behind, at the gate of rapport rules", server: knocktest.Options{At: shift(-3 * time.Hour), NoGate: true}, want: diag.HourBehind, opens: true, breaks: scripted(script.NFT, nil)},
		{name: "3 h behind, at a gate for one connection", server: knocktest.Options{At: shift(-3 * time.Hour), NoGate: true}, want: diag.HourBehind, opens: true, breaks: scripted(script.NFT, oneShot)},
		{name: "3 h behind, only a cache has the time", server: knocktest.Options{At: shift(-3 * time.Hour)}, clocks: knocktest.Clocks{HTTP: true, Cached: 3 * time.Hour}, want: diag.HourBehind, opens: true},
		{name: "5 h behind, 200 ms away", server: knocktest.Options{At: shift(-5 * time.Hour), Router: true, Path: knocktest.Path{Delay: 100 * time.Millisecond}}, want: diag.HourBehind, opens: true},
		{name: "1 h ahead, no clock, future asked for", server: knocktest.Options{At: shift(time.Hour)}, want: diag.HourAhead, opens: true, breaks: func(_ *testing.T, _ *knocktest.Server, p *patient) {
			p.doctor.Future = 26
		}},
		{name: "1 h ahead, no clock, future not asked for", server: knocktest.Options{At: shift(time.Hour)}, want: diag.Unexplained},
		{name: "this machine 2 h ahead (ntp)", server: knocktest.Options{At: shift(-2 * time.Hour)}, clocks: knocktest.Clocks{NTP: true, Shift: -2 * time.Hour}, want: diag.ClientAhead, opens: true, breaks: asksServer},
		{name: "this machine 5 h behind (ntp)", server: knocktest.Options{At: shift(5 * time.Hour)}, clocks: knocktest.Clocks{NTP: true, Shift: 5 * time.Hour}, want: diag.ClientBehind, opens: true, breaks: asksServer},

		{name: "top port one less", server: knocktest.Options{Range: lesser}, want: diag.RangeMismatch, opens: true},
		{name: "top port one more", server: knocktest.Options{Range: greater}, want: diag.RangeMismatch, opens: true},
		{name: "bottom port one more", server: knocktest.Options{Range: higher}, want: diag.RangeMismatch, opens: true},
		{name: "bottom port one less", server: knocktest.Options{Range: lower}, want: diag.RangeMismatch, opens: true},
		{name: "a range of the user's list", server: knocktest.Options{Range: far}, want: diag.RangeMismatch, opens: true, breaks: func(_ *testing.T, _ *knocktest.Server, p *patient) {
			p.doctor.Also = []knock.Range{far}
		}},
		{name: "a range nobody thought of", server: knocktest.Options{Range: knocktest.NewRange(t, 23017, 24890)}, want: diag.Unexplained},
		{name: "a range that the rules prove", server: knocktest.Options{Range: far}, want: diag.RangeMismatch, opens: true, breaks: givesRules},

		{name: "secret without its newline", server: hashed(func(s string) string { return strings.TrimSuffix(s, "\n") }), want: diag.SecretVariant, also: says("date, not printf")},
		{name: "secret with two newlines", server: hashed(func(s string) string { return s + "\n" }), want: diag.SecretVariant},
		{name: "secret with a CR", server: hashed(func(s string) string { return strings.Replace(s, "\n", "\r\n", 1) }), want: diag.SecretVariant, also: says("remove the carriage return")},
		{name: "secret with a blank behind it", server: hashed(func(s string) string { return strings.Replace(s, "\n", " \n", 1) }), want: diag.SecretVariant},
		{name: "secret in upper case", server: knocktest.Options{Secret: "F00B4R"}, want: diag.SecretVariant},
		{name: "secret with a capital", server: knocktest.Options{Secret: "F00b4r"}, want: diag.SecretVariant},
		{name: "secret in upper case, at a gate that rejects", server: knocktest.Options{Secret: "F00B4R", Refusal: knocktest.Reset}, want: diag.SecretVariant},
		{name: "another secret", server: knocktest.Options{Secret: "b4rf00"}, want: diag.Unexplained},
		{name: "another secret, the rules are given", server: knocktest.Options{Secret: "b4rf00"}, want: diag.Unexplained, breaks: givesRules},

		{name: "sshd is stopped", server: knocktest.Options{NoSSHD: true}, want: diag.SSHDown},
		{name: "sshd is stopped, at a gate that rejects", server: knocktest.Options{NoSSHD: true, Refusal: knocktest.PortUnreachable}, want: diag.SSHDown},
		{name: "sshd has a penalty", server: knocktest.Options{NoSSHD: true}, want: diag.SSHRefusing, breaks: standIn(knocktest.Say(knocktest.Penalty))},
		{name: "sshd is full", server: knocktest.Options{NoSSHD: true}, want: diag.SSHRefusing, breaks: standIn(knocktest.Say("Exceeded MaxStartups\r\n"))},
		{name: "sshd is stuck", server: knocktest.Options{NoSSHD: true}, want: diag.SSHSilent, breaks: standIn(knocktest.Hold)},
		{name: "a mail server in sshd's place", server: knocktest.Options{NoSSHD: true}, want: diag.SSHSilent, breaks: standIn(knocktest.Say("220 mail.example.org ESMTP\r\n"))},
		{name: "established connections are cut off", server: knocktest.Options{CutOff: true}, want: diag.SSHSilent},

		{name: "a gate for IPv4 alone", server: knocktest.Options{V6: knocktest.Shut}, want: diag.FamilyMismatch, opens: true, breaks: names(knock.Family6)},
		{name: "a gate for IPv6 alone", server: knocktest.Options{V4: knocktest.Shut}, want: diag.FamilyMismatch, opens: true, breaks: names(knock.Family4)},

		{name: "a router resets the knocks", server: knocktest.Options{Router: true}, want: diag.KnocksBlocked, breaks: block(knocktest.Reset)},
		{name: "a router rejects the knocks", server: knocktest.Options{Router: true}, want: diag.KnocksBlocked, breaks: block(knocktest.AdminProhibited)},
		{name: "a router says port unreachable", server: knocktest.Options{Router: true}, want: diag.KnocksBlocked, breaks: block(knocktest.PortUnreachable)},
		{idle: true, name: "a router resets the knocks, 40 ms before a gate that rejects", server: knocktest.Options{Refusal: knocktest.Reset, Path: knocktest.Path{Delay: 20 * time.Millisecond}}, want: diag.KnocksBlocked, breaks: block(knocktest.Reset)},
		{name: "a router drops the knocks", server: knocktest.Options{Router: true}, want: diag.Unexplained, breaks: block(knocktest.Drop)},
		{name: "a proxy accepts the knocks", server: knocktest.Options{Router: true}, want: diag.KnocksIntercepted, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.Intercept(t, knocktest.Within(knock.DefaultRange), knocktest.Hold)
		}},
		{name: "a proxy accepts everything", server: knocktest.Options{Router: true}, want: diag.KnocksIntercepted, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.Intercept(t, knocktest.Ports{First: 1, Last: 65535}, knocktest.Hold)
		}},
		{name: "SSH leaves by another address", server: knocktest.Options{Router: true}, want: diag.Unexplained, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.MoveSource(t, knocktest.Port(22))
		}},

		{name: "the guard is used up (nft), the rules are given", server: knocktest.Options{NoGate: true}, want: diag.SequenceUsed, breaks: usedUp(script.NFT)},
		{name: "the guard is used up (nft)", server: knocktest.Options{NoGate: true}, want: diag.Unexplained, breaks: func(t *testing.T, s *knocktest.Server, p *patient) {
			usedUp(script.NFT)(t, s, p)
			p.doctor.Rules = nil
		}, also: possible(diag.SequenceUsed)},
		{name: "the guard is used up (iptables), the rules are given", server: knocktest.Options{NoGate: true}, want: diag.SequenceUsed, breaks: usedUp(script.IPTables)},

		{name: "no such name", want: diag.DNSFailure, breaks: func(t *testing.T, _ *knocktest.Server, p *patient) {
			p.host.Address = "nosuch.test"
			p.doctor.Client.Resolver = knocktest.NewResolver(t, nil)
		}},
		{name: "a name server blocks the name", want: diag.DNSFailure, breaks: func(t *testing.T, _ *knocktest.Server, p *patient) {
			p.host.Address = "blocked.test"
			p.doctor.Client.Resolver = knocktest.NewResolver(t, map[string][]netip.Addr{"blocked.test": {netip.IPv4Unspecified()}})
		}},
		{name: "nobody behind the router has the address", server: knocktest.Options{Router: true}, want: diag.HostUnreachable, breaks: func(t *testing.T, s *knocktest.Server, p *patient) {
			s.Router.Block(t, knocktest.HostUnreachable, knocktest.Ports{First: 1, Last: 65535})
		}},
		{name: "a wrong skew is set here", want: diag.HourBehind, opens: true, breaks: func(_ *testing.T, _ *knocktest.Server, p *patient) {
			p.host.Skew = 2 * time.Hour
		}},
		{name: "nobody has the address", want: diag.HostUnreachable, breaks: func(_ *testing.T, s *knocktest.Server, p *patient) {
			p.host.Address = strings.TrimSuffix(s.Addr4.String(), ".2") + ".77"
		}},

		{name: "3 h behind (http), and top port one less", server: behind(knocktest.Options{Range: lesser}, -3*time.Hour), clocks: knocktest.Clocks{HTTP: true, Shift: -3 * time.Hour}, want: diag.ServerBehind, opens: true, also: func(r diag.Report) bool {
			return r.Verdict.Detail.ServerRange == lesser
		}},
		{name: "3 h behind, and top port one more", server: behind(knocktest.Options{Range: greater}, -3*time.Hour), want: diag.HourBehind, opens: true},
		{name: "3 h behind (http), and a gate for IPv4 alone", server: behind(knocktest.Options{V6: knocktest.Shut}, -3*time.Hour), clocks: knocktest.Clocks{HTTP: true, Shift: -3 * time.Hour}, want: diag.ServerBehind, opens: true, breaks: names(knock.Family6), also: func(r diag.Report) bool {
			return r.Verdict.Detail.Works == knock.Family4
		}},
		{name: "3 h behind, and sshd is stopped", server: behind(knocktest.Options{NoSSHD: true}, -3*time.Hour), want: diag.HourBehind, opens: true},
	}
}

// asksServer makes the server's own NTP service the one that this machine's
// Clocks is compared with.
func asksServer(_ *testing.T, s *knocktest.Server, p *patient) {
	p.host.NTP = []string{s.Addr4.String()}
}

// TestFaultMatrix prints fault, expected, got and seconds, then how sure the verdicts
// were and how often right, and how long they took:
//
//	RAPPORT_REAL_GATE=1 go test -run FaultMatrix -v ./diag
//
// Neighbouring rows resemble each other: every third one is run, and all of them with
// -matrix.all, on a machine with nothing else to do.
func TestFaultMatrix(t *testing.T) {
	knocktest.Long(t)
	var mu sync.Mutex
	var all results
	t.Cleanup(func() { t.Log("\n" + all.table() + "\n" + all.calibration() + "\n" + all.times()) })
	seen := map[diag.Code]bool{}
	for _, f := range sample(t) {
		for _, code := range f.expects() {
			seen[code] = true
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			x := f.run(t)
			x.wrong = t.Failed()
			mu.Lock()
			defer mu.Unlock()
			all = append(all, x)
		})
	}
	for _, code := range []diag.Code{
		diag.Opens, diag.AlreadyOpen, diag.LossyPath, diag.ServerAhead, diag.ServerBehind, diag.RulesStale, diag.HourAhead, diag.HourBehind,
		diag.ClientAhead, diag.ClientBehind, diag.RangeMismatch, diag.SecretVariant, diag.SequenceUsed, diag.SSHDown, diag.SSHRefusing,
		diag.SSHSilent, diag.FamilyMismatch, diag.KnocksBlocked, diag.KnocksIntercepted, diag.RateLimited, diag.Banned, diag.AddressChanges, diag.GateDiffers, diag.DNSFailure, diag.HostUnreachable, diag.Unexplained,
	} {
		if !seen[code] {
			t.Errorf("no fault has the verdict %s", code)
		}
	}
}

// limits of every row. Beside other tests a diagnosis may take twice as long.
const (
	longest         = 30 * time.Second
	mostConnections = 4
)

// prepare makes the server and the client of a row, with its fault.
func (f fault) prepare(t *testing.T) (*knocktest.Server, patient) {
	if f.at.IsZero() {
		f.at = morning
	}
	if f.server.At.IsZero() {
		f.server.At = f.at
	}
	s := knocktest.NewServer(t, f.server)
	client := knocktest.ClientAt(f.at)
	if c := f.clocks; c.HTTP || c.NTP || c.SMTP {
		f.clocks.Clock = client.Clock
		s.ServeClocks(t, f.clocks)
	}
	p := patient{host: hosts.NewHost("server"), secret: knocktest.DefaultSecret, doctor: doctor.Doctor{Client: client, Past: scan.DefaultPast}}
	p.host.Address = s.Addr4.String()
	if f.breaks != nil {
		f.breaks(t, s, &p)
	}
	return s, p
}

func (f fault) run(t *testing.T) result {
	s, p := f.prepare(t)
	secret, err := knock.ParseSecret(p.secret)
	if err != nil {
		t.Fatal(err)
	}
	capture := s.Capture(t)
	ctx := t.Context()
	if f.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.limit)
		defer cancel()
	}
	start := time.Now()
	var probable time.Duration
	guess := diag.Code("")
	r, err := p.doctor.Run(ctx, p.host, secret, func(r diag.Report) {
		if r.Verdict.Code != guess {
			guess, probable = r.Verdict.Code, time.Since(start)
		}
	})
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	connections := capture.Connections(s.SSHPort)
	if wrong := f.wrong(r); wrong != "" {
		t.Errorf("%s\n%s", wrong, r.Text(true))
	}
	if took > 2*longest || *allRows && took > longest || connections > mostConnections {
		t.Errorf("it took %v and %d connections", took, connections)
	}
	if !r.Verdict.Change.IsZero() {
		if f.heal != nil {
			f.heal(t, s)
		}
		f.applyFix(t, s, &p, r.Verdict.Change)
	}
	for _, c := range r.Causes[1:] { // what is printed for another cause, where it may be the true one
		if r.FixOf(c) != "" && slices.Contains(f.expects(), c.Code) && !c.Change.IsZero() && c.Change.String() != r.Verdict.Change.String() {
			f.applyFix(t, s, &p, c.Change)
		}
	}
	return result{fault: f, code: r.Verdict.Code, likelihood: r.Causes[0].Likelihood, took: took, probable: probable, connections: connections}
}
