package knock_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// greeter listens on loopback and sends the given pieces to each client, one after
// the other, then waits until the client closes.
func greeter(t *testing.T, pieces ...string) netip.AddrPort {
	t.Helper()
	return knocktest.Listen(t, "127.0.0.1:0", func(c net.Conn) {
		for _, p := range pieces {
			if p == "(close)" {
				return
			}
			if _, err := c.Write([]byte(p)); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		_, _ = c.Read(make([]byte, 1))
	})
}

func TestProbeStates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		pieces []string
		state  knock.SSHState
		banner string
	}{
		{"openssh", []string{"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n"}, knock.SSHOpen, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10"},
		{"in pieces", []string{"SS", "H-2.0-", "x\r\n"}, knock.SSHOpen, "SSH-2.0-x"},
		{"no line end", []string{"SSH-2.0-x", "(close)"}, knock.SSHOpen, "SSH-2.0-x"},
		{"lines before it", []string{"hello\r\nwelcome\r\n", "SSH-2.0-x\r\n"}, knock.SSHOpen, "SSH-2.0-x"},
		{"many lines before it", []string{strings.Repeat("welcome\r\n", 400), strings.Repeat("welcome\r\n", 400) + "SSH-2.0-x\r\n"}, knock.SSHOpen, "SSH-2.0-x"},
		{"too many lines before it", []string{strings.Repeat("welcome\r\n", 1000) + "SSH-2.0-x\r\n"}, knock.SSHNotSSH, "welcome"},
		{"escapes", []string{"SSH-2.0-\x1b]0;owned\x07\u009b31m\u202eevil\r\n"}, knock.SSHOpen, "SSH-2.0-?]0;owned??31m?evil"},
		{"endless", []string{"SSH-" + strings.Repeat("x", 4000)}, knock.SSHOpen, "SSH-" + strings.Repeat("x", 251)},
		{"penalty", []string{"Not allowed at this time\r\n", "(close)"}, knock.SSHRefusing, "Not allowed at this time"},
		{"maxstartups", []string{"Exceeded MaxStartups\r\n", "(close)"}, knock.SSHRefusing, "Exceeded MaxStartups"},
		{"smtp", []string{"220 mail ESMTP\r\n"}, knock.SSHNotSSH, "220 mail ESMTP"},
		{"binary", []string{"\x00\x01\x02"}, knock.SSHNotSSH, "???"},
		{"closes at once", []string{"(close)"}, knock.SSHSilent, ""},
		{"says nothing", nil, knock.SSHSilent, ""},
		{"stops within the word", []string{"SS"}, knock.SSHSilent, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var c knock.Client
			r, err := c.Probe(t.Context(), "h", greeter(t, tt.pieces...), knock.Options{Timeout: time.Second})
			if err != nil || r.SSH.State != tt.state || r.SSH.Banner != tt.banner {
				t.Errorf("got %q %q, %v; want %q %q", r.SSH.State, r.SSH.Banner, err, tt.state, tt.banner)
			}
			if text, err := json.Marshal(r); err != nil || strings.ContainsAny(string(text), "\x1b\x07\u009b") {
				t.Errorf("JSON %q, %v", text, err)
			}
		})
	}
}

func TestProbeRefused(t *testing.T) {
	addr := closedPort(t)
	var c knock.Client
	r, err := c.Probe(t.Context(), "h", addr, knock.Options{})
	if err != nil || r.SSH.State != knock.SSHRefused || r.SSH.RTT == 0 {
		t.Errorf("got %+v, %v", r.SSH, err)
	}
}

