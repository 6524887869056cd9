package gate

import (
	"testing"

	"rapport/knock"
	"rapport/knock/netfilter"
)

func TestDroppedAttemptsAreCounted(t *testing.T) {
	f, err := Find([]byte(`table inet portknock {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 22 counter packets 17 bytes 1020 drop
		ip saddr 10.0.0.7 counter drop
	}
}
`))
	if err != nil {
		t.Fatal(err)
	}
	path := f.paths[knock.Family4]
	if n := (Gate{SSHPort: 22, acceptHit: -1, path: path}).Dropped(); n != (netfilter.Count{Known: true, Packets: 17}) {
		t.Errorf("dropped %+v of %+v", n, path.Hits)
	}
	if n := (Gate{SSHPort: 23, acceptHit: -1, path: path}).Dropped(); n.Known {
		t.Errorf("a port that nothing drops: %+v", n)
	}
}
