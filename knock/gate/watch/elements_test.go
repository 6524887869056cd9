package watch

import (
	"strings"
	"testing"
)

// TestElementFilter: elements of a sweep guard's set are left out, those of lists and of
// sets that packets do not change stay, however the text is cut.
func TestElementFilter(t *testing.T) {
	const own = "\tset own {\n\t\ttype inet_service\n\t\telements = { 1, 2,\n\t\t\t     3 }\n\t}\n"
	const phase = "\tset phase1_4 {\n\t\tflags dynamic,timeout\n\t\telements = { 192.0.2.1 expires 1s,\n\t\t\t     192.0.2.2 expires 2s }\n\t}\n"
	const wrong = "\tset wrong_4 {\n\t\tflags dynamic,timeout\n\t\ttimeout 1m\n"
	const sources = "\t\telements = { 192.0.2.1 limit rate over 20/minute burst 20 packets expires 1s,\n\t\t\t     192.0.2.2 expires 2s }\n"
	const rest = "\t}\n\tchain c {\n\t\ttcp dport { 1, 2 } accept\n\t}\n}\n"
	for _, size := range []int{1, 7, 1 << 20} {
		f := elementFilter{wanted: func(set string) bool { return set == "phase1_4" }}
		for text := own + phase + wrong + sources + rest; text != ""; {
			n := min(size, len(text))
			if k, err := f.Write([]byte(text[:n])); k != n || err != nil {
				t.Fatal(k, err)
			}
			text = text[n:]
		}
		if got, want := string(f.text()), own+phase+wrong+rest; got != want {
			t.Errorf("by %d bytes:\n%s", size, strings.ReplaceAll(got, "\t", "  "))
		}
	}
}
