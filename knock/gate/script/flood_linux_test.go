package script_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// others is how many other addresses knock at port one: more than a set of nft
// holds, and far more than a list of iptables.
const others = 70_000

// The flags of a packet that matter here.
const (
	flagSYN = 0x02
	flagACK = 0x10
)

// flood sends a SYN from each of n addresses of 10.0.0.0/8 to the port.
func flood(t *testing.T, to netip.Addr, port uint16, n int) {
	t.Helper()
	var packets [][]byte
	for i := range n {
		packets = append(packets, packetFrom([4]byte{10, byte(1 + i>>16), byte(i >> 8), byte(i)}, to.As4(), port, flagSYN))
	}
	send(t, to, packets...)
}

// send sends IPv4 packets.
func send(t *testing.T, to netip.Addr, packets ...[]byte) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	sockaddr := syscall.SockaddrInet4{Addr: to.As4()}
	for _, p := range packets {
		if err := syscall.Sendto(fd, p, 0, &sockaddr); err != nil {
			t.Fatal(err)
		}
	}
}

// packetFrom returns an IPv4 packet; the kernel fills in the header's checksum.
func packetFrom(from, to [4]byte, port uint16, flags byte) []byte {
	p := make([]byte, 40)
	p[0], p[8], p[9] = 0x45, 64, syscall.IPPROTO_TCP
	binary.BigEndian.PutUint16(p[2:], 40)
	copy(p[12:], from[:])
	copy(p[16:], to[:])
	tcp := p[20:]
	binary.BigEndian.PutUint16(tcp, 40000)
	binary.BigEndian.PutUint16(tcp[2:], port)
	tcp[12], tcp[13] = 5<<4, flags // header length
	binary.BigEndian.PutUint16(tcp[14:], 1024)
	sum := uint32(syscall.IPPROTO_TCP + len(tcp)) // of the pseudo header too, RFC 9293, section 3.1
	for i := 12; i < len(p); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(tcp[16:], ^uint16(sum))
	return p
}

// While a client is between its first knock and its second, others send SYNs to
// the first port until there is no room. Who comes after that gets in all the
// same; the lists of iptables forget who was there before, and status says so.
func TestRulesUnderAFlood(t *testing.T) {
	knocktest.Long(t)
	long := func(r *script.Rules) { r.Window = time.Minute } // status takes a while
	both(t, long, func(t *testing.T, g *gated) {
		g.Server.Run(t, "sh", "-c", "cd /proc/sys/net/ipv4/conf; echo 0 >all/rp_filter; echo 0 >eth0/rp_filter")
		g.run("setup")
		ports := g.sequence(at)
		early, late := g.from(g.Addr4), g.from(g.Addr4)
		early.knock(ports[0])
		flood(t, g.Addr4, ports[0], others)
		status := g.run("status")
		early.knock(ports[1:]...)
		late.knock(ports[:]...)
		if !late.opens() {
			t.Error("a newcomer does not get in")
		}
		opens, want := early.opens(), "warning: phase1_4 is nearly full"
		if g.rules.Format == script.IPTables {
			want = "a list holds 100 addresses; more by: options xt_recent ip_list_tot="
		}
		if opens != (g.rules.Format == script.NFT) || !strings.Contains(status, want) {
			t.Errorf("opens to the client in phase 1: %v; status:\n%s", opens, status)
		}
	})
}

// A ban of the real fail2ban holds before and after setup, refresh and remove,
// also against whoever knows the handshake.
func TestRulesBesideFail2ban(t *testing.T) {
	knocktest.Long(t)
	knocktest.Need(t, "fail2ban-server", "fail2ban-client")
	both(t, nil, func(t *testing.T, g *gated) {
		banned, free := g.from(g.Addr4), g.from(g.Addr4)
		dir := g.Dir + "/fail2ban"
		g.write("fail2ban/fail2ban.conf", "[Definition]\nloglevel = INFO\nlogtarget = "+dir+"/log\nsyslogsocket = auto\nsocket = "+dir+
			"/sock\npidfile = "+dir+"/pid\ndbfile = None\ndbpurgeage = 1d\n", 0o600)
		g.write("fail2ban/jail.conf", "[sshd]\nenabled = true\nfilter = sshd\nbackend = polling\nlogpath = "+dir+"/auth.log\n"+
			"banaction = iptables\nport = ssh\nprotocol = tcp\naction = iptables[name=sshd, port=ssh, protocol=tcp]\nbantime = 1h\n", 0o600)
		g.write("fail2ban/auth.log", "", 0o600)
		g.Server.Run(t, "ln", "-s", "/etc/fail2ban/action.d", "/etc/fail2ban/filter.d", dir)
		client := func(args ...string) string {
			t.Helper()
			return g.Server.Run(t, "fail2ban-client", append([]string{"-c", dir, "-s", dir + "/sock", "-p", dir + "/pid"}, args...)...)
		}
		client("start")
		t.Cleanup(func() { client("stop") })
		client("set", "sshd", "banip", banned.addr.String())
		bans := func() (lines []string) {
			for line := range strings.Lines(g.loaded()) {
				if strings.Contains(line, "f2b") {
					lines = append(lines, line)
				}
			}
			return lines
		}
		knocktest.Eventually(t, "fail2ban has banned", func() bool { return len(bans()) >= 3 })
		before := strings.Join(bans(), "")
		ports := g.sequence(at)
		for _, action := range []string{"setup", "refresh", "setup", "remove"} {
			g.run(action)
			if after := strings.Join(bans(), ""); after != before {
				t.Errorf("%s changes fail2ban's rules from\n%s\nto\n%s", action, before, after)
			}
			banned.knock(ports[:]...)
			free.knock(ports[:]...)
			if banned.opens() || !free.opens() {
				t.Errorf("after %s: open to the banned %v, to the other %v", action, banned.opens(), free.opens())
			}
		}
	})
}
