package knock

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// Packet is one SYN of a [Client.SendBatch].
type Packet struct {
	At    time.Duration // from the batch's start, no earlier than the shot before
	Port  uint16
	Probe bool // goes to the SSH port, whatever Port says
}

// BatchOptions say how a batch is made. The zero BatchOptions are the usual
// ones.
type BatchOptions struct {
	// Shut is what a look finds while SSH is shut: SSHFiltered if empty,
	// SSHRefused or SSHUnreachable where the server rejects.
	Shut SSHState
	// Wait is how long answers are awaited after the last shot: 900 ms if zero,
	// which is the most.
	Wait time.Duration
	// Sockets bounds how many sockets are open at a time, 128 if zero. Knocks
	// give up theirs first: for them, to have left is enough.
	Sockets int
}

// defaultSockets leaves room below the 256 descriptors that some systems give
// to a process.
const defaultSockets = 128

// PacketReport is one step of a batch: a shot has left, with the answer
// [Pending], or was answered.
type PacketReport struct {
	Index  int
	Answer Answer
	RTT    Measure
	From   netip.Addr // who sent the ICMP error behind Unreachable, where that is known
}

// BatchReport is what a batch did.
type BatchReport struct {
	Sent int // SYNs that left
	// Hit is the first look that found SSH no longer shut, -1 for none.
	Hit int
	// SSH is what was found there; a banner is awaited as in a probe. It is shut
	// again behind a door that the first connection uses up.
	SSH SSH
	// Connections is how many connections to SSH came about: one, where the
	// platform lets a look hear that it would be accepted; else those that were
	// accepted before the first one was seen.
	Connections int
	Elapsed     Millis
}

// SendBatch sends the shots one after the other, each at its time or as soon after
// it as it can, to knock at many gates in one pass. The first look that finds
// SSH no longer shut ends it: all sockets are closed at once, and one connection
// is made to see what SSH says. Until then none comes about: looks only hear
// whether they would be accepted. on, if not
// nil, is called with every step, on Batch's own goroutine; what has to stop a
// batch early can cancel ctx there.
//
// The report holds whatever was done, also beside an error. Errors wrap
// ErrUnreachable or ErrSend, or are the cause of ctx's end.
func (c *Client) SendBatch(ctx context.Context, addr netip.AddrPort, shots []Packet, o BatchOptions, on func(PacketReport)) (BatchReport, error) {
	if o.Shut == SSHUnknown {
		o.Shut = SSHFiltered
	}
	if o.Wait <= 0 || o.Wait > synWatch {
		o.Wait = synWatch
	}
	if o.Sockets <= 0 {
		o.Sockets = defaultSockets
	}
	v := batch{
		addr: addr, options: o, on: on, start: time.Now(),
		watch:  newWatchers(addr.Addr(), o.Sockets+2),
		report: BatchReport{Hit: -1},
	}
	err := v.run(ctx, shots)
	err = errors.Join(err, v.finish())
	v.report.Elapsed = Millis(time.Since(v.start))
	return v.report, err
}

// batch is one call of Batch under way.
type batch struct {
	addr    netip.AddrPort
	options BatchOptions
	on      func(PacketReport)
	start   time.Time
	watch   *watchers
	open    []packet // sockets that are still watched, the oldest first
	found   *look    // the hit, or the connection made after it
	noRoute bool
	report  BatchReport // its Hit and Connections count as it goes
}

func (v *batch) run(ctx context.Context, shots []Packet) error {
	over := func() bool { return v.report.Hit >= 0 || v.noRoute }
	for i, shot := range shots {
		if err := v.await(ctx, v.start.Add(shot.At), over); err != nil || over() {
			return v.end(ctx, err)
		}
		if err := v.send(ctx, i, shot); err != nil {
			return err
		}
	}
	err := v.await(ctx, time.Now().Add(v.options.Wait), func() bool { return over() || len(v.open) == 0 })
	return v.end(ctx, err)
}

// end finds out what SSH says behind the gate that is open.
func (v *batch) end(ctx context.Context, err error) error {
	if err != nil || v.report.Hit < 0 {
		return err
	}
	// The sockets are being closed. Of several hits the first look counts,
	// whichever answer was first.
	if err := v.await(ctx, time.Now().Add(synWatch), func() bool { return len(v.open) == 0 }); err != nil {
		return err
	}
	deadline := time.Now().Add(lastWait)
	if v.found == nil {
		s, err := sendSYN(v.addr)
		if err != nil {
			return sendError("connection to the SSH port", err)
		}
		v.found = &look{}
		v.found.packet = packet{syn: s, knock: v.report.Hit, look: v.found}
		v.report.Sent++
		v.watch.answer(v.found.packet, deadline)
		if err := v.await(ctx, deadline, func() bool { return v.found.judged || v.found.conn != nil }); err != nil {
			return err
		}
	}
	if v.found.conn == nil {
		return nil
	}
	v.watch.greeting(v.found.packet, deadline)
	return v.await(ctx, deadline.Add(verdictTime), func() bool { return v.found.judged })
}

