//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// BenchmarkWatchFlood floods a gate with ten thousand sources a second for a minute, a
// SYN to a port of the range each, while a client a second knocks. It reports what watch
// --clients needs, and how many of these clients it names:
//
//	go test -run '^$' -bench WatchFlood -benchtime 1x ./cmd/rapport
func BenchmarkWatchFlood(b *testing.B) {
	const rate, seconds = 10_000, 60
	knocktest.Need(b, "iptables-save", "ip6tables-save", "nft")
	rapport := build(b)
	for _, format := range []string{"iptables", "nft"} {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				s, _ := scripted(b, rapport, format)
				w := watchOn(b, s, rapport, "--clients", "--in")
				ctx, cancel := context.WithTimeout(b.Context(), seconds*time.Second)
				defer cancel()
				pid := processOf(b, rapport)
				began, before := time.Now(), cpuOf(b, pid)
				five := knock.Derive(knock.HourOf(time.Now()), s.Range, s.Secret).Ports()
				go func() {
					x := s.NewSender(b)
					for i := byte(1); ctx.Err() == nil; i++ {
						for k, p := range append(five[:], 22) {
							x.Send(knocktest.Packet{From: netip.AddrFrom4([4]byte{203, 0, 113, i}), Port: p, SourcePort: 3000 + uint16(k)})
						}
						time.Sleep(time.Second)
					}
				}()
				dice, n := rand.New(rand.NewPCG(1, 2)), uint32(0)
				sent := s.NewSender(b).Flood(ctx, rate, rate*seconds, func() knocktest.Packet {
					n++
					return knocktest.Packet{From: netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)}), Port: uint16(10000 + dice.IntN(1000))}
				})
				elapsed := time.Since(began)
				b.ReportMetric(float64(sent)/elapsed.Seconds(), "SYN/s")
				b.ReportMetric((cpuOf(b, pid)-before).Seconds()/elapsed.Seconds()*100, "%core")
				b.ReportMetric(peakOf(b, pid), "MB")
				time.Sleep(10 * time.Second) // windows, and what waits for them
				named := map[string]bool{}
				for len(w.lines) > 0 {
					if e := <-w.lines; e.Event == "client" && e.Client.In {
						named[e.Address] = true
					}
				}
				b.ReportMetric(float64(len(named)), "clients")
			}
		})
	}
}

// processOf returns the process that runs a program of this path.
func processOf(b *testing.B, path string) string {
	b.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range all {
		if target, err := os.Readlink(exe); err == nil && target == path {
			return filepath.Base(filepath.Dir(exe))
		}
	}
	b.Fatal("the watch does not run")
	return ""
}

// cpuOf returns the time that a process has had a core.
func cpuOf(b *testing.B, pid string) time.Duration {
	b.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')'):])
	user, _ := strconv.Atoi(f[12])
	system, _ := strconv.Atoi(f[13])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ
}

// peakOf returns the most memory that a process has had resident, in MB.
func peakOf(b *testing.B, pid string) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		b.Fatal(err)
	}
	var kb float64
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscan(rest, &kb)
		}
	}
	return kb / 1024
}
