package knock_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"rapport/knock"
)

// The log has each SYN, each answer and the banner, and nothing of the secret.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	c := clockAt(at)
	c.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sec := secret(t, "f00b4r")
	target := knock.Target{Host: "h", Addr: greeter(t, "SSH-2.0-x\r\n"), Range: knock.DefaultRange, Secret: sec}
	if r, err := c.Knock(t.Context(), target, knock.Options{Gaps: []time.Duration{time.Millisecond}}, nil); err != nil || !r.Opened {
		t.Fatalf("%+v, %v", r, err)
	}
	ssh := target.Addr.Port()
	want := []string{
		fmt.Sprintf(`msg="SYN sent" address=127.0.0.1 port=%d probe=true`, ssh),
		fmt.Sprintf(`msg=answer address=127.0.0.1 port=%d probe=true answer=open rtt=`, ssh),
		fmt.Sprintf(`msg=banner address=127.0.0.1 port=%d state=open text=SSH-2.0-x`, ssh),
	}
	for _, p := range knock.Derive(knock.HourOf(at), target.Range, sec).Ports() {
		want = append(want,
			fmt.Sprintf(`msg="SYN sent" address=127.0.0.1 port=%d probe=false`, p),
			fmt.Sprintf(`msg=answer address=127.0.0.1 port=%d probe=false answer=refused rtt=`, p))
	}
	for _, line := range want {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no record %q in\n%s", line, out.String())
		}
	}
	if strings.Contains(out.String(), "f00b4r") {
		t.Errorf("the secret is in\n%s", out.String())
	}
}
