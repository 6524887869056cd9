// Package knocktest gives tests real servers to knock at, in the manner of
// net/http/httptest: hosts in network namespaces of their own, the article's
// netfilter rules loaded as printed, and a real sshd behind them.
//
// The TestMain of a package with such tests calls [Main], which moves the test process
// into a new network namespace. It then is the client's host: the code under test runs
// in it as usual, and reaches only hosts that the test makes.
//
//	func TestMain(m *testing.M) { knocktest.Main(m) }
//
//	func TestOpens(t *testing.T) {
//		s := knocktest.NewServer(t, knocktest.Options{})
//		seq := knock.Derive(s.Hour, s.Range, s.Secret)
//		// knock at s.Addr4, then probe s.SSHAddr(s.Addr4)
//	}
//
// Servers may have faults, for programs that diagnose them. [Options] has those of
// the server itself. ServeClocks adds services that tell the time, ServeSSH replaces
// sshd. A [Router] blocks, intercepts, limits and translates, a [Path] delays, loses,
// duplicates and reorders packets, Lose loses chosen SYNs, LimitSYNs and BanScanners
// are what servers do to clients in a hurry, [Phases] and [Script] are gates that are
// not the article's, SplitRoute and BlockHere change the test's own machine, and
// [NewResolver] resolves the test's names.
//
// Everything is removed at the end of the test, and when the test process ends or
// is killed: the first process of a host reads from a pipe of the test process, and
// all others end with it.
//
// Tests that need a server are skipped, with the reason, where namespaces,
// programs or the kernel's recent match are missing. With RAPPORT_REAL_GATE=1
// in the environment they fail instead.
package knocktest
