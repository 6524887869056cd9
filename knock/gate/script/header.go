package script

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
)

// Printed is the configuration at the top of a script of [Rules.Script]. The script
// computes the ports from the hour.
type Printed struct {
	Format  Format
	Range   knock.Range
	SSHPort int
	Window  time.Duration
	Grace   time.Duration
	Guard   int // addresses that may open in an hour; 0 is no replay guard
	Sweep   int // the wrong ports a minute that the sweep guard forgives; 0 is none
	OneShot bool
}

// Words returns one line that says what the script would load.
func (p Printed) Words() string {
	s := fmt.Sprintf("the script of rapport rules for %s: it would load range %v, window %v, ssh port %d, grace %v",
		p.Format, p.Range, p.Window, p.SSHPort, p.Grace)
	if p.Guard > 0 {
		s += fmt.Sprintf(", replay guard %d", p.Guard)
	}
	if p.Sweep > 0 {
		s += fmt.Sprintf(", sweep guard %d", p.Sweep)
	}
	return s + ", and the hour as the server's clock has it"
}

// ReadPrinted reads the variables of a script. ok is false for any other text.
func ReadPrinted(lines []string) (p Printed, ok bool) {
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "#!") {
		return p, false
	}
	values := map[string]int{}
	p.Format = IPTables
	for _, line := range lines {
		switch {
		case line == "table=portknock":
			p.Format = NFT
		case strings.Contains(line, "_PHASE5 --remove\""), strings.Contains(line, "delete @phase5_"):
			p.OneShot = true
		}
		for _, word := range strings.Fields(line) { // bottom=10000 top=10999 # a comment
			name, value, _ := strings.Cut(word, "=")
			n, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				break
			}
			if _, known := values[name]; !known {
				values[name] = int(n)
			}
		}
	}
	for _, name := range []string{"bottom", "top", "window", "grace", "ssh"} {
		if _, known := values[name]; !known {
			return p, false
		}
	}
	r, err := knock.NewRange(values["bottom"], values["top"])
	if err != nil || values["ssh"] == 0 || values["window"] == 0 {
		return p, false
	}
	p.Range, p.SSHPort, p.Guard, p.Sweep = r, values["ssh"], values["guard"], values["sweep"]
	p.Window, p.Grace = time.Duration(values["window"])*time.Second, time.Duration(values["grace"])*time.Second
	return p, true
}
