//go:build linux

package netfilter_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// network is a network namespace with a firewall. Packets enter it by a TUN device
// with the name eth0: the kernel has decided about a packet when the write returns.
type network struct {
	tun *os.File
	raw [2]int // sockets that send whole packets, of IPv4 and IPv6
}

// The addresses of the network's host.
var (
	host4 = netip.MustParseAddr("10.9.0.1")
	host6 = netip.MustParseAddr("fd09::1")
)

// inNetwork calls f with a network of its own. The thread that is in its namespace
// is never unlocked: it ends with its goroutine, and the namespace ends with it.
func inNetwork(f func(*network) error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			n, err := newNetwork()
			if err != nil {
				return err
			}
			defer n.close()
			return f(n)
		}()
	}()
	return <-done
}

func newNetwork() (*network, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, os.NewSyscallError("unshare", err)
	}
	for _, device := range []string{"all", "default"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+device+"/rp_filter", []byte("0"), 0); err != nil {
			return nil, err
		}
	}
	// The packets have no sequence numbers, so they may not decide anything.
	if err := os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal", []byte("1"), 0); err != nil {
		return nil, err
	}
	n := &network{}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open /dev/net/tun", err)
	}
	request, _ := unix.NewIfreq("eth0")
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, os.NewSyscallError("ioctl TUNSETIFF", err)
	}
	n.tun = os.NewFile(uintptr(fd), "tun")
	for i, domain := range []int{unix.AF_INET, unix.AF_INET6} {
		if n.raw[i], err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			return nil, os.NewSyscallError("socket", err)
		}
	}
	if _, err := n.run(`link set lo up
link set eth0 up
addr add 10.9.0.1/16 dev eth0
addr add fd09::1/64 dev eth0 nodad
`, "ip", "-batch", "-"); err != nil {
		return nil, err
	}
	return n, n.settle()
}

// settle waits until the address of IPv6 is one of the host: the kernel makes its route
// some time after the address.
func (n *network) settle() error {
	for range 500 {
		routes, err := n.run("", "ip", "-6", "route", "show", "table", "local", "dev", "eth0")
		if err != nil || strings.Contains(routes, "local "+host6.String()+" ") {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("no route to %s after 5 s", host6)
}

func (n *network) close() {
	n.tun.Close()
	for _, fd := range n.raw {
		unix.Close(fd)
	}
}

// run runs a program in the namespace.
func (n *network) run(stdin, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s%s", name, err, said.String(), stdin)
	}
	return out.String(), nil
}

// receive lets the packet come in by eth0.
func (n *network) receive(p packet, id int) error {
	_, err := n.tun.Write(p.bytes(id))
	return err
}

// send lets the host itself send the packet. A packet that its firewall drops is
// no error.
func (n *network) send(p packet, id int) error {
	var err error
	if p.Src.Is4() {
		err = unix.Sendto(n.raw[0], p.bytes(id), 0, &unix.SockaddrInet4{Addr: p.Dst.As4()})
	} else {
		err = unix.Sendto(n.raw[1], p.bytes(id), 0, &unix.SockaddrInet6{Addr: p.Dst.As16()})
	}
	if err == unix.EPERM {
		return nil
	}
	return err
}

// accounting records which packets got through: behind everything, by their
// numbers. It also keeps the host's own answers from being sent, which are not
// packets of the test.
const accounting = `table inet zz_accounting {
	set seen4 { typeof ip id; flags dynamic; size 65000; }
	set seen6 { typeof ip6 flowlabel; flags dynamic; size 65000; }
	chain first { type filter hook output priority -500; ip ttl != 77 drop; ip6 hoplimit != 77 drop; }
	chain in { type filter hook input priority 1000; add @seen4 { ip id }; add @seen6 { ip6 flowlabel }; }
	chain out { type filter hook postrouting priority 1000; add @seen4 { ip id }; add @seen6 { ip6 flowlabel }; }
}
`

var element = regexp.MustCompile(`\d+`)

// through returns the numbers of the packets that got through the accounting.
func (n *network) through() (map[int]bool, error) {
	text, err := n.run("", "nft", "list", "table", "inet", "zz_accounting")
	all := map[int]bool{}
	for part := range strings.SplitSeq(text, "elements = {") {
		list, _, ok := strings.Cut(part, "}")
		if !ok || strings.HasPrefix(part, "table") {
			continue
		}
		for _, digits := range element.FindAllString(list, -1) {
			id, _ := strconv.Atoi(digits)
			all[id] = true
		}
	}
	return all, err
}
