// Package knocktest gives tests real servers to knock at, in the manner of
// net/http/httptest: hosts in network namespaces of their own, the article's
// netfilter rules loaded as printed, and a real sshd behind them.
//
// A package whose tests want a server hands its TestMain to [Main], which moves
// the whole test process into a new network namespace. From then on the test
// process is the client's host: the code under test runs in it as usual, and
// reaches nothing but the hosts that the test makes.
//
//	func TestMain(m *testing.M) { knocktest.Main(m) }
//
//	func TestOpens(t *testing.T) {
//		s := knocktest.NewServer(t, knocktest.Options{})
//		seq := knock.Derive(s.Hour, s.Range, s.Secret)
//		// knock at s.Addr4, then probe s.SSHAddr(s.Addr4)
//	}
//
// For a program that is to find out why a server does not open, servers come
// with faults. [Options] has those of the server itself: rules made at another
// time or of another text, a family that is shut or not guarded, a firewall that
// cuts off. What listens can be exchanged: ServeClocks tells the time by many
// services, ServeSSH answers in sshd's place. A [Router] before the server blocks,
// intercepts and translates, a [Path] delays, loses, duplicates and reorders
// packets, Lose loses chosen SYNs, [Script] loads rules of other kinds than the
// article's, and [NewResolver] knows names as the test wants them.
//
// Everything vanishes with the test, and with the test process however that
// ends: a host is held by a process that reads from a pipe of the test
// process, and takes all other processes of the host along.
//
// Tests that need a server are skipped, with the reason, where namespaces,
// programs or the kernel's recent match are missing. With RAPPORT_REAL_GATE=1
// in the environment they fail instead.
package knocktest
