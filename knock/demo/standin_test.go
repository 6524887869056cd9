package demo_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/knocktest"
)

func login(t *testing.T, c net.Conn) *ssh.Client {
	t.Helper()
	conn, channels, requests, err := ssh.NewClientConn(c, "demo", &ssh.ClientConfig{
		User: "anyone", HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	client := ssh.NewClient(conn, channels, requests)
	t.Cleanup(func() { client.Close() })
	return client
}

func run(t *testing.T, client *ssh.Client, command string) string {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	out, err := session.Output(command) // fails unless the exit status is 0
	if err != nil {
		t.Error(err)
	}
	return string(out)
}

func TestOpensGreetsAndShuts(t *testing.T) {
	s := start(t, demo.Config{Window: time.Second})
	if !s.refuses() {
		t.Fatal("ssh is open before any knock")
	}
	client := login(t, s.handshake(s.ports(0)))
	if v := string(client.ServerVersion()); v != "SSH-2.0-rapport_demo" {
		t.Errorf("the server is %s", v)
	}
	s.has("shut", kind(demo.Shut))
	knocktest.Eventually(t, "ssh refuses again", s.refuses)

	// The session under way stays.
	out := run(t, client, "true")
	if !strings.HasPrefix(out, "you are in: this is rapport's demo server") || strings.Count(out, "\n") != 2 {
		t.Errorf("the greeting is %q", out)
	}
	s.has("login", kind(demo.Login))

	s.mu.Lock()
	told := slices.Clone(s.events)
	s.mu.Unlock()
	ports, ssh := s.ports(0), int(s.SSHAddr.Port())
	me := netip.MustParseAddr("127.0.0.1")
	for _, want := range []demo.Event{
		{Kind: demo.Refreshed, Hour: knock.HourOf(s.config.Clock())},
		{Kind: demo.Entered, Addr: me, Phase: 1, Port: int(ports[0])},
		{Kind: demo.Entered, Addr: me, Phase: 5, Port: int(ports[4])},
		{Kind: demo.Opened, Addr: me, Port: ssh},
		{Kind: demo.Shut, Addr: me, Port: ssh},
		{Kind: demo.Login, Addr: me, Port: ssh},
	} {
		i := slices.IndexFunc(told, func(e demo.Event) bool {
			want.Time = e.Time
			return e == want
		})
		if i < 0 {
			t.Fatalf("no %v, in this order, in:\n%v", want, told)
		}
		told = told[i:]
	}
}

func TestShellGetsTheGreeting(t *testing.T) {
	s := start(t, demo.Config{})
	session, err := login(t, s.handshake(s.ports(0))).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestPty("xterm", 24, 80, nil); err != nil {
		t.Error(err)
	}
	if err := session.Shell(); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(out); err != nil || strings.Count(string(b), "\r\n") != 2 {
		t.Errorf("read %q, %v", b, err)
	}
	if err := session.Wait(); err != nil {
		t.Error(err)
	}
}

// A stand-in says that it is one, and only while it runs: other servers are on loopback too.
func TestRuns(t *testing.T) {
	s := start(t, demo.Config{})
	if !demo.Runs(s.SSHAddr) {
		t.Error("the stand-in runs, and says nothing")
	}
	silent, err := net.ListenPacket("udp", netip.AddrPortFrom(s.SSHAddr.Addr(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if demo.Runs(silent.LocalAddr().(*net.UDPAddr).AddrPort()) {
		t.Error("another server passes for a stand-in")
	}
	if err := s.Close(); err != nil || demo.Runs(s.SSHAddr) {
		t.Errorf("it was closed, %v, and still answers", err)
	}
}

func TestOpensAgainAndAgain(t *testing.T) {
	s := start(t, demo.Config{Window: time.Second})
	for n := range 2 {
		c := s.handshake(s.ports(0))
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "SSH-2.0-rapport_demo\r\n" {
			t.Errorf("time %d: read %q, %v", n+1, line, err)
		}
		c.Close()
		knocktest.Eventually(t, "ssh refuses again", s.refuses)
	}
}

func TestRepeatedPortsOpen(t *testing.T) {
	for _, pattern := range []string{"aabcd", "abacd", "abcda", "abcdd", "aaaaa"} {
		t.Run(pattern, func(t *testing.T) {
			r := freeRange(t, 5)
			s := start(t, demo.Config{Range: r, Clock: like(t, r, pattern).Hour().Start})
			s.handshake(s.ports(0))
		})
	}
}

func TestWrongHandshakesStayShut(t *testing.T) {
	for name, order := range map[string][]int{
		"backwards":          {4, 3, 2, 1, 0},
		"two exchanged":      {0, 1, 3, 2, 4},
		"without the fourth": {0, 1, 2, 4},
	} {
		t.Run(name, func(t *testing.T) {
			// In an hour whose ports are five: a repeated one would stand in for another.
			r := freeRange(t, 100)
			s := start(t, demo.Config{Range: r, Clock: like(t, r, "abcde").Hour().Start})
			var ports []uint16
			for _, k := range order {
				ports = append(ports, s.ports(0)[k])
			}
			s.knock(time.Millisecond, ports...)
			s.mustRefuse("after a handshake " + name)
		})
	}
}

// Knocks count in the order in which they were sent, with no gap at all and on a
// machine that has more to do than it can: the right order opens each time, at
// once, and no other ever.
func TestOrderIsThatOfSending(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("the order of accepted connections is not known here")
		return
	}
	busy, idle := context.WithCancel(t.Context())
	t.Cleanup(idle)
	for range 2 * runtime.NumCPU() {
		go func() {
			for busy.Err() == nil {
				_ = sha256.Sum256(make([]byte, 1<<16))
			}
		}()
	}
	r := freeRange(t, 100)
	s := start(t, demo.Config{Range: r, Window: time.Minute, Clock: like(t, r, "abcde").Hour().Start})
	right, order := s.ports(0), rand.New(rand.NewPCG(1, 2))
	clients := 24
	if !knocktest.RunsLong() {
		clients = 8
	}
	for n := range clients {
		ports, from := right, netip.AddrFrom4([4]byte{127, 0, 7, byte(n + 1)})
		for n%2 == 1 && ports == right {
			order.Shuffle(len(ports), func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
		}
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		for _, port := range ports {
			c, err := d.Dial("tcp", netip.AddrPortFrom(s.SSHAddr.Addr(), port).String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		opened := func(e demo.Event) bool { return e.Kind == demo.Opened && e.Addr == from }
		if n%2 == 0 {
			s.has(fmt.Sprint(from, " opens it"), opened)
			continue
		}
		s.has(fmt.Sprint(from, " enters a phase"), func(e demo.Event) bool { return e.Kind == demo.Entered && e.Addr == from })
		if s.count(opened) > 0 {
			t.Errorf("%v opens %v", ports, right)
		}
	}
	if n := s.count(kind(demo.Opened)); n != clients/2 {
		t.Errorf("%d addresses opened it, want %d", n, clients/2)
	}
}

// The ports of other hours answer nothing, so that a client in another hour
// sees no gate.
func TestOtherHoursPortsAreRefused(t *testing.T) {
	s := start(t, demo.Config{Clock: time.Date(2026, 11, 22, 8, 59, 59, 0, time.UTC).Local})
	for _, hour := range []int{-1, 1} {
		for _, port := range s.ports(hour) {
			if ports := s.ports(0); slices.Contains(ports[:], port) {
				continue
			}
			if c, err := dial(netip.AddrPortFrom(s.SSHAddr.Addr(), port)); err == nil {
				c.Close()
				t.Errorf("port %d of hour %+d accepts", port, hour)
			}
		}
	}
}

func TestNextHoursHandshakeStaysShut(t *testing.T) {
	s := start(t, demo.Config{})
	ports := s.ports(1)
	s.knock(time.Millisecond, ports[:]...)
	s.mustRefuse("with the ports of the next hour")
}

func TestWrongPortsBetweenDoNotMatter(t *testing.T) {
	s := start(t, demo.Config{})
	now, next := s.ports(0), s.ports(1)
	var ports []uint16
	for k := range now {
		ports = append(ports, next[k], now[k])
	}
	for range 3 { // attempts
		s.knock(time.Millisecond, ports...)
	}
	knocktest.Eventually(t, "ssh opens", func() bool { return !s.refuses() })
}

func TestServesTheAddressThatKnockedOnly(t *testing.T) {
	other := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}
	if l, err := net.ListenTCP("tcp", other); err != nil {
		knocktest.Lack(t, "a second loopback address: "+err.Error())
	} else {
		l.Close()
	}
	s := start(t, demo.Config{})
	s.handshake(s.ports(0))
	c, err := (&net.Dialer{LocalAddr: other}).Dial("tcp", s.SSHAddr.String())
	if err != nil {
		return // the reset was faster
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(knocktest.Patience))
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("another address reads %q", b)
	}
}

func TestOverIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		knocktest.Lack(t, "IPv6: "+err.Error())
	} else {
		l.Close()
	}
	s := start(t, demo.Config{Addr: netip.IPv6Loopback()})
	login(t, s.handshake(s.ports(0)))
}

func TestHourChange(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Date(2026, 11, 22, 8, 59, 58, 0, time.UTC).Unix())
	s := start(t, demo.Config{Window: time.Minute, Clock: func() time.Time { return time.Unix(clock.Load(), 0) }})
	old, next := s.ports(0), s.ports(1)
	s.handshake(old)

	clock.Add(10)
	nine := func(e demo.Event) bool { return e.Kind == demo.Refreshed && e.Hour.String() == "2026-11-22-09" }
	s.has("refreshed", nine)
	s.has("shut by the refresh", kind(demo.Shut))
	knocktest.Eventually(t, "ssh refuses", s.refuses)

	opened := s.count(kind(demo.Opened))
	s.knock(time.Millisecond, old[:]...)
	if c, err := dial(netip.AddrPortFrom(s.SSHAddr.Addr(), old[0])); err == nil {
		c.Close()
		t.Error("a port of the hour that ended still accepts")
	}
	if n := s.count(kind(demo.Opened)); n != opened {
		t.Error("the ports of the hour that ended still open")
	}

	// Half a handshake before the turn, half of it after it.
	s.knock(time.Millisecond, next[:3]...)
	s.has("phase 3", func(e demo.Event) bool { return e.Kind == demo.Entered && e.Phase == 3 && e.Port == int(next[2]) })
	clock.Add(3600)
	s.has("refreshed", func(e demo.Event) bool { return e.Hour.String() == "2026-11-22-10" })
	s.knock(time.Millisecond, next[3:]...)
	knocktest.Eventually(t, "ssh refuses", s.refuses)
	s.handshake(s.ports(0))

	// A clock that is set back, far.
	clock.Add(-100 * 3600)
	s.has("refreshed", func(e demo.Event) bool { return e.Hour.String() == "2026-11-18-06" })
	knocktest.Eventually(t, "ssh refuses", s.refuses)
	s.handshake(s.ports(0))
}

func TestFaults(t *testing.T) {
	fault := func(text string) demo.Config {
		var f demo.Faults
		if err := f.Set(text); err != nil {
			t.Fatal(err)
		}
		return demo.Config{Faults: f}
	}
	t.Run("clock", func(t *testing.T) {
		s := start(t, fault("clock=+3h"))
		ports := s.ports(0)
		s.knock(time.Millisecond, ports[:]...)
		s.mustRefuse("in the client's hour, with the server's clock off")
		s.handshake(s.ports(3))
	})
	t.Run("range", func(t *testing.T) {
		r := freeRange(t, 300)
		s := start(t, fault("range="+r.String()))
		if s.Range == r {
			t.Errorf("clients are told %v", s.Range)
		}
		// Where both told the same range, one would see the knocks for the other.
		if other := launch(t, fault("range="+freeRange(t, 200).String())); other.Range == s.Range {
			t.Errorf("the clients of two stand-ins are told %v", s.Range)
		}
		ports := s.ports(0)
		s.knock(time.Millisecond, ports[:]...)
		s.mustRefuse("in the client's range, with another one in the rules")
		s.handshake(knock.Derive(knock.HourOf(s.config.Clock()), r, s.config.Secret).Ports())
	})
	t.Run("drop", func(t *testing.T) {
		// In an hour of five different ports: the lost one may be the first one too.
		c := fault("drop=3")
		c.Clock = func() time.Time { return at }
		s := start(t, c)
		ports := s.ports(0)
		s.knock(time.Millisecond, ports[:]...)
		s.has("phase 2", func(e demo.Event) bool { return e.Phase == 2 })
		s.mustRefuse("with the third knock lost")
	})
	t.Run("sshd=down", func(t *testing.T) {
		s := start(t, fault("sshd=down"))
		ports := s.ports(0)
		for range 3 {
			s.knock(time.Millisecond, ports[:]...)
		}
		s.has("opened", kind(demo.Opened))
		if !s.refuses() {
			t.Error("the server that is down answers")
		}
	})
	t.Run("sshd=silent", func(t *testing.T) {
		s := start(t, fault("sshd=silent"))
		c := s.handshake(s.ports(0))
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); n > 0 || errors.Is(err, io.EOF) {
			t.Errorf("the silent server: %d bytes, %v", n, err)
		}
	})
	t.Run("sshd=refusing", func(t *testing.T) {
		s := start(t, fault("sshd=refusing"))
		if got := read(t, s.handshake(s.ports(0))); got != "Not allowed at this time\r\n" {
			t.Errorf("the refusing server says %q", got)
		}
	})
}

func TestTwoAtATimeTakeDifferentPorts(t *testing.T) {
	a, b := start(t, demo.Config{}), launch(t, demo.Config{})
	if a.SSHAddr == b.SSHAddr || a.Range == b.Range {
		t.Errorf("both are at %v with %v", a.SSHAddr, a.Range)
	}
	a.handshake(a.ports(0))
	b.mustRefuse("at the other one")
	b.handshake(b.ports(0))
}

func take(t *testing.T, port int) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestTakenPortsAreNamed(t *testing.T) {
	r := freeRange(t, 100)
	hour := like(t, r, "abcde").Hour()
	port := int(knock.Derive(hour, r, secret(t)).Ports()[2])
	l := take(t, port)
	for want, c := range map[string]demo.Config{
		fmt.Sprintf("port %d is taken; choose another range with --range", port):        {Range: r},
		fmt.Sprintf("port %d is taken; choose another range with --fault range=", port): {Faults: demo.Faults{Range: r}},
		fmt.Sprintf("port %d is taken; choose another with --ssh-port", port):           {SSHPort: port},
	} {
		c.Secret, c.Clock = secret(t), hour.Start
		if s, err := demo.Start(context.Background(), c); err == nil {
			s.Close()
			t.Errorf("started, instead of: %s", want)
		} else if err.Error() != want {
			t.Errorf("%v, want: %s", err, want)
		}
		noGoroutines(t)
	}
	l.Close()
	start(t, demo.Config{Range: r, Clock: hour.Start}) // nothing was left open
}

func TestNextHoursTakenPortIsToldAndComesFree(t *testing.T) {
	r := freeRange(t, 100)
	var clock atomic.Int64
	clock.Store(like(t, r, "abcde").Hour().Start().Unix())
	next := knock.Derive(knock.HourOf(time.Unix(clock.Load(), 0)).Add(1), r, secret(t)).Ports()
	l := take(t, int(next[3]))
	s := start(t, demo.Config{Range: r, Clock: func() time.Time { return time.Unix(clock.Load(), 0) }})
	if n := s.count(kind(demo.PortTaken)); n > 0 {
		t.Errorf("a port of the next hour is told of before that: %d times", n)
	}
	clock.Add(3600)
	s.has("the port that is taken", func(e demo.Event) bool {
		return e.Kind == demo.PortTaken && e.Port == int(next[3]) && e.Err != nil
	})
	s.has("refreshed", func(e demo.Event) bool { return e.Hour == knock.HourOf(s.config.Clock()) })
	l.Close()
	knocktest.Eventually(t, "the port that came free is listened on", func() bool {
		c, err := dial(netip.AddrPortFrom(s.SSHAddr.Addr(), next[3]))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	s.handshake(next)
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	low, _ := knock.NewRange(1000, 1999)
	for want, c := range map[string]demo.Config{
		"needs a secret":                    {},
		"window -1s is negative":            {Secret: secret(t), Window: -time.Second},
		"address 192.0.2.1 is not on loopb": {Secret: secret(t), Addr: netip.MustParseAddr("192.0.2.1")},
		"ssh port 22 is not within":         {Secret: secret(t), SSHPort: 22},
		"ssh port 70000 is not within":      {Secret: secret(t), SSHPort: 70000},
		"range 1000-1999 has ports below":   {Secret: secret(t), Range: low},
		"ssh port 10022 lies in the range":  {Secret: secret(t), Range: knock.DefaultRange, SSHPort: 10022},
	} {
		if s, err := demo.Start(context.Background(), c); err == nil {
			s.Close()
			t.Errorf("started, instead of: %s", want)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want: %s", err, want)
		}
	}
	noGoroutines(t)
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := demo.Start(ctx, demo.Config{Secret: secret(t)})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	noGoroutines(t)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if s, err := demo.Start(ctx, demo.Config{Secret: secret(t)}); err == nil { // ended before it began
		s.Close()
	}
	noGoroutines(t)
}

func TestCloseEndsSessions(t *testing.T) {
	s := start(t, demo.Config{})
	client := login(t, s.handshake(s.ports(0)))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := client.Wait(); err == nil {
		t.Error("the session ended without a reason")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	s := start(t, demo.Config{Window: time.Minute})
	conns := []net.Conn{s.handshake(s.ports(0))}
	for range 20 {
		c, err := dial(s.SSHAddr)
		if err != nil {
			continue // reset
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(knocktest.Patience))
		conns = append(conns, c)
	}
	greeted := 0
	for _, c := range conns {
		if line, err := bufio.NewReader(c).ReadString('\n'); err == nil && strings.HasPrefix(line, "SSH-") {
			greeted++
		}
	}
	if greeted != 16 {
		t.Errorf("%d connections are served at one time, want 16", greeted)
	}
	conns[0].Close()
	knocktest.Eventually(t, "a place comes free", func() bool {
		c, err := dial(s.SSHAddr)
		if err != nil {
			return false
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(knocktest.Patience))
		_, err = c.Read(make([]byte, 1))
		return err == nil
	})
}
