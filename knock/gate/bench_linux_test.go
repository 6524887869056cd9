package gate_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
)

// busyTime is the time that this process kept cores busy: on a machine with other work the
// clock says little.
func busyTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inspectText reads and inspects rules as rapport inspect does.
func inspectText(b *testing.B, text string) gate.Findings {
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		b.Fatal(err)
	}
	found, err := gate.ReadRules(strings.NewReader(text))
	if err != nil {
		return found
	}
	q := solve.Query{Secret: secret, Range: knock.DefaultRange, Hour: knock.HourOf(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)), Past: solve.DefaultHours, Future: solve.DefaultHours}
	_, _ = gate.Inspect(context.Background(), found, q, gate.Facts{SSHPort: 22})
	return found
}

// grown repeats what makes a line until the text has 700 kB.
func grown(head string, line func(i int) string, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; b.Len() < 700_000; i++ {
		b.WriteString(line(i))
	}
	return b.String() + tail
}

// largeRules are texts of 700 kB without a gate, as large firewalls are.
func largeRules() map[string]string {
	const head, accept = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n", "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n"
	addr := func(i int) string { return fmt.Sprintf("%d.%d.%d.%d", 1+i%200, i/7%256, i/3%256, i%256) }
	chains := ""
	for i := range 1500 {
		chains += fmt.Sprintf(":KUBE-SVC-%d - [0:0]\n", i)
	}
	return map[string]string{
		"addresses": grown(head+accept, func(i int) string { return fmt.Sprintf("-A INPUT -s %s/32 -j DROP\n", addr(i)) }, "COMMIT\n"),
		"ports": grown(head+accept, func(i int) string {
			return fmt.Sprintf("-A INPUT -s %s/32 -p tcp -m tcp --dport %d -j ACCEPT\n", addr(i), 1+i%60000)
		}, "COMMIT\n"),
		"chains": grown(head+chains+accept, func(i int) string {
			return fmt.Sprintf("-A INPUT -d %s/32 -p tcp -m tcp --dport %d -j KUBE-SVC-%d\n-A KUBE-SVC-%[3]d -s %[1]s/32 -m comment --comment \"service %[3]d\" -j ACCEPT\n", addr(i), 1+i%60000, i%1500)
		}, "COMMIT\n"),
		"lists": grown(head+accept, func(i int) string {
			return fmt.Sprintf("-A INPUT -p tcp -m tcp --dport %d -m recent --set --name L%d --mask 255.255.255.255 --rsource\n-A INPUT -m recent --rcheck --seconds 60 --hitcount 4 --name L%[2]d --mask 255.255.255.255 --rsource -j DROP\n", 1+i%60000, i%200)
		}, "COMMIT\n"),
		"nft set": grown("table inet filter {\n\tset bad {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.1", func(i int) string { return ",\n\t\t\t     " + addr(i) },
			" }\n\t}\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\tip saddr @bad drop\n\t\ttcp dport 80 accept\n\t}\n}\n"),
		"nft rules": grown("table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\tct state established,related accept\n", func(i int) string {
			return fmt.Sprintf("\t\tip saddr %s tcp dport { %d, %d } counter packets 0 bytes 0 accept\n", addr(i), 1+i%60000, 2+i%60000)
		}, "\t}\n}\n"),
	}
}

// BenchmarkInspect700kB inspects 700 kB of rules without a gate.
func BenchmarkInspect700kB(b *testing.B) {
	for name, text := range largeRules() {
		b.Run(name, func(b *testing.B) {
			busy := busyTime(b)
			for b.Loop() {
				if found := inspectText(b, text); len(found.Gates) > 0 {
					b.Fatal("it holds a gate")
				}
			}
			b.ReportMetric(float64((busyTime(b)-busy).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkInspectFuzzed inspects the inputs that fuzzers have found, those of testdata and of
// the cache, and reports the slowest.
func BenchmarkInspectFuzzed(b *testing.B) {
	cache, _ := os.UserCacheDir()
	for b.Loop() {
		slowest, which, n := time.Duration(0), "", 0
		for _, dir := range []string{"testdata", filepath.Join(cache, "go-build", "fuzz", "rapport", "knock", "gate")} {
			files, _ := filepath.Glob(filepath.Join(dir, "fuzz*", "Fuzz*", "*"))
			more, _ := filepath.Glob(filepath.Join(dir, "Fuzz*", "*"))
			for _, file := range append(files, more...) {
				text, ok := fuzzed(file)
				if !ok {
					continue
				}
				n++
				began := busyTime(b)
				inspectText(b, text)
				if took := busyTime(b) - began; took > slowest {
					slowest, which = took, file
				}
			}
		}
		b.ReportMetric(float64(slowest.Milliseconds()), "cpu-ms/slowest")
		b.ReportMetric(float64(n), "inputs")
		b.Log(which)
	}
}

// fuzzed returns the text of an input of the fuzzer.
func fuzzed(path string) (text string, ok bool) {
	data, err := os.ReadFile(path)
	_, quoted, found := strings.Cut(string(data), "[]byte(")
	if !found {
		_, quoted, found = strings.Cut(string(data), "string(")
	}
	end := strings.LastIndex(quoted, ")")
	if err != nil || !found || end < 0 {
		return "", false
	}
	text, err = strconv.Unquote(quoted[:end])
	return text, err == nil
}