// closedPort returns a port of loopback that nothing listens on.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestProbeIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	var c knock.Client
	if _, err := c.Probe(ctx, "h", greeter(t), knock.Options{Timeout: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

// SSH is open from the start: one handshake, one connection, and the report
// says that it was open before.
func TestKnockWhereSSHIsOpenAnyway(t *testing.T) {
	var c knock.Client
	target := knock.Target{Host: "h", Addr: greeter(t, "SSH-2.0-x\r\n"), Range: knock.DefaultRange, Secret: secret(t, "f00b4r")}
	var events []knock.EventKind
	r, err := c.Knock(t.Context(), target, knock.Options{KeepConn: true}, func(e knock.Event) { events = append(events, e.Kind) })
	if err != nil || !r.Opened || r.Before.State != knock.SSHOpen || r.SSH.Banner != "SSH-2.0-x" {
		t.Fatalf("got %+v, %v", r, err)
	}
	if len(r.Attempts) != 1 || len(r.Attempts[0].Knocks) < knock.Knocks {
		t.Errorf("attempts: %+v", r.Attempts)
	}
	if events[len(events)-1] != knock.Finished {
		t.Errorf("the last event is %v", events[len(events)-1])
	}
	// The banner is still unread in the connection of the report.
	defer r.Conn.Close()
	got := make([]byte, 32)
	n, err := r.Conn.Read(got)
	if err != nil || string(got[:n]) != "SSH-2.0-x\r\n" {
		t.Errorf("the connection gives %q, %v", got[:n], err)
	}
}

func TestKnockRefusedEverywhere(t *testing.T) {
	var c knock.Client
	target := knock.Target{Host: "h", Addr: closedPort(t), Range: knock.DefaultRange, Secret: secret(t, "f00b4r")}
	r, err := c.Knock(t.Context(), target, knock.Options{Gaps: []time.Duration{time.Millisecond, 2 * time.Millisecond}}, nil)
	if err != nil || r.Opened || r.Before.State != knock.SSHRefused || r.SSH.State != knock.SSHRefused {
		t.Fatalf("got %+v, %v", r, err)
	}
	if len(r.Attempts) != 2 {
		t.Fatalf("%d attempts, want both", len(r.Attempts))
	}
	for _, k := range r.Attempts[1].Knocks {
		if k.Answer != knock.Refused || k.RTT == 0 {
			t.Errorf("knock %+v", k)
		}
	}
}

func TestResolve(t *testing.T) {
	var c knock.Client
	for _, tt := range []struct {
		host   string
		family knock.Family
		want   string
	}{
		{"127.0.0.1", knock.FamilyAuto, "127.0.0.1"},
		{"::1", knock.FamilyAuto, "::1"},
		{"::ffff:127.0.0.1", knock.FamilyAuto, "127.0.0.1"},
		{"localhost", knock.Family4, "127.0.0.1"},
	} {
		if got, err := c.Resolve(t.Context(), tt.host, tt.family); err != nil || got.String() != tt.want {
			t.Errorf("Resolve(%s, %s) = %v, %v", tt.host, tt.family, got, err)
		}
	}
	for _, host := range []string{"127.0.0.1", "", "\x1b[31mred", "fe80::1%\x1b[2J"} {
		if got, err := c.Resolve(t.Context(), host, knock.Family6); !errors.Is(err, knock.ErrName) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("Resolve(%q) = %v, %v", host, got, err)
		}
	}
}

// Every answer that has come is reported, even at the last moment.
func TestNoAnswerIsLost(t *testing.T) {
	r := knock.DefaultRange
	sec := secret(t, "f00b4r-no-answer-is-lost")
	seq := knock.Derive(knock.HourOf(at), r, sec)
	for _, p := range seq.Ports() {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(p)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	target := knock.Target{Host: "h", Addr: greeter(t, "SSH-2.0-x\r\n"), Range: r, Secret: sec}
	for range 20 {
		report := mustKnock(t, at, target, knock.Options{})
		for i, a := range answers(report) {
			if a != knock.Open {
				t.Errorf("knock %d to a port that accepts is reported as %s", i+1, a)
			}
		}
	}
}

// Nothing is sent after the timeout, and no attempt begins that would not end by
// then. A timeout too short for one attempt is refused before anything is sent.
func TestTimeoutIsKept(t *testing.T) {
	c := clockAt(at) // far from the hour change: one hour's knocks
	target := knock.Target{Host: "h", Addr: closedPort(t), Range: knock.DefaultRange, Secret: secret(t, "f00b4r")}
	gaps, err := knock.Gaps(20, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Knock(t.Context(), target, knock.Options{Gaps: gaps, Timeout: 300 * time.Millisecond}, nil)
	if err != nil || len(r.Attempts) == 0 || len(r.Attempts) >= 20 {
		t.Fatalf("%d attempts, %v", len(r.Attempts), err)
	}
	for _, a := range r.Attempts {
		for i, k := range a.Knocks {
			// A copy is sent half a gap after its knock.
			if i > 0 && time.Duration(k.Sent-a.Knocks[i-1].Sent) < 9*time.Millisecond {
				t.Errorf("knocks at %v and %v, the gap is %v", a.Knocks[i-1].Sent, k.Sent, a.Gap)
			}
			if k.Sent > knock.Millis(300*time.Millisecond) {
				t.Errorf("a knock at %v", k.Sent)
			}
		}
	}
	r, err = c.Knock(t.Context(), target, knock.Options{Timeout: time.Millisecond}, nil)
	if err == nil || len(r.Attempts) != 0 {
		t.Errorf("a timeout of 1 ms: %+v, %v", r, err)
	}
}

func TestKnockIsCancelled(t *testing.T) {
	var c knock.Client
	target := knock.Target{Host: "h", Addr: greeter(t), Range: knock.DefaultRange, Secret: secret(t, "f00b4r")}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	r, err := c.Knock(ctx, target, knock.Options{}, func(e knock.Event) {
		if e.Kind == knock.KnockSent && e.Knock == 2 {
			cancel(why)
		}
	})
	if !errors.Is(err, why) || r.Opened || len(r.Attempts[0].Knocks) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}
