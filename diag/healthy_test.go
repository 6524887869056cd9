package diag_test

import (
	"fmt"
	"testing"
	"time"

	"rapport/diag"
	"rapport/diag/doctor"
	"rapport/diag/scan"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// healthy is a server that has nothing, behind what many servers are behind.
type healthy struct {
	name    string
	options knocktest.Options
	breaks  breaking
	servers int // IPv4 and IPv6 in turn, half of them with clocks
	times   int
}

func healthyServers() []healthy {
	const window = 2 * time.Second
	behind := func(p knocktest.Path) knocktest.Options { return knocktest.Options{Window: window, Path: p} }
	return []healthy{
		{"plain", knocktest.Options{Window: time.Second}, nil, 10, 5},
		{"20 % of the packets are lost", behind(knocktest.Path{Delay: 10 * time.Millisecond, Loss: 0.2}), nil, 10, 4},
		{"600 ms away", behind(knocktest.Path{Delay: 300 * time.Millisecond}), nil, 4, 2},
		{"NAT", knocktest.Options{Window: window, Router: true}, func(t *testing.T, s *knocktest.Server, _ *patient) { s.Router.Masquerade(t) }, 4, 2},
		{"a slow banner", knocktest.Options{Window: window, NoSSHD: true}, serves(knocktest.SayAfter(3*time.Second, banner)), 4, 2},
		{"a service on one knock port", knocktest.Options{Window: window}, func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.ServePort(t, knockPort(3), false, knocktest.Say("HTTP/1.1 400 Bad Request\r\n\r\n"))
		}, 4, 2},
	}
}

// TestHealthyServer makes 122 diagnoses of 36 servers that have nothing. Repeated
// handshakes on a lossy path are no fault. Twice that number, as before a release:
//
//	RAPPORT_REAL_GATE=1 go test -run HealthyServer -count 2 ./diag
func TestHealthyServer(t *testing.T) {
	knocktest.Long(t)
	for _, x := range healthyServers() {
		if x.options.Path.Loss >= heavyLoss && !*allRows {
			continue
		}
		for n := range x.servers {
			t.Run(fmt.Sprint(x.name, " ", n), func(t *testing.T) {
				t.Parallel()
				x := x
				x.options.At = morning
				if x.options.Path.Loss > 0 {
					x.options.Path.Seed = uint64(n)
				}
				x.run(t, n)
			})
		}
	}
}

// run diagnoses one of the servers.
func (x healthy) run(t *testing.T, n int) {
	s := knocktest.NewServer(t, x.options)
	client := knocktest.ClientAt(morning)
	if n%2 == 0 {
		s.ServeClocks(t, knocktest.Clocks{HTTP: true, NTP: true, Clock: client.Clock})
	}
	p := patient{host: hosts.NewHost("server"), doctor: doctor.Doctor{Client: client, Past: scan.DefaultPast}}
	p.host.Window = s.Window
	p.host.Address = []string{s.Addr4.String(), s.Addr6.String()}[n%3%2]
	if x.breaks != nil {
		x.breaks(t, s, &p)
	}
	for range x.times {
		r, err := p.doctor.Run(t.Context(), p.host, s.Secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		works := r.Verdict.Code == diag.Opens || r.Verdict.Code == diag.LossyPath && x.options.Path.Loss > 0
		if !works || !r.Verdict.Change.IsZero() {
			t.Errorf("a fault of a healthy server:\n%s", r.Text(true))
		}
		time.Sleep(s.Window + time.Second) // until it is shut again
	}
}
