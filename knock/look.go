package knock

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// synWatch is how long a knock's socket is watched for an answer. The kernel
// repeats an unanswered SYN after a second, and a repeat would be a sixth knock.
const synWatch = 900 * time.Millisecond

// packet is one SYN on its way, and what became of it.
type packet struct {
	*syn
	// Where it belongs: a knock of an attempt, or a look at SSH.
	attempt, knock int
	look           *look
}

// look is one connection attempt to the SSH port.
type look struct {
	packet  packet
	before  bool // made before the handshake
	conn    net.Conn
	ssh     SSH
	judged  bool  // ssh is final
	noRoute bool  // no route to the host
	unsent  bool  // this machine knew no way at that moment
	err     error // this machine could not take the connection
}

// tells says how much a look tells, for comparison: the banner before anything
// else, a connection before none, a refusal before silence.
func (l *look) tells() int {
	switch {
	case l.judged && l.conn != nil && l.ssh.State == SSHOpen:
		return 5
	case l.judged && l.conn != nil && l.ssh.State != SSHSilent:
		return 4
	case l.conn != nil && !l.judged:
		return 3
	case l.conn != nil:
		return 2
	case l.judged && l.ssh.State != SSHFiltered:
		return 1
	}
	return 0
}

// reply is what came back to a SYN.
type reply struct {
	answer  Answer
	at      time.Time
	noRoute bool       // no route to the host, as against something there that rejects
	from    netip.Addr // who sent the ICMP error, where that is known
}

// outcome is what a watcher saw: the reply to a packet, or, where greeted is
// set, the banner behind it.
type outcome struct {
	packet packet
	reply
	greeted bool
	state   SSHState
	text    string
	conn    net.Conn
}

// watchers wait, each in a goroutine of its own, and report to one channel.
type watchers struct {
	addr     netip.Addr
	outcomes chan outcome
	running  sync.WaitGroup
	ends     []func() // each lets one watcher return with what it has
	packets  []packet
}

// newWatchers returns watchers of which up to n packets are under way at a time,
// so that none of them ever blocks on its report.
func newWatchers(addr netip.Addr, n int) *watchers {
	return &watchers{addr: addr, outcomes: make(chan outcome, 2*n)}
}

// answer watches for the answer to p until deadline.
func (w *watchers) answer(p packet, deadline time.Time) {
	w.packets = append(w.packets, p)
	w.ends = append(w.ends, p.expire)
	w.running.Go(func() {
		r := p.wait(deadline, w.addr)
		if p.look == nil || r.answer != Open {
			p.close()
		}
		w.outcomes <- outcome{packet: p, reply: r}
	})
}

// greeting watches the connection of p's look for its banner until deadline.
func (w *watchers) greeting(p packet, deadline time.Time) {
	c := p.look.conn
	read := &reader{conn: c}
	w.ends = append(w.ends, func() { read.expires(time.Now()) })
	w.running.Go(func() {
		state, text, whole := read.banner(deadline)
		w.outcomes <- outcome{packet: p, reply: reply{at: time.Now()}, greeted: true, state: state, text: text, conn: whole}
	})
}

// forget drops a packet whose outcome was taken and whose socket is closed or
// will be: of thousands, only those under way are kept.
func (w *watchers) forget(p packet) {
	i := slices.IndexFunc(w.packets, func(q packet) bool { return q.syn == p.syn })
	if i >= 0 {
		w.packets = slices.Delete(w.packets, i, i+1)
		w.ends = slices.Delete(w.ends, i, i+1)
	}
}

// end lets every watcher return with what it has, and returns when all have.
// Their outcomes wait in the channel.
func (w *watchers) end() {
	for _, end := range w.ends {
		end()
	}
	w.running.Wait()
	close(w.outcomes)
}

// close closes what is still open. It comes after end.
func (w *watchers) close() {
	for _, p := range w.packets {
		p.close()
	}
}

// take notes an outcome on the look that it belongs to. Times count from start.
func (l *look) take(o outcome, start time.Time) {
	if o.greeted {
		l.judged, l.ssh.State, l.ssh.Banner, l.conn = true, o.state, o.text, o.conn
		if o.text != "" {
			l.ssh.Read = Measure(o.at.Sub(start))
		}
		return
	}
	if o.answer != Silent {
		l.ssh.RTT = Measure(o.at.Sub(l.packet.sent))
	}
	l.noRoute = o.noRoute
	switch o.answer {
	case Open:
		c, err := l.packet.conn()
		l.packet.close()
		if err != nil {
			l.judged, l.ssh.State, l.err = true, SSHSilent, err
			return
		}
		l.conn, l.ssh.Connect = c, Measure(o.at.Sub(start))
		return
	case Refused:
		l.ssh.State = SSHRefused
	case Unreachable:
		l.ssh.State = SSHUnreachable
	default:
		l.ssh.State = SSHFiltered
	}
	l.judged = true
}
