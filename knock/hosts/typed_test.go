package hosts_test

import (
	"strings"
	"testing"

	"rapport/knock/hosts"
)

func TestAsTyped(t *testing.T) {
	for _, tt := range []struct{ typed, host, err string }{
		{typed: "server.example.org", host: "server.example.org"},
		{typed: "10.9.2.2", host: "10.9.2.2"},
		{typed: "fd09:2::2", host: "fd09:2::2"},
		{typed: "fe80::1%eth0", host: "fe80::1%eth0"},
		{typed: "[fd09:2::2]", host: "fd09:2::2"},
		{typed: "[fe80::1%eth0]", host: "fe80::1%eth0"},
		{typed: "root@10.9.2.2", err: `host "root@10.9.2.2": leave out "root@": rapport knows no logins`},
		{typed: "root@host:22", err: `leave out "root@": rapport knows no logins`},
		{typed: "10.9.2.2:22", err: `host "10.9.2.2:22": give the port with --ssh-port 22`},
		{typed: "host:2222", err: `host "host:2222": give the port with --ssh-port 2222`},
		{typed: "[fd09:2::2]:2222", err: "give the port with --ssh-port 2222"},
		{typed: "[fd09:2::2]:ssh", err: `leave out ":ssh"`},
		{typed: "host:/tmp", err: `leave out ":/tmp"`},
		{typed: "host:", err: `leave out ":"`},
		{typed: "host:70000", err: `leave out ":70000"`},
		{typed: "[host]", err: "leave out the brackets"},
		{typed: "[fd09:2::2", err: "leave out the brackets"},
		{typed: "[fd09:2::2]x", err: "leave out the brackets"},
		{typed: "ssh://root@host:22", err: "it is a URL: name the host, and the port with --ssh-port"},
	} {
		host, err := hosts.AsTyped(tt.typed)
		if host != tt.host || (tt.err == "") != (err == nil) || err != nil && !strings.HasSuffix(err.Error(), tt.err) {
			t.Errorf("AsTyped(%q) = %q, %v; want %q, %s", tt.typed, host, err, tt.host, tt.err)
		}
	}
}
