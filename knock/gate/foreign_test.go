package gate_test

import (
	"strings"
	"testing"

	"rapport/knock/gate"
)

// A gate of another kind is named as what it is: nobody is told to set up one that
// stands already.
func TestGatesOfOtherKinds(t *testing.T) {
	const head, tail = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n", "COMMIT\n"
	const asks = "-A INPUT -p tcp -m tcp --dport 22 -m recent --rcheck --seconds 30 --name K --rsource -j ACCEPT\n"
	for _, tt := range []struct{ name, text, want string }{
		{"knockd", "[options]\n\tUseSyslog\n[openSSH]\n\tsequence = 7000,8000,9000\n\tcommand = /sbin/iptables -A INPUT -s %IP% -j ACCEPT\n", "configuration of knockd"},
		{"a client", "#!/bin/sh\nfor p in 7000 8000; do\n\tnc -z host 7000\ndone\n", "script of a client"},
		{"xt_pknock", head + "-A INPUT -p tcp -m pknock --knockports 2,1,3 --name SSH -m tcp --dport 22 -j ACCEPT\n" + tail, "xt_pknock"},
		{"a ping", head + "-A INPUT -p icmp -m icmp --icmp-type 8 -m length --length 1078 -m recent --set --name K --rsource\n" + asks + tail, "a ping of a certain kind"},
		{"a payload", head + "-A INPUT -p udp -m udp --dport 5000 -m string --string s3cret --algo bm --to 65535 -m recent --set --name K --rsource -j DROP\n" + asks + tail, "a packet with a certain content"},
		{"a daemon", head + "-A INPUT -p tcp -m tcp --dport 22 -m set --match-set knocked src -j ACCEPT\n" + tail, "which no rule here fills"},
		{"one knock", head + "-A INPUT -p tcp -m tcp --dport 4000 -m recent --set --name K --rsource -j DROP\n" + asks + tail, "fewer than 3 knocks"},
		{"none", head + "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n" + tail, "these rules hold no gate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := readRules(t, tt.text)
			p := f.Problems(gate.Facts{})
			if len(f.Gates) != 0 || len(p) != 1 || p[0].Code != "no-gate" || !strings.Contains(p[0].Summary, tt.want) {
				t.Errorf("%+v, want %q", p, tt.want)
			}
			if tt.name != "none" && strings.Contains(p[0].Fix, "set the gate up") {
				t.Errorf("fix %q", p[0].Fix)
			}
		})
	}
}
