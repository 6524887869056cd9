//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"rapport/knock/knocktest"
)

// gated is a server behind the article's gate, and a user's files to reach it:
// an ssh config with nothing but a ProxyCommand, and one entry in a hosts file.
type gated struct {
	*knocktest.Server
	t       testing.TB
	rapport string
	dir     string
	config  string // ssh's
	hosts   string // rapport's
}

// newGated makes one. extra are lines for the server's stanza of ssh's config.
func newGated(t testing.TB, proxy string, extra ...string) *gated {
	t.Helper()
	knocktest.NeedLogin(t, "ssh", "scp", "sftp", "rsync", "git")
	g := &gated{Server: knocktest.NewServer(t, knocktest.Options{Secret: "s3cret-for-the-gate", SSHD: []string{"Subsystem sftp internal-sftp"}}), t: t, rapport: build(t), dir: t.TempDir()}
	g.hosts = g.write("hosts.toml", fmt.Sprintf("[hosts.gate]\naddress = %q\nsecret_file = \"gate.secret\"\n", g.Addr4))
	g.write("gate.secret", "s3cret-for-the-gate\n")
	var b strings.Builder
	b.WriteString("Host gate\n")
	fmt.Fprintf(&b, "  ProxyCommand %s --config %s %s\n", g.rapport, g.hosts, proxy)
	for _, line := range extra {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteString("Host *\n") // whatever of it is about this test's keys
	args := g.SSHArgs()
	for i := 0; i+1 < len(args); i += 2 {
		switch k, v := args[i], args[i+1]; k {
		case "-i":
			fmt.Fprintf(&b, "  IdentityFile %s\n", v)
		case "-l":
			fmt.Fprintf(&b, "  User %s\n", v)
		case "-o":
			fmt.Fprintf(&b, "  %s\n", v)
		}
	}
	g.config = g.write("ssh_config", b.String())
	return g
}

func (g *gated) write(name, text string) string {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// run runs a command and returns what it printed on standard output; every
// command has a minute. It ignores standard error, where the start-up files of the
// server's user may print.
func (g *gated) run(name string, args ...string) string {
	g.t.Helper()
	out, said, err := g.try(name, args...)
	if err != nil {
		g.t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, said)
	}
	return out
}

func (g *gated) try(name string, args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "GIT_SSH_COMMAND=ssh -F "+g.config, "GIT_CONFIG_GLOBAL=/dev/null", "XDG_CACHE_HOME="+g.dir)
	cmd.WaitDelay = time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

func (g *gated) ssh(args ...string) string {
	g.t.Helper()
	return g.run("ssh", append([]string{"-F", g.config}, args...)...)
}

// With one ProxyCommand line, everything that runs over ssh works.
func TestSSHThroughTheGate(t *testing.T) {
	knocktest.Long(t)
	for name, lines := range map[string][]string{
		"plain":  {"proxy %h %p"},
		"fdpass": {"proxy --fdpass %h %p", "ProxyUseFdpass yes"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGated(t, lines[0], lines[1:]...)
			payload := make([]byte, 3<<20)
			_, _ = rand.Read(payload)
			sent := g.write("sent", string(payload))
			far := t.TempDir() // the hosts share the file system

			if out := g.ssh("gate", "echo through"); out != "through\n" {
				t.Errorf("ssh prints %q", out)
			}
			if _, said, err := g.try("ssh", "-F", g.config, "gate", "exit 42"); exitCode(err) != 42 {
				t.Errorf("exit code: %v %s", err, said)
			}
			g.run("scp", "-F", g.config, sent, "gate:"+far+"/scp")
			g.run("sh", "-c", fmt.Sprintf("echo put %s %s/sftp | sftp -b - -F %s gate", sent, far, g.config))
			g.run("rsync", "-e", "ssh -F "+g.config, sent, "gate:"+far+"/rsync")
			for _, copied := range []string{"scp", "sftp", "rsync"} {
				if got, err := os.ReadFile(filepath.Join(far, copied)); err != nil || !bytes.Equal(got, payload) {
					t.Errorf("%s: %d bytes arrived of %d, %v", copied, len(got), len(payload), err)
				}
			}
			g.run("git", "init", "-q", "-b", "main", far+"/repo")
			g.run("git", "-C", far+"/repo", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "a commit")
			g.run("git", "clone", "-q", "gate:"+far+"/repo", "clone")
			if out := g.run("git", "-C", "clone", "log", "--format=%s"); out != "a commit\n" {
				t.Errorf("git log: %q", out)
			}
			// A jump to another host; only the first one has a gate.
			if out := g.ssh("-J", "gate", g.Addr4.String(), "echo jumped"); out != "jumped\n" {
				t.Errorf("-J prints %q", out)
			}
		})
	}
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e := new(exec.ExitError); errors.As(err, &e) {
		return e.ExitCode()
	}
	return -1
}

