package knock

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"syscall"
	"time"
)

// Packet is one SYN of a [Client.SendBatch].
type Packet struct {
	At    time.Duration // from the batch's start, no earlier than the packet before
	Port  uint16        // ignored for a probe
	Probe bool          // goes to the SSH port
}

// BatchOptions say how a batch is sent. The zero BatchOptions are the usual ones.
type BatchOptions struct {
	// Shut is what a probe finds while SSH is shut: SSHFiltered if empty,
	// SSHRefused or SSHUnreachable where the server rejects.
	Shut SSHState
	// Wait is how long answers are awaited after the last packet; zero is 900 ms. A longer one
	// holds for each probe too, whose SYN the kernel repeats meanwhile.
	Wait  time.Duration
	Far   time.Duration // how long the answer to a probe is awaited before the last packet, if longer
	Whole bool          // probes complete the connection: one SYN more would exceed a limit
	// Sockets is the most sockets that are open at a time, 128 if zero. Where more
	// would be needed, the oldest knocks are closed first: their SYN has left.
	Sockets int
}

const (
	// defaultSockets leaves room below the 256 descriptors that some systems give a process.
	defaultSockets = 128
	// nextProbe is how long after a probe the next one mostly leaves.
	nextProbe = 150 * time.Millisecond
)

// PacketReport is one event of a batch: a packet has left, with the answer [Pending], or was
// answered. A probe whose SYN-ACK was dropped is again, by the connection for the banner.
type PacketReport struct {
	Index  int // of the packet in the batch
	Answer Answer
	RTT    Measure
	From   netip.Addr // who sent the ICMP error behind Unreachable, where that is known
}

// BatchReport is what a batch did.
type BatchReport struct {
	Sent int // SYNs that were sent
	// Hit is the index of the first probe that found SSH no longer shut, -1 for
	// none.
	Hit int
	RTT Measure // of that probe
	// SSH is what was found there, as by a probe; it is shut again behind a one-shot accept rule.
	SSH SSH
	// Connections is how many connections to SSH were made: at most one where SYN-ACKs are
	// dropped, else all before the first one was noticed.
	Connections int
}

// SendBatch sends packets one after the other, each at its time or soon after, to knock with
// many sequences in one pass. The first probe that finds SSH no longer shut ends the batch:
// all sockets are closed, and one connection is made to read the banner. Where the platform can
// drop a SYN-ACK, and without Whole, no probe before it completes one. on, if not nil, gets every event on the
// caller's goroutine; it may cancel ctx. The report holds what was done, even if there is an
// error: that wraps [ErrUnreachable] or [ErrSend], or is the cause of ctx's end.
func (c *Client) SendBatch(ctx context.Context, addr netip.AddrPort, packets []Packet, o BatchOptions, on func(PacketReport)) (BatchReport, error) {
	o.Shut = cmp.Or(o.Shut, SSHFiltered)
	o.Wait = cmp.Or(o.Wait, synWatch)
	o.Sockets = cmp.Or(o.Sockets, defaultSockets)
	if on == nil {
		on = func(PacketReport) {}
	}
	b := batch{engine: c.newEngine(addr.Addr()), sshPort: addr.Port(), options: o, on: on, report: BatchReport{Hit: -1}}
	b.engine.record, b.engine.poll = b.record, b.poll
	err := errors.Join(b.run(ctx, packets), b.finish())
	return b.report, err
}

// batch is one call of SendBatch.
type batch struct {
	engine  *engine
	sshPort uint16
	options BatchOptions
	on      func(PacketReport)
	found   *socket       // the probe of the hit, or the connection made after it
	late    *socket       // the first probe that may have been answered by a repeat of its SYN
	lateBy  time.Duration // after its SYN
	noRoute bool
	report  BatchReport // all but SSH is set during the batch
}

// over reports whether no further packet is to be sent.
func (b *batch) over() bool { return b.report.Hit >= 0 || b.noRoute }

func (b *batch) run(ctx context.Context, packets []Packet) error {
	for i, p := range packets {
		if err := b.engine.await(ctx, b.engine.start.Add(p.At), b.over); err != nil || b.over() {
			return b.readHit(ctx, err)
		}
		if err := b.send(ctx, i, p); err != nil {
			return err
		}
	}
	last := time.Now().Add(b.options.Wait)
	err := b.engine.await(ctx, last, func() bool { return b.over() || b.idle() })
	if err == nil && b.late != nil && b.report.Hit < 0 {
		b.hit(b.late)
	}
	return b.readHit(ctx, err)
}

// idle reports whether no socket is watched.
func (b *batch) idle() bool { return len(b.engine.watched) == 0 }

// readHit finds out what SSH answers behind the open gate, unless err is set or
// there was no hit.
func (b *batch) readHit(ctx context.Context, err error) error {
	if err != nil || b.report.Hit < 0 {
		return err
	}
	// The sockets are being closed. Of several hits the first probe counts, even
	// if its answer came later.
	if err := b.engine.await(ctx, time.Now().Add(synWatch), b.idle); err != nil {
		return err
	}
	deadline := time.Now().Add(lastWait + 2*min(time.Duration(b.report.RTT), lastWait))
	if b.found == nil {
		s, err := b.engine.send(socket{port: b.sshPort, probe: true, index: b.report.Hit}, false)
		if err != nil {
			return probeError(b.sshPort, err)
		}
		b.found = s
		b.report.Sent++
		b.engine.watch(s, deadline)
		if err := b.engine.await(ctx, deadline, func() bool { return s.state != stateSent }); err != nil {
			return err
		}
	}
	if b.found.state != stateConnected {
		return nil
	}
	b.engine.readBanner(b.found, deadline)
	return b.engine.await(ctx, deadline.Add(judgeTime), b.found.done)
}

