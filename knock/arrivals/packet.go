// Package arrivals tells from SYNs alone, as an observer sees them, who knocked what
// with which candidate, and which mistake was made.
//
// A [Table] holds the sequences of all likely candidates and finds the one that made
// a few ports. A [Tracker] takes one [Packet] after the other, on a server or from
// captures, collects those of each source, and returns a [Client] for each handshake
// or scan that is over. A [Finding] is one mistake: a code and its arguments; its
// sentence and its fix are made by [Finding.Summary] and [Finding.Fix].
package arrivals

import (
	"net/netip"
	"time"
)

// Kind is what a packet is.
type Kind uint8

// The kinds of packets.
const (
	SYN         Kind = iota // asks for a connection: a knock, or SSH
	Accepted                // a SYN and ACK that answers one
	Refused                 // an RST that answers one
	Unreachable             // an ICMP error that answers one
)

// String is the word for a kind of answer, "silent" for none.
func (k Kind) String() string {
	return [...]string{"silent", "open", "refused", "unreachable"}[k]
}

// Packet is a SYN, or an answer to one. Of an answer, Src and Dst are those of the SYN
// that it answers.
type Packet struct {
	Kind     Kind
	Src, Dst netip.AddrPort
	Seq      uint32
	// Sent is when it left the client, Arrived when it reached the server; an answer
	// only has Sent, when it was seen. Zero is not known.
	Sent, Arrived time.Time
	// From is the source as the server saw it, zero where it is that of Src.
	From netip.Addr
	By   netip.Addr // who sent an answer
	// Between: an answer reached the client, and the server did not send it.
	Between bool
}

// at returns when the packet was seen, at the server if it was seen there.
func (p Packet) at() time.Time {
	if !p.Arrived.IsZero() {
		return p.Arrived
	}
	return p.Sent
}

// Knock is a SYN of a client.
type Knock struct {
	Port  uint16
	Phase int // 1 to 5, of the client's candidate; 0 for a port that is none of its
	// Entered is the phase of the observed gate that it entered; 0: the rules ignored it.
	Entered int
	// Sent is when it left the client, Arrived when it reached the server. Zero is
	// never, or not known.
	Sent, Arrived time.Time
	Repeats       int        // how often it came again, with the same sequence number
	From          netip.Addr // its source at the server, if that is not the client's address
	Answer        Kind       // SYN for none
	By            netip.Addr // who answered
	Between       bool       // and the server did not send that answer
}

// At returns when the knock counts: on arrival, or when sent if arrivals are unknown.
func (k Knock) At() time.Time {
	if !k.Arrived.IsZero() {
		return k.Arrived
	}
	return k.Sent
}
