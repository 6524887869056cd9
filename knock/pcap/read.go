// Package pcap reads captures of a client and of a server, and says which knocks left,
// arrived, were late, came from another address, and who answered them.
//
// [Read] takes a capture of tcpdump or Wireshark: pcap or pcapng; Ethernet with VLANs,
// Linux cooked, or raw IP. [Analyze] finds the handshakes in one or two of them: which
// is the client's and which the server's, it finds out itself. [Tcpdump] is the command
// that records what is needed.
package pcap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Bounds of what is read, and with it of memory.
const (
	maxSegments = 500_000
	maxBytes    = 4 << 30
	// A hostile pcapng defines interfaces and names without end. No more than this lies
	// between two packets of a real one.
	maxBetween    = 1 << 20
	maxInterfaces = 10_000
)

// Errors of [Read].
var (
	ErrNotCapture = errors.New("this is no capture: give a file that tcpdump -w or Wireshark wrote")
	ErrCompressed = errors.New("the capture is compressed: gunzip it first")
	errBetween    = errors.New("more than 1 MiB without a packet")
)

// Capture is what a capture holds of handshakes.
type Capture struct {
	Name    string
	Link    string // the link layer, of the first packet
	Packets int    // read in all
	Other   int    // of another link layer, or damaged
	// Cut says why the rest was not read, nil where it ended as it should.
	Cut error

	segments []segment
	talks    map[flow]*talk // connections that a server accepted
	end      time.Time      // of the last packet
}

// What files begin with: gzip, pcapng, and pcap in microseconds and nanoseconds, in the
// byte order of either machine.
const (
	magicGzip = "\x1f\x8b"
	magicNg   = "\x0a\x0d\x0d\x0a"
)

var magics = []string{magicGzip, magicNg, "\xd4\xc3\xb2\xa1", "\xa1\xb2\xc3\xd4", "\x4d\x3c\xb2\xa1", "\xa1\xb2\x3c\x4d"}

// IsCapture reports whether a file that begins with head is for [Read]: a capture, or a
// compressed file, of which Read says what to do.
func IsCapture(head []byte) bool {
	return slices.ContainsFunc(magics, func(m string) bool { return bytes.HasPrefix(head, []byte(m)) })
}

// ReadFile reads a capture from a file. It fails too when ctx ends.
func ReadFile(ctx context.Context, path string) (*Capture, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the capture %s: %w", knock.Quote(path), phrase.WithoutPath(err))
	}
	defer f.Close()
	c, err := Read(cancellable{ctx, f})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", knock.Quote(path), err)
	}
	c.Name = path
	return c, nil
}

// cancellable fails when its context has ended.
type cancellable struct {
	ctx context.Context
	io.Reader
}

func (c cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}

// source reads packets of either format.
type source struct {
	next func() ([]byte, gopacket.CaptureInfo, error)
	link func(gopacket.CaptureInfo) layers.LinkType
	ng   *pcapgo.NgReader
}

// Read reads a capture. It fails for what is none; a damaged one is read as far as it
// goes.
func Read(r io.Reader) (*Capture, error) {
	limit := &between{r: io.LimitReader(r, maxBytes)}
	buffered := bufio.NewReader(limit)
	s, err := open(buffered)
	if err != nil {
		return nil, err
	}
	c := &Capture{}
	for {
		limit.n = 0
		data, info, err := s.read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.Cut = err
			break
		}
		c.add(data, info, s.link(info))
		if len(c.segments) >= maxSegments {
			c.Cut = fmt.Errorf("it has more than %d SYNs and answers", maxSegments)
			break
		}
	}
	slices.SortStableFunc(c.segments, func(a, b segment) int { return a.at.Compare(b.at) })
	return c, nil
}

// open recognises the format.
func open(r *bufio.Reader) (s source, err error) {
	magic, _ := r.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte(magicGzip)):
		return s, ErrCompressed
	case bytes.Equal(magic, []byte(magicNg)):
		s.ng, err = pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return s, ErrNotCapture
		}
		s.next = s.ng.ZeroCopyReadPacketData
		s.link = func(i gopacket.CaptureInfo) layers.LinkType {
			if len(i.AncillaryData) > 0 {
				if t, ok := i.AncillaryData[0].(layers.LinkType); ok {
					return t
				}
			}
			return layers.LinkTypeNull
		}
		return s, nil
	}
	plain, err := pcapgo.NewReader(r)
	if err != nil {
		return s, ErrNotCapture
	}
	s.next = plain.ZeroCopyReadPacketData
	s.link = func(gopacket.CaptureInfo) layers.LinkType { return plain.LinkType() }
	return s, nil
}

// read returns the next packet. A panic of a reader on a hostile file counts as damage.
func (s source) read() (data []byte, info gopacket.CaptureInfo, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: %s", knock.Clean(fmt.Sprint(p), 80))
		}
	}()
	if s.ng != nil && max(s.ng.NInterfaces(), s.ng.NNames()) > maxInterfaces {
		return nil, info, fmt.Errorf("it has more than %d interfaces or names", maxInterfaces)
	}
	data, info, err = s.next()
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ends within a packet")
	case err != nil && !errors.Is(err, io.EOF):
		err = errors.New(knock.Clean(err.Error(), 80))
	}
	return data, info, err
}

// between fails where too much is read without a packet. Whoever has one sets n to 0.
type between struct {
	r io.Reader
	n int
}

func (b *between) Read(p []byte) (int, error) {
	if b.n > maxBetween {
		return 0, errBetween
	}
	n, err := b.r.Read(p)
	b.n += n
	return n, err
}

// add keeps a packet if it concerns a handshake.
func (c *Capture) add(data []byte, info gopacket.CaptureInfo, link layers.LinkType) {
	c.Packets++
	if c.Link == "" {
		c.Link = linkName(link)
	}
	s, known := decode(data, link)
	if !known {
		c.Other++
		return
	}
	if year := info.Timestamp.Year(); year < 1 || year > 9999 {
		c.Other++
		return
	}
	s.at = info.Timestamp
	c.follow(s, info.CaptureLength < info.Length)
	if s.is() {
		c.segments = append(c.segments, s)
	}
}
