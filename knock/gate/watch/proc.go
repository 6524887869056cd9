package watch

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	conntrack = "/proc/net/nf_conntrack"
	// maxConntrack bounds the size of a conntrack table that is read. A router has
	// more, and the kernel takes long to print them.
	maxConntrack = 50_000
)

// readConnections returns the connections to the ports of the accept rules, and
// whether nothing listens on the SSH port.
func (w *Watcher) readConnections(now time.Time) (all Sockets, down bool) {
	down = w.local
	for i, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(name)
		if err != nil {
			down = down && i > 0 // a kernel may be without IPv6
			continue
		}
		some := ReadSockets(file, w.ports)
		file.Close()
		all.Connections, all.Waiting, all.Waits = append(all.Connections, some.Connections...), append(all.Waiting, some.Waiting...), all.Waits+some.Waits
		down = down && !slices.Contains(some.Listening, w.now.Gate.SSHPort)
	}
	if !w.now.Gate.Ended || now.Before(w.conntrackDue) {
		return all, down
	}
	w.conntrackDue = now.Add(conntrackInterval)
	file, err := os.Open(conntrack)
	if err != nil {
		return all, down
	}
	defer file.Close()
	all.Connections = append(all.Connections, ReadConntrack(file, w.ports, ownAddresses())...)
	return all, down
}

// hasConntrack reports whether /proc shows the connections, and not too many.
func hasConntrack() bool {
	file, err := os.Open(conntrack)
	if err != nil {
		return false
	}
	file.Close()
	text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
	n, err2 := strconv.Atoi(strings.TrimSpace(string(text)))
	return err != nil || err2 != nil || n <= maxConntrack
}

func ownAddresses() (all []netip.Addr) {
	nets, _ := net.InterfaceAddrs()
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			all = append(all, p.Addr().Unmap())
		}
	}
	return all
}

// maxProc bounds what is read of a file in /proc.
const maxProc = 16 << 20

// Connection is a TCP connection to a port of the accept rules. The rules have
// accepted it: one that they drop is in no table.
type Connection struct {
	Client netip.AddrPort
	Port   uint16
}

// Sockets are those of some ports.
type Sockets struct {
	Connections []Connection // from other machines, also those about to close
	Listening   []int        // the ports that have a listener beyond loopback
	// Waiting are the connections that no program has accepted yet, of which the kernel
	// knows Waits.
	Waiting []Connection
	Waits   int
}

// ReadSockets reads /proc/net/tcp or tcp6 (proc(5)).
func ReadSockets(r io.Reader, ports []int) (all Sockets) {
	lines := bufio.NewScanner(io.LimitReader(r, maxProc))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || words[3] == "02" { // SYN_SENT: this machine connects
			continue
		}
		own, port, ok := procAddr(words[1])
		if words[3] == "0A" {
			if ok && !own.IsLoopback() && slices.Contains(ports, int(port)) {
				all.Listening = append(all.Listening, int(port))
				all.Waits += backlog(words)
			}
			continue
		}
		client, from, ok2 := procAddr(words[2])
		if ok && ok2 && slices.Contains(ports, int(port)) && !client.IsLoopback() && from != 0 {
			c := Connection{netip.AddrPortFrom(client, from), port}
			all.Connections = append(all.Connections, c)
			if unaccepted(words) {
				all.Waiting = append(all.Waiting, c)
			}
		}
	}
	return all
}

// backlog returns how many connections wait for a listener to accept them: the kernel
// shows them as its rx_queue.
func backlog(words []string) int {
	if len(words) < 5 {
		return 0
	}
	_, queue, _ := strings.Cut(words[4], ":")
	n, _ := strconv.ParseUint(queue, 16, 31)
	return int(n)
}

// unaccepted reports whether a connection, which the client may have closed, belongs to no
// program: its socket has no inode. That of one which the program has closed has none
// either, and is in another state.
func unaccepted(words []string) bool {
	const inode = 9
	return (words[3] == "01" || words[3] == "08") && len(words) > inode && words[inode] == "0"
}

// procAddr parses 0100007F:0016: words of 32 bits in this machine's byte order.
func procAddr(s string) (addr netip.Addr, port uint16, ok bool) {
	a, p, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(a)
	n, err2 := strconv.ParseUint(p, 16, 16)
	if err != nil || err2 != nil || len(raw)%4 != 0 {
		return addr, 0, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok = netip.AddrFromSlice(raw)
	return addr.Unmap(), uint16(n), ok
}

// ReadConntrack reads /proc/net/nf_conntrack. It returns the connections to the ports
// of this machine, whose addresses are own, including those that closed lately.
//
//	ipv4     2 tcp      6 119 TIME_WAIT src=10.0.0.2 dst=10.0.0.1 sport=50030 dport=22 src=...
func ReadConntrack(r io.Reader, ports []int, own []netip.Addr) (all []Connection) {
	lines := bufio.NewScanner(io.LimitReader(r, maxProc))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 10 || words[2] != "tcp" {
			continue
		}
		first := map[string]string{} // of each key: the original direction's
		for _, w := range words[4:] {
			if k, v, ok := strings.Cut(w, "="); ok && first[k] == "" {
				first[k] = v
			}
		}
		src, err := ParseAddr(first["src"])
		dst, err2 := ParseAddr(first["dst"])
		from, err3 := strconv.ParseUint(first["sport"], 10, 16)
		port, err4 := strconv.ParseUint(first["dport"], 10, 16)
		if err != nil || err2 != nil || err3 != nil || err4 != nil || !slices.Contains(ports, int(port)) ||
			slices.Contains(own, src) || !slices.Contains(own, dst) {
			continue
		}
		all = append(all, Connection{netip.AddrPortFrom(src, uint16(from)), uint16(port)})
	}
	return all
}