func TestManySessions(t *testing.T) {
	knocktest.Long(t)
	g := newGated(t, "proxy %h %p")
	for i := range 100 {
		if out := g.ssh("gate", "echo", fmt.Sprint(i)); out != fmt.Sprintln(i) {
			t.Fatalf("session %d prints %q", i, out)
		}
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if out, said, err := g.try("ssh", "-F", g.config, "gate", "echo", fmt.Sprint(i)); out != fmt.Sprintln(i) {
				t.Errorf("one of eight at once: %q, %v %s", out, err, said)
			}
		})
	}
	all.Wait()
	// Each session was one connection, so sshd logged no complaint.
	if log := g.SSHDLog(); strings.Contains(log, "Connection closed by") && strings.Contains(log, "[preauth]") {
		t.Errorf("sshd saw connections that did not log in:\n%s", log)
	}
}

func TestBulkArrivesWhole(t *testing.T) {
	knocktest.Long(t)
	g := newGated(t, "proxy %h %p")
	const size = 200 << 20
	for name, command := range map[string]string{
		"up":   "head -c %d /dev/zero | tr '\\0' x | ssh -F %s gate sha256sum",
		"down": "ssh -F %[2]s gate \"head -c %[1]d /dev/zero | tr '\\0' x\" | sha256sum",
	} {
		sum := sha256.New()
		for piece, n := bytes.Repeat([]byte("x"), 1<<20), 0; n < size; n += len(piece) {
			sum.Write(piece)
		}
		want := fmt.Sprintf("%x  -\n", sum.Sum(nil))
		if got := g.run("sh", "-c", fmt.Sprintf(command, size, g.config)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// With fdpass no process stands between ssh and the server during the session.
func TestNoProcessRemainsWithFdpass(t *testing.T) {
	t.Parallel()
	g := newGated(t, "proxy --fdpass %h %p", "ProxyUseFdpass yes")
	end := g.session()
	if found := processes(t, g.rapport); len(found) > 0 {
		t.Errorf("during the session there is %q", found)
	}
	end()
}

// session starts a session, waits until it is logged in, and keeps it until end.
func (g *gated) session() (end func()) {
	g.t.Helper()
	cmd := exec.Command("ssh", "-F", g.config, "gate", "echo in; cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("in\n"))); err != nil {
		g.t.Fatal(err)
	}
	return func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			g.t.Error(err)
		}
	}
}

// processes returns the command lines that name a program.
func processes(t *testing.T, program string) (found []string) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if line, err := os.ReadFile(p); err == nil && bytes.HasPrefix(line, []byte(program)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// rapport ssh needs no ssh config for the gate; the rest of its line is ssh's.
func TestRapportSSH(t *testing.T) {
	t.Parallel()
	g := newGated(t, "none")
	args := append([]string{"--config", g.hosts, "ssh", "gate"}, "-F", g.config)
	if out := g.run(g.rapport, append(args, "echo 100% through")...); out != "100% through\n" {
		t.Errorf("prints %q", out)
	}
	if _, said, err := g.try(g.rapport, append(args, "exit 7")...); exitCode(err) != 7 {
		t.Errorf("exit code: %v %s", err, said)
	}
}

// A secret from the environment opens the gate, but does not appear in ssh's
// environment or the process list, and leaves nothing behind.
func TestRapportSSHWithTheSecretOfTheEnvironment(t *testing.T) {
	g := newGated(t, "none")
	const secret = "s3cret-for-the-gate"
	g.hosts = g.write("without.toml", fmt.Sprintf("[hosts.gate]\naddress = %q\n", g.Addr4))
	runtimeDir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
	t.Setenv(secretVariable, secret)
	seen := filepath.Join(g.dir, "seen")
	args := []string{"--config", g.hosts, "ssh", "gate", "-F", g.config, "-o", "PermitLocalCommand=yes",
		"-o", "LocalCommand=(env; cat /proc/[0-9]*/cmdline) >" + seen + "; ls -lR $XDG_RUNTIME_DIR >>" + seen}
	if out := g.run(g.rapport, append(args, "echo through")...); out != "through\n" {
		t.Errorf("prints %q", out)
	}
	text, err := os.ReadFile(seen)
	if err != nil || !bytes.Contains(text, []byte("XDG_RUNTIME_DIR=")) || !bytes.Contains(text, []byte("ProxyCommand=")) || !bytes.Contains(text, []byte("srw-------")) {
		t.Errorf("what ssh runs sees no environment, no processes or no socket: %v\n%q", err, text)
	}
	// The variable is looked for in the environment alone: it stands in command lines of
	// tests that run beside this one.
	if bytes.Contains(text, []byte(secret)) || bytes.Contains(slices.Concat([]byte("\n"), text), []byte("\n"+secretVariable+"=")) {
		t.Errorf("what ssh runs sees the secret:\n%q", text)
	}
	if _, said, err := g.try(g.rapport, append(args, "exit 7")...); exitCode(err) != 7 {
		t.Errorf("exit code: %v %s", err, said)
	}
	if left, err := os.ReadDir(runtimeDir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}

	// It stops and continues with ssh, as ssh does on ~^Z, and forwards signals to ssh.
	cmd := exec.Command(g.rapport, append(args, "echo in; cat")...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := io.ReadFull(out, make([]byte, len("in\n"))); err != nil {
		t.Fatal(err)
	}
	var children string
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
	for _, path := range threads {
		text, _ := os.ReadFile(path)
		children += string(text)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(children))
	if err != nil {
		t.Fatalf("ssh is not the one child: %v", err)
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for start := time.Now(); state(t, cmd.Process.Pid) != "T"; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("ssh has stopped, and rapport has not")
		}
	}
	_ = cmd.Process.Signal(syscall.SIGCONT)
	fmt.Fprint(in, "on\n")
	if _, err := io.ReadFull(out, make([]byte, len("on\n"))); err != nil {
		t.Errorf("after SIGCONT: %v", err)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); exitCode(err) != 255 && exitCode(err) != 143 {
		t.Errorf("after SIGTERM: %v", err)
	}
	if left, err := os.ReadDir(runtimeDir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// state returns the letter of a process's state, as ps has it.
func state(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))[0]
}

// The stanza works in any folder and with a path that needs quoting, and the shell
// reads any host name as one word.
func TestStanza(t *testing.T) {
	t.Parallel()
	g := newGated(t, "none")
	odd := filepath.Join(g.dir, `it's a "100%h" #folder`)
	if err := os.Mkdir(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	g.run("cp", g.hosts, filepath.Join(g.dir, "gate.secret"), odd)
	cmd := exec.Command(g.rapport, "ssh-config", "gate", "--config", "hosts.toml")
	cmd.Dir = odd
	stanza, err := cmd.Output()
	if err != nil || !strings.Contains(string(stanza), "    ProxyCommand '"+g.rapport+"' proxy --fdpass '--config=/") || !strings.Contains(string(stanza), " -- '%h' %p\n") {
		t.Fatalf("%s, %v", stanza, err)
	}
	rest, err := os.ReadFile(g.config)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ = bytes.Cut(rest, []byte("\nHost *\n"))
	config := func(before string) string {
		return g.write("stanza", "HostKeyAlias knocktest\n"+before+string(stanza)+"Host *\n"+string(rest))
	}
	if out := g.run("ssh", "-F", config(""), "gate", "echo through"); out != "through\n" {
		t.Errorf("prints %q", out)
	}
	for _, name := range []string{"$(>ran)", "`>ran`", "a;>ran", "a|>ran", "a&>ran", "a>ran", "--frobnicate", "-x"} {
		_, said, err := g.try("ssh", "-F", config("Host gate\n    HostName "+name+"\n"), "gate", "true")
		if exitCode(err) != 255 || !strings.Contains(said, "rapport: ") || strings.Contains(said, "flag") {
			t.Errorf("%s: %v %s", name, err, said)
		}
		if _, err := os.Stat(filepath.Join(g.dir, "ran")); err == nil {
			t.Fatalf("the name %s ran a command", name)
		}
	}
}

// The first login by the stanza stores the host key under the name by which rapport ssh
// and the screens ask for it.
func TestLoginsAgreeOnTheHostKey(t *testing.T) {
	t.Parallel()
	g := newGated(t, "none")
	text, err := os.ReadFile(g.config)
	if err != nil {
		t.Fatal(err)
	}
	_, keys, _ := strings.Cut(string(text), "\nHost *\n")
	keys = "UserKnownHostsFile " + filepath.Join(g.dir, "keys") + "\nHost *\n" + strings.Replace(keys, "HostKeyAlias=knocktest", "", 1)
	first := g.write("first", "StrictHostKeyChecking accept-new\n"+g.run(g.rapport, "--config", g.hosts, "ssh-config", "gate")+keys)
	later := g.write("later", "StrictHostKeyChecking yes\n"+keys)
	if _, said, err := g.try(g.rapport, "--config", g.hosts, "ssh", "gate", "-F", later, "true"); exitCode(err) != 255 || !strings.Contains(said, "Host key verification failed") {
		t.Errorf("before the key is known: %v %s", err, said)
	}
	g.run("ssh", "-F", first, "gate", "true")
	g.run(g.rapport, "--config", g.hosts, "ssh", "gate", "-F", later, "true")
}

// Another program of the same user cannot read rapport's memory or environment.
func TestTheSecretIsOutOfReachOfOtherPrograms(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "setpriv")
	path := filepath.Join(t.TempDir(), "hosts.toml")
	unlock, err := lockedfile.MutexAt(filepath.Join(filepath.Dir(path), ".hosts.toml.lock")).Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock() // rapport waits for it
	// No program here runs as root, which may read anything.
	plain := func(args ...string) *exec.Cmd {
		return exec.Command("setpriv", append([]string{"--bounding-set", "-all"}, args...)...)
	}
	start := func(args ...string) (environ string) {
		cmd := plain(args...)
		cmd.Env = append(os.Environ(), secretVariable+"=f00b4r")
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid)); bytes.HasPrefix(line, []byte(args[0])) {
				time.Sleep(time.Second) // for it to be well under way
				return fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid)
			}
		}
		t.Fatalf("%v does not start", args)
		return ""
	}
	if text, err := plain("cat", start("cat")).Output(); err != nil || !bytes.Contains(text, []byte("f00b4r")) {
		t.Errorf("no program can be read, which proves nothing: %v", err)
	}
	if text, err := plain("cat", start(build(t), "hosts", "add", "x", "--config", path)).CombinedOutput(); err == nil || !bytes.Contains(text, []byte("Permission denied")) {
		t.Errorf("its environment can be read: %v, %.40q", err, text)
	}
}

