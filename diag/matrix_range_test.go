package diag_test

import (
	"fmt"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock/gate/script"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// rangeFaults are servers with another of the ranges that people use.
func rangeFaults(t *testing.T) []fault {
	var all []fault
	add := func(bottom, top int, name string, o knocktest.Options, f breaking) {
		o.Range = knocktest.NewRange(t, bottom, top)
		all = append(all, fault{
			name: fmt.Sprintf("range %d-%d%s", bottom, top, name), server: o, breaks: f, want: diag.RangeMismatch, opens: true,
			also: func(r diag.Report) bool { return r.Verdict.Detail.ServerRange == o.Range },
		})
	}
	plain, rejects := knocktest.Options{}, knocktest.Options{Refusal: knocktest.Reset}
	hourBehind := knocktest.Options{At: shift(-time.Hour)}
	add(10000, 20000, "", plain, nil)
	add(20000, 29999, "", plain, nil)
	add(30000, 39999, ", at a gate that rejects", rejects, nil)
	add(1024, 65535, "", plain, nil)
	add(49152, 65535, ", IPv6", plain, overIPv6)
	add(32768, 65535, "", plain, nil)
	add(20000, 29999, ", IPv6, at a gate that rejects", rejects, overIPv6)
	add(30000, 39999, ", 200 ms away", knocktest.Options{Path: knocktest.Path{Delay: 100 * time.Millisecond}}, nil)
	add(10000, 20000, ", and 10 % of the packets are lost", knocktest.Options{Path: knocktest.Path{Delay: 10 * time.Millisecond, Loss: 0.1, Seed: 13}}, nil)
	lossy := &all[len(all)-1]
	lossy.or, lossy.also, lossy.opens = []diag.Code{diag.Unexplained}, orSaysLost(diag.RangeMismatch), false
	add(20000, 29999, ", at the gate of rapport rules", knocktest.Options{NoGate: true}, scripted(script.NFT, nil))
	setHere := func(bottom, top int, name string, f breaking) { // the server has the usual one
		add(10000, 10999, fmt.Sprintf(", %d-%d is set here%s", bottom, top, name), knocktest.Options{NoGate: true}, both(f, entry(func(h *hosts.Host) {
			h.Range = knocktest.NewRange(t, bottom, top)
		})))
	}
	setHere(10000, 10998, ", at the gate of rapport rules", scripted(script.NFT, nil))
	setHere(10000, 11999, ", at the gate of rapport rules", scripted(script.IPTables, nil))
	setHere(20000, 20999, ", at the gate of rapport rules", scripted(script.NFT, nil))
	add(20000, 29999, ", 1 h behind", hourBehind, nil)
	two := &all[len(all)-1] // it names both
	two.want, two.or = diag.HourBehind, []diag.Code{diag.RangeMismatch}
	add(1024, 65535, ", 1 h behind, at a gate that rejects", knocktest.Options{At: hourBehind.At, Refusal: knocktest.Reset}, nil)
	two = &all[len(all)-1]
	two.want, two.or = diag.HourBehind, []diag.Code{diag.RangeMismatch}
	add(30000, 39999, ", 40 ms away, at a gate that rejects", knocktest.Options{Path: knocktest.Path{Delay: 20 * time.Millisecond}, Refusal: knocktest.Reset}, nil)
	add(20000, 29999, ", and every ninth knock is lost", plain, func(t *testing.T, s *knocktest.Server, _ *patient) {
		s.Lose(t, knocktest.Loss{Ports: knocktest.Ports{First: 1024, Last: 65535}, Nth: 4, Every: 9})
	})
	return all
}
