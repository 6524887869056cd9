package watch

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
)

// Metrics serves the counters of a watch in the text format of Prometheus.
type Metrics struct {
	listener net.Listener
	server   *http.Server
	mu       sync.Mutex
	now      Snapshot
}

// NewMetrics listens on an address, such as 127.0.0.1:9464. Without a host that is
// loopback alone.
func NewMetrics(address string) (*Metrics, error) {
	address, err := metricsAddress(address)
	if err != nil {
		return nil, err
	}
	m := &Metrics{}
	if m.listener, err = net.Listen("tcp", address); err != nil {
		return nil, fmt.Errorf("cannot serve metrics: %w", err)
	}
	const patience = 5 * time.Second
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		m.mu.Lock()
		defer m.mu.Unlock()
		m.now.PrintMetrics(w)
	})
	m.server = &http.Server{Handler: mux, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: patience, MaxHeaderBytes: 1 << 13}
	go func() { _ = m.server.Serve(m.listener) }() // ends when closed
	return m, nil
}

// metricsAddress returns the address to listen on, with the host that may be left out.
func metricsAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return "", fmt.Errorf("--metrics: %s is no address to listen on, such as :9464 or 192.0.2.1:9464", knock.Quote(s))
	}
	return net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port), nil
}

// Addr returns the address on which it listens.
func (m *Metrics) Addr() net.Addr { return m.listener.Addr() }

// Set replaces the counters.
func (m *Metrics) Set(now Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

// Close ends the service.
func (m *Metrics) Close() error { return m.server.Close() }

// PrintMetrics prints the counters of a snapshot.
func (s Snapshot) PrintMetrics(w io.Writer) {
	t := s.Totals
	head := func(name, kind, help string) {
		fmt.Fprintf(w, "# HELP rapport_%s %s\n# TYPE rapport_%s %s\n", name, help, name, kind)
	}
	one := func(name, kind, help string, n any) {
		head(name, kind, help)
		fmt.Fprintf(w, "rapport_%s %v\n", name, n)
	}
	up := 0
	if s.Gate.Kind != "" && !s.Lost {
		up = 1
	}
	one("gate", "gauge", "1 while the rules hold a gate.", up)
	one("handshakes_total", "counter", "Complete handshakes.", t.Handshakes)
	one("opened_total", "counter", "Addresses that got in.", t.In)
	one("refused_total", "counter", "Addresses that a replay guard refused.", t.Refused)
	one("ssh_down_total", "counter", "Addresses for which the gate opened while nothing listened.", t.SSHDown)
	one("ssh_silent_total", "counter", "Addresses that got in and whose connection sshd did not take.", t.Silent)
	one("ssh_waiting", "gauge", "Connections that sshd has not taken.", s.Waits)
	one("shared_total", "counter", "Clients that perhaps knock from several addresses.", t.Shared)
	one("ignored_addresses", "gauge", "Addresses that the sweep guard ignores.", s.Ignored)
	one("unlisted_addresses", "gauge", "Addresses followed and not listed.", s.More)
	head("stuck_total", "counter", "Addresses that got stuck, by phase.")
	for k, n := range t.Stuck {
		fmt.Fprintf(w, "rapport_stuck_total{phase=\"%d\"} %d\n", k+1, n)
	}
	if a := s.Arrivals; a != nil {
		one("syns_total", "counter", "SYNs to ports of knocks and to SSH.", a.SYNs)
		one("sources_total", "counter", "Visits of addresses that sent them.", a.Sources)
		one("clients_total", "counter", "Clients that were judged.", a.Clients)
		one("unfollowed_total", "counter", "Visits that were given up for lack of room.", a.Unfollowed)
		one("lost_packets_total", "counter", "Packets that the kernel dropped before they were seen.", s.LostPackets)
		head("reached_total", "counter", "Visits with a right knock, by the phase that they reached.")
		for k, n := range a.Phases {
			fmt.Fprintf(w, "rapport_reached_total{phase=\"%d\"} %d\n", k, n)
		}
		head("findings_total", "counter", "Mistakes of clients, and scans; rule and gate-differs explain some that are unanswered or ssh-refused.")
		for _, code := range slices.Sorted(maps.Keys(a.Codes)) {
			fmt.Fprintf(w, "rapport_findings_total{code=%q} %d\n", string(code), a.Codes[code])
		}
		one("sweeps_total", "counter", "Scans over many ports.", a.Codes[arrivals.Sweep])
	}
}
