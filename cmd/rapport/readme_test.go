//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rapport/cmd/rapport/manual"
	"rapport/knock"
	"rapport/knock/knocktest"
)

// block is indented lines of the README, and the paragraph before them.
type block struct{ intro, text string }

// readme returns the blocks of a section of the README, without their indent.
func readme(t *testing.T, heading string) []block {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the README has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []block
	intro, code := "", ""
	for line := range strings.Lines(section + "\n.\n") {
		rest, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented:
			code += rest
		case strings.TrimSpace(line) == "" && code != "":
			code += "\n"
		case strings.TrimSpace(line) != "":
			if code != "" {
				blocks = append(blocks, block{intro, strings.TrimRight(code, "\n") + "\n"})
				intro, code = "", ""
			}
			intro += line
		}
	}
	return blocks
}

// The commands of the README are those of the help.
func TestReadmeListsTheCommands(t *testing.T) {
	blocks := readme(t, "Commands")
	want := manual.Commands(newRoot(time.Now, nil))
	if len(blocks) != 1 || blocks[0].text != want {
		t.Errorf("the README lists\n%v\nthe help\n%s", blocks, want)
	}
}

// What the README says from nothing to ssh myserver is done on a real server, whose
// files are its own.
func TestReadmeFromNothingToSSH(t *testing.T) {
	t.Parallel()
	knocktest.NeedLogin(t, "ssh", "unshare", "nft")
	awayFromHourChange()
	s := knocktest.NewServer(t, knocktest.Options{NoGate: true})
	there := newAdmin(t, s)
	here := newUser(t, s, there.home)
	last := ""
	for _, b := range readme(t, "From nothing to `ssh myserver`") {
		text := strings.ReplaceAll(b.text, "server.example.org", s.Addr4.String())
		if strings.Contains(strings.ToLower(b.intro), "on the server") {
			there.run(text)
		} else {
			last = here.run(text)
		}
	}
	if !strings.Contains(last, "logged in") {
		t.Errorf("ssh myserver printed %q", last)
	}
	if out := here.run("rapport probe myserver || true"); !strings.Contains(out, "filtered") && !strings.Contains(out, "open") {
		t.Errorf("rapport probe myserver printed %q", out)
	}
}

// user is somebody at this machine: a home folder, rapport, ssh and scp.
type user struct {
	t    *testing.T
	home string
	env  []string
}

// newUser makes one. scp copies into the home folder of the server's root.
func newUser(t *testing.T, s *knocktest.Server, root string) *user {
	t.Helper()
	u := &user{t: t, home: t.TempDir()}
	bin := filepath.Join(u.home, "bin")
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Fatal(err)
	}
	// ssh finds its configuration by the user's number and not by HOME.
	args := strings.Join(s.SSHArgs()[2:], " ")
	for name, text := range map[string]string{
		"bin/ssh":     fmt.Sprintf("#!/bin/sh\necho 'echo logged in' | exec %s -F %s/.ssh/config %s \"$@\"\n", ssh, u.home, args),
		"bin/scp":     "#!/bin/sh\nfor f; do case $f in *:) ;; *) cp -- \"$f\" " + root + " || exit;; esac; done\n",
		".ssh/config": "",
	} {
		path := filepath.Join(u.home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		knocktest.WriteFile(t, path, text, 0o700)
	}
	if err := os.Symlink(build(t), filepath.Join(bin, "rapport")); err != nil {
		t.Fatal(err)
	}
	u.env = append(os.Environ(), "HOME="+u.home, "XDG_CONFIG_HOME="+u.home+"/.config", "XDG_STATE_HOME="+u.home+"/.state", "PATH="+bin+":"+os.Getenv("PATH"))
	return u
}

// run runs lines of shell, each of which must succeed, and returns what they printed.
func (u *user) run(text string) string {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", text)
	cmd.Dir, cmd.Env = u.home, u.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		u.t.Fatalf("here: %v\n%s%s", err, text, out)
	}
	return string(out)
}

// admin is root on the server, in a shell with an /etc, a /run and a /usr/local/sbin of
// its own.
type admin struct {
	t      *testing.T
	home   string
	stdin  io.Writer
	stdout *bufio.Reader
}

func newAdmin(t *testing.T, s *knocktest.Server) *admin {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := s.Command(ctx, "unshare", "--mount", "sh", "-e")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	a := &admin{t, filepath.Join(dir, "home"), stdin, bufio.NewReader(stdout)}
	a.run("cd " + dir + "\nmkdir run sbin home\ncp -a /etc etc\nmkdir -p etc/cron.d\n" +
		"mount --bind etc /etc\nmount --bind run /run\nmount --bind sbin /usr/local/sbin\ncd home\n")
	return a
}

// run runs lines of shell, each of which must succeed, and returns what they printed.
func (a *admin) run(text string) string {
	a.t.Helper()
	const end = "end of the block"
	fmt.Fprintf(a.stdin, "%s\necho %s\n", text, end)
	var out strings.Builder
	for {
		line, err := a.stdout.ReadString('\n')
		if line == end+"\n" {
			return out.String()
		}
		out.WriteString(line)
		if err != nil {
			a.t.Fatalf("on the server: %v\n%s%s", err, text, out.String())
		}
	}
}

// The README's diagnosis is what doctor prints for a server that is three hours behind,
// but for the figures, and for what it leaves out at "...".
func TestReadmeShowsADiagnosis(t *testing.T) {
	t.Parallel()
	knocktest.Need(t)
	awayFromHourChange()
	const behind = -3 * time.Hour
	s := knocktest.NewServer(t, knocktest.Options{At: time.Now().Add(behind)})
	s.ServeClocks(t, knocktest.Clocks{HTTP: true, SMTP: true, Clock: knock.Clock(time.Now), Shift: behind})
	dir := t.TempDir()
	knocktest.WriteFile(t, filepath.Join(dir, "secret"), s.Secret.Reveal()+"\n", 0o600)
	if err := os.Mkdir(filepath.Join(dir, "rapport"), 0o700); err != nil {
		t.Fatal(err)
	}
	knocktest.WriteFile(t, filepath.Join(dir, "rapport", "hosts.toml"),
		fmt.Sprintf("[hosts.myserver]\naddress = %q\nfamily = \"4\"\nsecret_file = \"../secret\"\n", s.Addr4), 0o600)

	b := readme(t, "It does not open")
	call, want, _ := strings.Cut(b[0].text, "\n")
	words := strings.Fields(strings.TrimPrefix(call, "$ rapport "))
	cmd := exec.Command(build(t), words...)
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+dir)
	out, err := cmd.Output()
	if code := exitCode(err); code != 1 {
		t.Fatalf("%s: exit %d, want 1", call, code)
	}
	figures := regexp.MustCompile(`[0-9]+(\.[0-9]+)*`)
	got := figures.ReplaceAllString(string(out), "0")
	head, tail, _ := strings.Cut(figures.ReplaceAllString(want, "0"), "...\n")
	if !strings.HasPrefix(got, head) || !strings.HasSuffix(got, tail) {
		t.Errorf("the README shows\n%s\nthe program prints\n%s", want, out)
	}
}
