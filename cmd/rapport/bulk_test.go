//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// bulk is how much one run of BenchmarkBulk carries each way, in bytes.
const bulk = 1 << 30

// BenchmarkBulk measures the speed of the proxy between pipes, as ssh uses them, and a
// connection on loopback, beside nc in the same run.
func BenchmarkBulk(b *testing.B) {
	knocktest.Need(b, "nc")
	rapport := build(b)
	port, received := bulkServer(b)
	host, at := "127.0.0.1", fmt.Sprint(port)
	for _, peer := range []struct {
		name string
		args []string
	}{
		{"rapport", []string{rapport, "--config", os.DevNull, "proxy", host, at}},
		{"nc", []string{"nc", "-N", host, at}},
	} {
		b.Run(peer.name, func(b *testing.B) {
			var down, up []float64
			for b.Loop() {
				for range 5 {
					d, u := carry(b, peer.args, received)
					down, up = append(down, d), append(up, u)
				}
			}
			slices.Sort(down)
			slices.Sort(up)
			b.ReportMetric(down[len(down)/2], "MB/s-down")
			b.ReportMetric(up[len(up)/2], "MB/s-up")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// bulkServer greets like SSH, sends bulk bytes, then reads to the end, and sends on
// the channel how long that took from the first byte on.
func bulkServer(b *testing.B) (port int, received <-chan time.Duration) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	took := make(chan time.Duration, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("SSH-2.0-bulk\r\n"))
			_, _ = io.CopyN(c, zeros{}, bulk)
			buf := make([]byte, 1<<20)
			n, _ := c.Read(buf)
			started, total := time.Now(), n
			for n > 0 {
				n, _ = c.Read(buf)
				total += n
			}
			c.Close()
			if total == bulk {
				took <- time.Since(started)
			}
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, took
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// carry runs one proxy, down and then up, and returns both speeds in MB/s.
func carry(b *testing.B, args []string, received <-chan time.Duration) (down, up float64) {
	b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "RAPPORT_SECRET=f00b4r")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("SSH-2.0-bulk\r\n"))); err != nil {
		b.Fatal(err)
	}
	speed := func(d time.Duration) float64 { return bulk / 1e6 / d.Seconds() }
	started := time.Now()
	if _, err := io.CopyBuffer(onlyWriter{io.Discard}, io.LimitReader(out, bulk), make([]byte, 1<<20)); err != nil {
		b.Fatal(err)
	}
	down = speed(time.Since(started))
	piece := make([]byte, 1<<20)
	for range bulk / len(piece) {
		if _, err := in.Write(piece); err != nil {
			b.Fatal(err)
		}
	}
	in.Close()
	select {
	case d := <-received:
		up = speed(d)
	case <-time.After(time.Minute):
		b.Fatal("it never arrives whole")
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	return down, up
}

// onlyWriter hides the fast paths of io.CopyBuffer.
type onlyWriter struct{ io.Writer }
