package knocktest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// sshPrograms are the programs that a server needs for its sshd.
var sshPrograms = []string{"sshd", "ssh-keygen"}

// sshd is the running sshd of a server.
type sshd struct {
	extra []string // lines for its configuration
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has
}

// StartSSHD starts the server's sshd, and returns once it listens.
func (s *Server) StartSSHD(t testing.TB) {
	t.Helper()
	Need(t, sshPrograms...)
	s.keys.Do(func() { s.configureSSHD(t) })

	log, err := os.OpenFile(s.file("sshd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// sshd executes itself again for each connection, and needs its absolute path.
	cmd := s.Command(context.Background(), lookPath("sshd"), "-D", "-e", "-f", s.file("sshd_config"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its log has the reason
	}()
	s.sshd.cmd, s.sshd.ended = cmd, ended
	t.Cleanup(func() {
		if s.sshd.cmd == cmd {
			s.endSSHD(t, syscall.SIGKILL)
		}
	})
	Eventually(t, "sshd listens", func() bool {
		select {
		case <-ended:
			t.Fatalf("sshd ended:\n%s", s.SSHDLog())
		default:
		}
		return (s.listens("tcp", s.SSHPort) || s.sshd.not("inet")) &&
			(s.listens("tcp6", s.SSHPort) || s.sshd.not("inet6"))
	})
}

// not reports whether the test's configuration makes sshd ignore a family.
func (d *sshd) not(family string) bool {
	for _, line := range d.extra {
		if f := strings.Fields(line); len(f) == 2 && strings.EqualFold(f[0], "AddressFamily") {
			return f[1] != "any" && f[1] != family
		}
	}
	return false
}

// StopSSHD stops the server's sshd, which runs, and returns once nothing listens. Open
// sessions stay open.
func (s *Server) StopSSHD(t testing.TB) {
	t.Helper()
	s.endSSHD(t, syscall.SIGTERM)
}

func (s *Server) endSSHD(t testing.TB, sig syscall.Signal) {
	t.Helper()
	Eventually(t, "sshd ends", func() bool {
		// Each time: nsenter may not have forked at the first one.
		_ = signalInside(s.sshd.cmd.Process.Pid, sig)
		select {
		case <-s.sshd.ended:
			return true
		default:
			return false
		}
	})
	s.sshd.cmd = nil
}

// SSHDLog returns what sshd has logged so far. A test that fails shows it.
func (s *Server) SSHDLog() string {
	text, _ := os.ReadFile(s.file("sshd.log")) // none before the first start
	return string(text)
}

// configureSSHD makes the keys and writes the configuration.
func (s *Server) configureSSHD(t testing.TB) {
	t.Helper()
	for _, key := range []string{"host_key", "client_key"} {
		run(t, exec.Command(lookPath("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "knocktest", "-f", s.file(key)))
	}
	public := func(key string) string {
		text, err := os.ReadFile(s.file(key + ".pub"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	WriteFile(t, s.file("authorized_keys"), public("client_key"), 0o600)
	WriteFile(t, s.file("known_hosts"), "knocktest "+public("host_key"), 0o600)

	var b strings.Builder
	for _, line := range s.sshd.extra { // the first value of an option counts
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "Port %d\n", s.SSHPort)
	if !s.sshd.not("inet") {
		fmt.Fprintf(&b, "ListenAddress %s\n", s.Addr4)
	}
	if !s.sshd.not("inet6") {
		fmt.Fprintf(&b, "ListenAddress %s\n", s.Addr6)
	}
	fmt.Fprintf(&b, "HostKey %s\nAuthorizedKeysFile %s\n", s.file("host_key"), s.file("authorized_keys"))
	// With limits on connections without a login, tests would depend on each other.
	b.WriteString("PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n" +
		"PermitRootLogin prohibit-password\nPrintMotd no\nPrintLastLog no\nMaxStartups 1000\n")
	WriteFile(t, s.file("sshd_config"), b.String(), 0o600)
	const penalties = "PerSourcePenalties no\n" // since 9.8
	if _, err := try(exec.Command(lookPath("sshd"), "-t", "-f", s.file("sshd_config"), "-o", penalties)); err == nil {
		WriteFile(t, s.file("sshd_config"), b.String()+penalties, 0o600)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("sshd's log:\n%s", s.SSHDLog())
		}
	})
}

// SSHArgs returns the arguments with which ssh logs in to the server as root. A host
// name and a command follow them; ssh accepts the server's key under any name. A login
// needs real root; root in a user namespace only gets the banner.
func (s *Server) SSHArgs() []string {
	return []string{
		"-F", "none",
		"-i", s.file("client_key"),
		"-p", fmt.Sprint(s.SSHPort),
		"-l", "root",
		"-o", "IdentitiesOnly=yes",
		"-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile=" + s.file("known_hosts"),
		"-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "HostKeyAlias=knocktest",
	}
}
