// Package watch follows client addresses through the gate of the machine it runs
// on, live.
//
// [NewWatcher] finds the gate, which needs root on Linux, and [Watcher.Run] reads
// the gate's sets, the connections and the rules' counters several times a second.
// It changes nothing. After each reading it passes on a [Snapshot]: the visits, the
// totals, and the [Event] values since the one before.
//
// A [Visits] concludes what happened from one [Sample] to the next, without any
// I/O, for tests and the Watcher alike. An address enters phases, and then it got
// in, is stuck, or was refused.
//
// Times come from the kernel: a list of the recent match holds jiffies, which are
// converted by observation, and an element of an nft set holds what is left of its
// timeout. A connection that is over is seen in /proc/net/nf_conntrack, or by the
// counter of the accept rule.
package watch
