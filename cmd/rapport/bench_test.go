//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"rapport/knock/knocktest"
)

// BenchmarkCommandToBanner measures, from the start of the command to the line
// that starts SSH-, on the real gate: this program, the article's script, and
// knockd's client fed by the article's derivation; and how many times this
// program's median each one's is.
func BenchmarkCommandToBanner(b *testing.B) {
	knocktest.Need(b, "knock", "nc", "sh")
	rapport := build(b)
	s := knocktest.NewServer(b, knocktest.Options{})
	article := knocktest.ArticleClient(b, s)
	dir := filepath.Dir(article)
	knockd := filepath.Join(dir, "knockd.sh")
	script := `. "$1/calc.sh"; calc_knock_ports "$(cat "$1/secret")" $(cat "$1/range")
knock "$2" $pk_port1 $pk_port2 $pk_port3 $pk_port4 $pk_port5; nc "$2" 22`
	if err := os.WriteFile(knockd, []byte(script), 0o600); err != nil {
		b.Fatal(err)
	}
	host := s.Addr4.String()
	medians := map[string]time.Duration{}
	for _, peer := range []struct {
		name string
		args []string
		runs int
	}{
		{"rapport", []string{rapport, "knock", host}, 21},
		{"knockd", []string{"sh", knockd, dir, host}, 21},
		{"article", []string{"sh", article, host, "22"}, 3},
	} {
		b.Run(peer.name, func(b *testing.B) {
			var all []time.Duration
			for b.Loop() {
				for range peer.runs {
					b.StopTimer()
					s.Refresh(b, time.Now()) // shuts it again
					b.StartTimer()
					all = append(all, untilBanner(b, peer.args))
				}
			}
			slices.Sort(all)
			medians[peer.name] = all[len(all)/2]
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms-median")
			b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "ms-worst")
			if ours, ok := medians["rapport"]; ok {
				b.ReportMetric(float64(medians[peer.name])/float64(ours), "times-rapport")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// untilBanner runs a command until it prints a line that has SSH- in it.
func untilBanner(b *testing.B, args []string) time.Duration {
	b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "RAPPORT_SECRET="+knocktest.DefaultSecret)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	in, err := cmd.StdinPipe() // nc would end with its input
	if err != nil {
		b.Fatal(err)
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "SSH-") {
			return time.Since(started)
		}
	}
	b.Fatalf("%v: no banner", args)
	return 0
}

// BenchmarkSeq measures one run of seq, on a terminal that answers no queries.
func BenchmarkSeq(b *testing.B) {
	rapport := build(b)
	for b.Loop() {
		cmd := exec.Command(rapport, "seq", "host")
		cmd.Env = append(os.Environ(), "RAPPORT_SECRET=f00b4r", "TERM=xterm-256color")
		tty, err := pty.Start(cmd)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, tty)
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		tty.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/seq")
}

// BenchmarkScreens starts the demo on a terminal that answers no queries, and
// reports the time to the first frame, and the resident memory and the share of
// a core that it takes when nothing happens for ten seconds.
func BenchmarkScreens(b *testing.B) {
	rapport := build(b)
	var first, memory, cpu float64
	for b.Loop() {
		cmd := exec.Command(rapport, "demo")
		cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8")
		started := time.Now()
		tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
		if err != nil {
			b.Fatal(err)
		}
		var seen []byte
		for buf := make([]byte, 4096); !bytes.Contains(seen, []byte("handshake")); {
			n, err := tty.Read(buf)
			if err != nil {
				b.Fatalf("no frame: %v, %q", err, seen)
			}
			seen = append(seen, buf[:n]...)
		}
		first = float64(time.Since(started).Microseconds()) / 1000
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			_, _ = io.Copy(io.Discard, tty)
		}()
		_, _ = tty.WriteString("k") // a handshake has been made and is over
		time.Sleep(6 * time.Second)
		const idle = 10 * time.Second
		before := cpuTime(b, cmd.Process.Pid)
		time.Sleep(idle)
		cpu = 100 * float64(cpuTime(b, cmd.Process.Pid)-before) / float64(idle)
		memory = residentMB(b, cmd.Process.Pid)
		_, _ = tty.WriteString("q")
		<-drained
		_ = cmd.Wait()
		tty.Close()
	}
	b.ReportMetric(first, "ms-first-frame")
	b.ReportMetric(memory, "MB-resident")
	b.ReportMetric(cpu, "%-cpu-idle")
	b.ReportMetric(0, "ns/op")
}

// cpuTime returns the processor time that a process has taken, see proc(5).
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

func residentMB(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) / 1024
}
