// Package prior says how common each cause is that a diagnosis may find.
package prior

import (
	"iter"
	"maps"
)

// Of returns how common a cause is among servers that are diagnosed, before anything was seen, 0 if
// there is no such cause. Only the ratio of causes that look alike matters.
func Of(id string) float64 { return all[id] }

// IDs are all causes.
func IDs() iter.Seq[string] { return maps.Keys(all) }

var all = map[string]float64{
	"open":         0.30,  // many only want to be sure
	"already-open": 0.03,  // gates get lost in reloads
	"window-left":  0.006, // somebody has just knocked, and the window is longer than known
	"window-long":  0.01,  // windows are chosen once
	"lossy-path":   0.05,  // mobile networks and Wi-Fi

	"dns-failure": 0.05, // a name mistyped, or a resolver that is away
	"no-route":    0.06, // an address mistyped, or a network that is away

	"server-clock":        0.05,  // virtual machines that slept, and boards without a battery
	"client-clock":        0.015, // a desktop's clock shows, and breaks the web besides
	"client-clock-proven": 0.015, // the same
	"client-clock-also":   0.015, // the same
	"rules-stale":         0.08,  // a cron job that failed: nothing else shows it
	"rules-zone":          0.02,  // local time in place of UTC: never worked
	"rules-zone-east":     0.02,  // the same
	"server-clock-also":   0.05,  // the same as server-clock
	"hour-unknown":        0.13,  // server-clock and rules-stale together
	"hour-elsewhere":      0.13,  // the same: the clock that was read is another machine's
	"clock-another":       0.01,  // server-clock, where every fifth web server is not that machine's own
	"clock-doubtful":      0.05,  // server-clock, where its sources contradict each other
	"stale-doubtful":      0.08,  // rules-stale, where they do
	"skew-here":           0.05,  // a skew that outlived its reason
	"hours-ahead":         0.03,  // clocks lag more often than they lead

	"range":           0.06,  // two files to keep alike
	"variant":         0.05,  // echo without -n, editors, phones
	"family":          0.04,  // ip6tables forgotten
	"other-ssh-port":  0.50,  // the text of the rules shows it
	"sequence-unseen": 0.015, // few gates have a replay guard
	"sequence-used":   0.40,  // where the rules have the guard, it is the first suspect
	"other-secret":    0.40,  // as rules-problem
	"no-gate":         0.50,  // the text of the rules shows it
	"other-rules":     0.12,  // a copy of another server, or an old one
	"rules-problem":   0.50,  // the text of the rules shows it
	"not-arriving":    0.15,  // rules that fit leave the path, or another rule
	"gate-unseen":     0.05,  // gates are written by hand
	"strict-unseen":   0.02,  // few gates are strict, and another fault has to come besides
	"not-admitted":    0.30,  // the text of the rules shows it
	"banned-there":    0.30,  // the same
	"order-slips":     0.03,  // the same, where the order alone differs

	"ssh-down":            0.05, // or on another port
	"ssh-down-unseen":     0.05, // the same, and the gate rejects as a host without sshd does
	"ssh-rejected-behind": 0.03, // firewalld or ufw besides the gate
	"ssh-host-gone":       0.01, // few gates forward
	"ssh-rejected-unseen": 0.02, // the same, and another fault
	"ssh-refusing":        0.03, // penalties of sshd 9.8
	"refusing-before":     0.03, // the same
	"ssh-limits":          0.03, // MaxStartups, connections that others left
	"ssh-silent":          0.02, // a resolver that sshd waits for, a missing ESTABLISHED rule
	"not-ssh":             0.02, // a web server on the port, a wrong port
	"silent-unknocked":    0.02, // as ssh-silent
	"tarpit":              0.02, // a trap for scanners, or a proxy
	"not-ssh-unknocked":   0.02, // as not-ssh

	"blocked":          0.06, // company networks, hotels
	"intercepted":      0.02, // transparent proxies, tarpits
	"proxied":          0.02, // hosters that fight floods, with another fault besides
	"dropped":          0.05, // as blocked, without an answer
	"ssh-rejected":     0.03, // as blocked, and gates in routers
	"alike":            0.05, // as blocked, and other ports answer like that too
	"some-accept":      0.05, // as intercepted, or a service in front of the gate
	"rate-limited":     0.03, // hosters that fight scans
	"limit-unseen":     0.01, // the same, with another fault besides
	"ssh-limited":      0.03, // ufw limit and its like
	"ssh-down-long":    0.01, // as ssh-down, and as window-long
	"banned":           0.03, // fail2ban and its like
	"path-gone":        0.02, // mobile networks and Wi-Fi, but rarely just then
	"addresses":        0.03, // VPNs with exceptions, two uplinks
	"addresses-unseen": 0.05, // carriers' NAT
	"pool-luck":        0.05, // the same

	"seemed":        0.08, // a hit that did not repeat is mostly loss where packets get lost
	"lost-twice":    0.03, // a hit that did not repeat: somebody else's knocks, or loss
	"repeated":      0.05, // as lossy-path
	"accepted-once": 0.05, // the same

	"banner-late": 0.30, // as open

	"nothing-tried": 1,    // no other row is possible
	"unexplained":   0.15, // anything else
}
