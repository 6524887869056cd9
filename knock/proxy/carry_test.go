package proxy_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"

	"rapport/knock/proxy"
)

// pair returns both ends of a TCP connection on loopback.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); f.Close() })
	return c.(*net.TCPConn), f.(*net.TCPConn)
}

// The end of the input is passed on, and what the far side says after it still
// arrives.
func TestCarryHalfCloses(t *testing.T) {
	near, far := pair(t)
	sent := make([]byte, 3<<20)
	_, _ = rand.Read(sent)
	go func() {
		got, _ := io.ReadAll(far)
		_, _ = far.Write(got)
		far.Close()
	}()
	var back bytes.Buffer
	if err := proxy.Carry(near, bytes.NewReader(sent), &back); err != nil || !bytes.Equal(back.Bytes(), sent) {
		t.Errorf("%d bytes came back of %d, %v", back.Len(), len(sent), err)
	}
}

// The far side ends while the input is still open: that ends it all.
func TestCarryEndsWithTheConnection(t *testing.T) {
	near, far := pair(t)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer in.Close()
	_, _ = far.Write([]byte("bye"))
	far.Close()
	var got bytes.Buffer
	if err := proxy.Carry(near, in, &got); err != nil || got.String() != "bye" {
		t.Errorf("%q, %v", &got, err)
	}
}

func TestCarryTellsOfALostConnection(t *testing.T) {
	near, far := pair(t)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer in.Close()
	_ = far.SetLinger(0) // a RST
	far.Close()
	if err := proxy.Carry(near, in, io.Discard); !errors.Is(err, proxy.ErrLost) {
		t.Errorf("err = %v", err)
	}
}

// Where standard output is not a socket from ssh, the connection stays usable.
func TestPassToSomethingElse(t *testing.T) {
	near, far := pair(t)
	_, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := proxy.PassTo(out, near); !errors.Is(err, proxy.ErrNoFdpass) {
		t.Fatalf("err = %v", err)
	}
	if _, err := near.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if n, err := far.Read(make([]byte, 1)); n != 1 {
		t.Error(err)
	}
}