// send sends a packet as soon as there is a socket for it.
func (b *batch) send(ctx context.Context, i int, p Packet) error {
	for {
		if err := b.shrink(ctx, b.options.Sockets-1); err != nil {
			return err
		}
		if b.poll(); b.report.Hit >= 0 {
			return nil
		}
		s := socket{port: p.Port, probe: p.Probe, index: i}
		if p.Probe {
			s.port = b.sshPort
		}
		sent, err := b.engine.send(s, p.Probe && !b.options.Whole)
		if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && !b.idle() {
			// The limit of this machine is lower. A quarter stays free, for the rest
			// of the program and for the connection after the hit.
			b.options.Sockets = max(1, len(b.engine.watched)*3/4)
			continue
		}
		if err != nil {
			return sendError("SYN", err)
		}
		b.report.Sent++
		wait := synWatch
		if s.probe {
			wait = max(wait, b.options.Wait, b.options.Far)
		}
		b.engine.watch(sent, sent.sent.Add(wait))
		b.on(PacketReport{Index: i})
		return nil
	}
}

// poll checks the probes for a SYN-ACK: the kernel wakes no goroutine for one that it drops.
func (b *batch) poll() {
	if b.report.Hit >= 0 {
		return
	}
	for _, s := range b.engine.watched {
		if !s.probe || !s.connected() || b.isLate(s) {
			continue
		}
		if s.drop {
			b.engine.log.Debug("SYN-ACK seen", "port", s.port, "rtt", time.Since(s.sent))
			b.hit(s)
		} else {
			b.closeBut(s.index) // its outcome is about to come
		}
		return
	}
	if b.late != nil && time.Since(b.late.sent) > 2*b.lateBy-synWatch+nextProbe {
		b.hit(b.late)
	}
}

// isLate reports whether an answer to s now may be one to a repeat of its SYN. Then perhaps a later
// candidate has opened SSH, whose own probe is answered at once.
func (b *batch) isLate(s *socket) bool {
	after := time.Since(s.sent)
	if after >= synWatch && b.late == nil {
		b.late, b.lateBy = s, after
	}
	return after >= synWatch
}

// hit records a probe that found SSH no longer shut, unless an earlier one did,
// and closes all other sockets.
func (b *batch) hit(s *socket) {
	if b.report.Hit >= 0 && b.report.Hit < s.index {
		s.closeConn()
		return
	}
	if b.found != nil {
		b.found.closeConn()
	}
	b.report.Hit, b.report.RTT, b.found = s.index, Measure(time.Since(s.sent)), nil
	if s == b.late {
		b.report.RTT = Measure(b.lateBy)
	}
	if s.state == stateSent || s.ssh.State == SSHFiltered { // only its SYN-ACK was seen
		b.closeBut(-1)
		b.on(PacketReport{Index: s.index, Answer: Open, RTT: b.report.RTT})
		return
	}
	b.found = s
	b.closeBut(s.index)
}

// closeBut closes all sockets but that of one packet, and those of earlier probes
// that were accepted too.
func (b *batch) closeBut(index int) {
	for _, s := range b.engine.watched {
		if s.index != index && !(s.index < index && s.probe && s.connected()) {
			s.expire()
			s.close()
		}
	}
}

// shrink ends waits until at most n sockets are open: knocks before probes, the oldest first.
func (b *batch) shrink(ctx context.Context, n int) error {
	spare := len(b.engine.watched) - n
	for _, probes := range []bool{false, true} {
		for _, s := range b.engine.watched {
			if spare > 0 && s.probe == probes {
				s.expire()
				spare--
			}
		}
	}
	return b.engine.await(ctx, time.Now().Add(synWatch), func() bool {
		return len(b.engine.watched) <= n || b.report.Hit >= 0
	})
}

// record records one outcome in the report.
func (b *batch) record(o outcome) {
	if o.greeting != nil {
		return
	}
	if o.answer != Silent {
		b.on(PacketReport{o.index, o.answer, o.rtt(), o.from})
	}
	if !o.probe {
		return
	}
	b.noRoute = b.noRoute || o.noRoute
	if o.answer == Open {
		b.report.Connections++
	}
	// Refused: the gate is open, and nothing listens.
	switch opened := o.answer == Open || o.answer == Refused && b.options.Shut != SSHRefused; {
	case !opened || o.socket == b.found:
	case !b.isLate(o.socket):
		b.hit(o.socket)
	case o.socket != b.late:
		o.closeConn()
	}
}

// finish ends all waits and completes the report.
func (b *batch) finish() error {
	b.engine.end()
	if b.late != nil && b.late != b.found {
		b.late.closeConn()
	}
	switch {
	case b.found != nil:
		b.found.closeConn()
		b.report.SSH = b.found.seen()
		if b.found.state == stateFailed {
			return probeError(b.sshPort, b.found.err)
		}
	case b.noRoute && b.report.Hit < 0:
		return unreachable(b.engine.addr)
	}
	return nil
}