// A failure inside ssh is one line that names the cause and the next command.
func TestFailureInsideSSHIsReadable(t *testing.T) {
	t.Parallel()
	g := newGated(t, "proxy %h %p")
	g.StopSSHD(t)
	_, said, err := g.try("ssh", "-F", g.config, "gate", "true")
	if exitCode(err) != 255 || !strings.HasPrefix(said, "rapport: the gate opened, but nothing listens behind it") ||
		!strings.Contains(said, "; find out why: rapport doctor gate\n") {
		t.Errorf("ssh says %q, %v", said, err)
	}
}

// The secret appears in no output, in no process list, and in no file but its own.
func TestTheSecretNeverShows(t *testing.T) {
	t.Parallel()
	g := newGated(t, "proxy %h %p")
	const secret = "s3cret-for-the-gate"
	var said strings.Builder
	for _, args := range []string{
		"seq gate", "seq gate --json", "seq gate --hours 30", "knock gate", "knock gate --json", "probe gate --json",
		"knock gate --ssh-port 1 --attempts 1", "knock nosuch.invalid", "ssh-config gate --control-master",
		"rules gate", "rules gate --format nft", "inspect --ports 1,2,3,4,5 gate", "hosts list", "hosts list --json", "hosts path", "hosts edit gate --range 5-1", "hosts add gate", "hosts add other --range 10000-10999",
		"seq gate --frobnicate", "seq gate --range x", "gate", "demo", "version",
	} {
		out, errors, _ := g.try(g.rapport, append([]string{"--config", g.hosts}, strings.Fields(args)...)...)
		said.WriteString(out + errors)
	}
	end := g.session()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatalf("no processes: %v", err)
	}
	for _, p := range lines {
		line, _ := os.ReadFile(p) // it may have ended by now
		said.Write(line)
	}
	if len(processes(t, g.rapport)) == 0 {
		t.Error("rapport proxy is not running, so its command line has not been looked at")
	}
	end()
	if i := strings.Index(said.String(), secret); i >= 0 {
		t.Errorf("the secret shows: ...%s", said.String()[max(0, i-200):i+len(secret)])
	}
}
