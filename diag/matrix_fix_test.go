package diag_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
	"rapport/knock/phrase"
)

// envShift says by how much the clock of the built program is off.
const envShift = "RAPPORT_TEST_SHIFT"

// shifted is the clock of the built program in the matrix: rows have times of their own.
const shifted = `package main

import (
	"os"
	"time"
)

func shiftedClock() time.Time {
	d, _ := time.ParseDuration(os.Getenv("` + envShift + `"))
	return time.Now().Add(d)
}
`

// programFolder is what built returns, once it was called.
var programFolder string

// built returns the folder of the program, which is built once, with no other change
// than its clock.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rapport-matrix")
	if err != nil {
		return "", err
	}
	programFolder = dir
	program, err := filepath.Abs("../cmd/rapport")
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(filepath.Join(program, "main.go"))
	if err != nil {
		return "", err
	}
	text := strings.Replace(string(source), "newRoot(time.Now, signals)", "newRoot(shiftedClock, signals)", 1)
	if text == string(source) {
		return "", fmt.Errorf("main.go names its clock in another way")
	}
	replace := map[string]string{}
	for name, content := range map[string]string{"main.go": text, "shifted.go": shifted} {
		replace[filepath.Join(program, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", filepath.Join(dir, "rapport"), "rapport/cmd/rapport").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return dir, nil
})

// applyFix runs the command that the verdict prints, with a hosts file of its own whose
// path needs quotes, and then a plain knock. No command is for the server: what is to be
// done there is said in words.
func (f fault) applyFix(t *testing.T, s *knocktest.Server, p *patient, c hosts.Change) {
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "it's mine.toml")
	h := p.host
	h.Secret = hosts.SecretRef{}
	if err := hosts.Update(t.Context(), config, func(e *hosts.Editor) error { return e.Add(h) }); err != nil {
		t.Fatal(err)
	}
	names := p.names(t)
	sh := func(command string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "unshare", "-m", "sh", "-c", `mount --bind "$1" /etc/hosts && exec sh -c "$2"`, "sh", names, command)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "RAPPORT_SECRET="+p.secret,
			envShift+"="+time.Until(p.doctor.Client.Clock()).Round(time.Millisecond).String())
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%s: %w: %s%s", command, err, out, &stderr)
		}
		return string(out), err
	}
	given := []hosts.Flag{{Name: "config", Value: config}}
	if _, err := sh(c.Command(h.Name, true, given)); err != nil {
		t.Fatal(err)
	}
	if !s.ForgetPhases() { // what the diagnosis opened must not count
		time.Sleep(s.Window + time.Second)
	}
	out, err := sh("rapport knock server --json --config " + phrase.ShellWord(config))
	var r struct {
		Opened bool `json:"opened"`
		SSH    struct {
			State knock.SSHState `json:"state"`
		} `json:"ssh"`
	}
	if e := json.Unmarshal([]byte(out), &r); e != nil {
		t.Fatalf("with the fix applied: %v, %v", err, e)
	}
	if !r.Opened && !r.SSH.State.Connected() && !(f.server.NoSSHD && r.SSH.State == knock.SSHRefused) {
		t.Errorf("with the fix applied: %v, %s", err, out)
	}
}

// names returns a file like /etc/hosts with the addresses of the row's name.
func (p *patient) names(t *testing.T) string {
	text := "127.0.0.1 localhost\n"
	if _, err := netip.ParseAddr(p.host.Address); err != nil {
		all, err := p.doctor.Client.Resolver.LookupNetIP(t.Context(), "ip", p.host.Address)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			text += fmt.Sprintln(a.Unmap(), p.host.Address)
		}
	}
	path := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
