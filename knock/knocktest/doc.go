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
//		// knock at s.Addr4, then look at s.SSHAddr(s.Addr4)
//	}
//
// Everything vanishes with the test, and with the test process however that
// ends: a host is held by a process that reads from a pipe of the test
// process, and takes all other processes of the host along.
//
// Tests that need a server are skipped, with the reason, where namespaces,
// programs or the kernel's recent match are missing. With RAPPORT_REAL_GATE=1
// in the environment they fail instead.
package knocktest