// send sends a shot as soon as there is a socket for it.
func (v *batch) send(ctx context.Context, i int, shot Packet) error {
	for {
		if err := v.shrink(ctx, v.options.Sockets-1); err != nil {
			return err
		}
		if v.listen(); v.report.Hit >= 0 {
			return nil
		}
		s, err := v.shoot(shot)
		if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && len(v.open) > 0 {
			// This machine gives fewer. Some stay free, for what else goes on and
			// for the connection that a look becomes.
			v.options.Sockets = max(1, len(v.open)*3/4)
			continue
		}
		if err != nil {
			return sendError("SYN", err)
		}
		p := packet{syn: s, knock: i}
		if shot.Probe {
			p.look = &look{}
			p.look.packet = p
		}
		v.report.Sent++
		v.open = append(v.open, p)
		v.watch.answer(p, s.sent.Add(synWatch))
		v.tell(PacketReport{Index: i})
		return nil
	}
}

func (v *batch) shoot(shot Packet) (*syn, error) {
	if shot.Probe {
		return sendSYNDropSYNACK(v.addr)
	}
	return sendSYN(netip.AddrPortFrom(v.addr.Addr(), shot.Port))
}

// listen asks the sockets of looks themselves whether they were accepted, or
// would be: of that nobody is told who watches them.
func (v *batch) listen() {
	for _, p := range v.open {
		if p.look != nil && p.connected() {
			if p.dropsSYNACK() {
				v.hit(p, nil)
			} else {
				v.closeBut(p.knock) // its watcher is about to tell
			}
			return
		}
	}
}

// hit notes the first look that found SSH no longer shut, and closes all other
// sockets. found is what it found, nil if it only saw its SYN-ACK.
func (v *batch) hit(p packet, found *look) {
	if v.report.Hit >= 0 && v.report.Hit < p.knock {
		if p.look.conn != nil {
			p.look.conn.Close()
		}
		return
	}
	if v.found != nil && v.found.conn != nil {
		v.found.conn.Close()
	}
	v.report.Hit, v.found = p.knock, found
	keep := p.knock
	if found == nil {
		keep = -1
	}
	v.closeBut(keep)
}

// closeBut closes all sockets but that of one shot, and of looks before it that
// were accepted too.
func (v *batch) closeBut(shot int) {
	for _, p := range v.open {
		if p.knock != shot && !(p.knock < shot && p.look != nil && p.connected()) {
			p.expire()
			p.close()
		}
	}
}

// shrink gives sockets up until at most n are open, knocks before looks, the
// oldest first.
func (v *batch) shrink(ctx context.Context, n int) error {
	spare := len(v.open) - n
	for _, looks := range []bool{false, true} {
		for _, p := range v.open {
			if spare > 0 && (p.look != nil) == looks {
				p.expire()
				spare--
			}
		}
	}
	return v.await(ctx, time.Now().Add(synWatch), func() bool { return len(v.open) <= n || v.report.Hit >= 0 })
}

// listenAgain is how often await listens to looks.
const listenAgain = 2 * time.Millisecond

// await takes outcomes until done or the time at.
func (v *batch) await(ctx context.Context, at time.Time, done func() bool) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	again := time.NewTicker(listenAgain)
	defer again.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			return nil
		case <-again.C:
			if v.report.Hit < 0 {
				v.listen()
			}
		case o := <-v.watch.outcomes:
			v.take(o)
		}
	}
	return nil
}

// take notes one outcome and tells of it.
func (v *batch) take(o outcome) {
	p := o.packet
	if !o.greeted {
		v.open = slices.DeleteFunc(v.open, func(q packet) bool { return q.syn == p.syn })
		v.watch.forget(p)
	}
	if p.look == nil {
		v.answered(o)
		return
	}
	last := p.look == v.found // the connection after the hit, or the hit's banner
	p.look.take(o, v.start)
	if o.greeted {
		return
	}
	v.noRoute = v.noRoute || o.noRoute
	if o.answer == Open {
		v.report.Connections++
	}
	v.answered(o)
	if !last && v.opened(o) {
		v.hit(p, p.look)
	}
}

// opened reports whether a look found more than it does while SSH is shut.
func (v *batch) opened(o outcome) bool {
	switch o.answer {
	case Open:
		return true
	case Refused: // the gate lets through, and nothing listens
		return v.options.Shut == SSHFiltered || v.options.Shut == SSHUnreachable
	}
	return false
}

func (v *batch) answered(o outcome) {
	if o.answer != Silent {
		v.tell(PacketReport{o.packet.knock, o.answer, Measure(o.at.Sub(o.packet.sent)), o.from})
	}
}

func (v *batch) tell(r PacketReport) {
	if v.on != nil {
		v.on(r)
	}
}

// finish ends whatever is under way and settles the report.
func (v *batch) finish() error {
	v.watch.end()
	for o := range v.watch.outcomes {
		v.take(o)
	}
	v.watch.close()
	if l := v.found; l != nil {
		v.report.SSH = l.ssh
		if l.conn != nil {
			l.conn.Close()
		}
		if !l.judged {
			v.report.SSH.State = SSHSilent
		}
		if l.err != nil {
			return sendError("connection to the SSH port", l.err)
		}
	}
	if v.noRoute && v.report.Hit < 0 {
		return unreachable(v.addr.Addr())
	}
	return nil
}
