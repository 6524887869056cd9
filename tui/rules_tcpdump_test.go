//go:build linux

package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/gopacket/gopacket/pcapgo"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// dumping starts a tcpdump, which records until the returned function is called.
func dumping(t *testing.T, cmd *exec.Cmd) (end func()) {
	t.Helper()
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for b := make([]byte, 1024); !bytes.Contains(text, []byte("listening on")); {
		n, err := said.Read(b)
		if err != nil {
			t.Fatalf("tcpdump does not listen: %s", text)
		}
		text = append(text, b[:n]...)
	}
	return func() {
		knock.Wait(context.Background(), 300*time.Millisecond) // for answers on their way
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// asNg writes a capture anew as pcapng, as Wireshark does.
func asNg(t *testing.T, path string) (ng string) {
	t.Helper()
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	r, err := pcapgo.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := pcapgo.NewNgWriter(&out, r.LinkType())
	if err != nil {
		t.Fatal(err)
	}
	packets := 0
	for ; ; packets++ {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			info.InterfaceIndex = 0
			err = w.WritePacket(info, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil || packets == 0 {
		t.Fatalf("%d packets, %v", packets, err)
	}
	ng = strings.TrimSuffix(path, ".pcap") + ".pcapng"
	knocktest.WriteFile(t, ng, out.String(), 0o600)
	return ng
}

// The time line of a handshake that tcpdump recorded on both sides of a real gate, in the
// formats of tcpdump and of Wireshark.
func TestRulesDrawWhatTcpdumpRecorded(t *testing.T) {
	t.Parallel()
	knocktest.Need(t, "tcpdump", "setpriv")
	s, dir := knocktest.NewServer(t, knocktest.Options{}), t.TempDir()
	record := func(side, hosts string) []string {
		return []string{"tcpdump", "--immediate-mode", "-Z", "root", "-i", "any", "-s", "160", "-U", "-w", filepath.Join(dir, side+".pcap"), hosts + "tcp[13] & 6 != 0"}
	}
	// The end of its parent ends the server's tcpdump, no signal to that does.
	there, here := record("server", ""), record("client", fmt.Sprintf("host %v and ", s.Addr4))
	endThere := dumping(t, s.Command(t.Context(), "setpriv", append([]string{"--pdeathsig", "TERM"}, there...)...))
	endHere := dumping(t, exec.Command(here[0], here[1:]...))
	r, err := (&knock.Client{}).Knock(t.Context(), s.Target(t, s.Addr4), knock.Options{}, nil)
	endHere()
	endThere()
	if err != nil || !r.Opened {
		t.Fatalf("SSH does not open: %v", err)
	}
	client, server := filepath.Join(dir, "client.pcap"), filepath.Join(dir, "server.pcap")
	for _, paths := range [][]string{{client, server}, {asNg(t, client), asNg(t, server)}} {
		now := time.Now()
		m := newScreen(t, &now, nil)
		m.Target.Secret, m.Target.Addr = s.Secret, s.SSHAddr(s.Addr4)
		m = loading(t, tell(m, tea.WindowSizeMsg{Width: 120, Height: 40}, press("c")), paths...)
		want := []string{filepath.Base(paths[0]), filepath.Base(paths[1]), "left arrived", "phase 1", "phase 5", "got in", "clocks: "}
		for _, k := range r.Attempts[0].Knocks {
			want = append(want, fmt.Sprint(k.Port))
		}
		shows(t, m, want...)
	}
}
