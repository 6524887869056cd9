// Package script writes the script that makes a Linux server a gate, and reads it
// back.
//
// [Rules] describes the gate. [Rules.Script] returns one POSIX shell script for
// iptables or nft, which computes the hour's ports on the server, with the actions
// setup, confirm, refresh, status and remove. [Rules.Systemd] and [Rules.Cron]
// return what runs it. [ReadPrinted] reads the configuration of such a script.
//
// Two guards are optional. A sweep guard ignores an address that hits too many
// wrong ports of the range; [MaxSweepGuard] says how many it may forgive. A replay
// guard limits how many addresses open the gate in an hour, so that an eavesdropper
// cannot repeat a handshake. ATTACKS.md has the measured costs of attacks.
package script

import (
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Format is the firewall tool that a script uses.
type Format string

// The formats.
const (
	IPTables Format = "iptables" // the article's chains and lists, and the same for ip6tables
	NFT      Format = "nft"      // one table of its own for both families
)

// InstallPath is where [Rules.Systemd] and [Rules.Cron] expect the script.
const InstallPath = "/usr/local/sbin/rapport-gate"

// Defaults of a server's script.
const (
	DefaultSecretPath = "/etc/rapport/secret"
	DefaultGrace      = time.Minute
	// DefaultSweepGuard lets a client try six wrong candidates a minute, of five
	// ports each. An attacker who guesses opens a gate of 1,000 ports with
	// probability 6e-10 a minute.
	DefaultSweepGuard = 30
)

// AdvisedListTotal is how many addresses a list of iptables should hold
// (xt_recent's ip_list_tot).
const AdvisedListTotal = 10000

const (
	// maxGuard is how many hits the recent match counts by default
	// (ip_pkt_list_tot).
	maxGuard = 20
	// maxRulesWindow is the hour after which the ports have changed anyway.
	maxRulesWindow = time.Hour
	// maxSweepGuard is more than any client needs, and far from a sweep.
	maxSweepGuard = 1000
	// minBan is how long an address is ignored at least; a longer window counts
	// instead, so that it has lost its phases by then.
	minBan = time.Minute
	// maxAround is how wrong a clock may be, in hours: a day and daylight saving.
	maxAround = 26
)

// Forward is a port of the server that leads to another address after a handshake.
type Forward struct {
	Port int
	To   netip.AddrPort
}

// ParseForward parses the form PORT=ADDR:PORT: 8080=10.0.0.7:80, 8080=[fd00::7]:80.
func ParseForward(s string) (Forward, error) {
	port, to, _ := strings.Cut(s, "=")
	from, errFrom := netip.ParseAddrPort("0.0.0.0:" + port)
	addr, errTo := netip.ParseAddrPort(to)
	if errFrom != nil || errTo != nil {
		return Forward{}, fmt.Errorf("forward %q is not of the form 8080=10.0.0.7:80", knock.Clean(s, 60))
	}
	return Forward{Port: int(from.Port()), To: addr}, nil
}

// Family returns the family of the address.
func (f Forward) Family() knock.Family { return knock.FamilyOf(f.To.Addr()) }

// IP returns what nft calls the family's header: "ip" or "ip6".
func (f Forward) IP() string { return strings.TrimSuffix("ip"+string(f.Family()), "4") }

// ParseSeconds reads whole seconds of a grace or a window: 5 or 5s.
func ParseSeconds(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d%time.Second != 0 {
		return 0, fmt.Errorf("%q is not whole seconds, such as 5 or 5s", knock.Clean(s, 40))
	}
	return d, nil
}

// Rules describes a server's gate. [Rules.Script] writes it as one POSIX shell
// script, for an administrator to read and then to run.
type Rules struct {
	Format  Format
	Host    string // for the comment on top
	Range   knock.Range
	SSHPort int
	Window  time.Duration // whole seconds, for each phase and at the end for SSH
	// Grace is how long after the hour change the last hour's sequence is accepted
	// too; whole seconds below an hour.
	Grace time.Duration
	// ReplayGuard, unless zero, is how many addresses of a family can open the gate
	// in an hour, 1 to 20; after that only those can again.
	ReplayGuard int
	// SweepGuard, unless zero, is how many wrong ports of the range an address
	// (IPv6: its /64) may hit in a minute, up to [MaxSweepGuard]; after more it is
	// ignored for a minute at least. Ports of the hours around now are not wrong.
	SweepGuard int
	OneShot    bool // the first connection ends the window
	Log        bool
	NoDrop     bool // the rest of the firewall drops connections without a handshake
	Forward    []Forward

	SecretPath string       // the file on the server, for root alone
	Embed      bool         // writes Secret into the script instead
	Secret     knock.Secret // only for Embed
}

var (
	//go:embed template/*.sh
	ruleTexts embed.FS
	//go:embed template/systemd.txt
	systemd string
	//go:embed template/cron.txt
	cron string
)

// Validate returns what is wrong with the rules, in one line.
func (r Rules) Validate() error {
	switch {
	case r.Format != IPTables && r.Format != NFT:
		return fmt.Errorf("format %q is not one of iptables, nft", knock.Clean(string(r.Format), 40))
	case r.Host == "" || strings.ContainsFunc(r.Host, func(c rune) bool { return !unicode.IsPrint(c) }):
		return fmt.Errorf("host name %q does not fit into a comment", knock.Clean(r.Host, 40))
	case !r.Range.IsValid():
		return errors.New("there is no range to take the ports from")
	case r.SSHPort < 1 || r.SSHPort > 65535:
		return fmt.Errorf("ssh port %d is not within 1-65535", r.SSHPort)
	case r.Window < time.Second || r.Window > maxRulesWindow || r.Window%time.Second != 0:
		return fmt.Errorf("window %s is not whole seconds from 1s to 1h", phrase.Duration(r.Window))
	case r.Grace < 0 || r.Grace >= time.Hour || r.Grace%time.Second != 0:
		return fmt.Errorf("grace %v is not whole seconds below an hour", r.Grace)
	case r.ReplayGuard < 0 || r.ReplayGuard > maxGuard:
		return fmt.Errorf("replay guard %d is not within 0-%d", r.ReplayGuard, maxGuard)
	case r.SweepGuard < 0 || r.SweepGuard > maxSweepGuard:
		return fmt.Errorf("sweep guard %d is not within 0-%d", r.SweepGuard, maxSweepGuard)
	case r.SweepGuard > MaxSweepGuard(r.Range):
		return fmt.Errorf("sweep guard %d lets a sweep of %v through: give at most %d, or a wider range", r.SweepGuard, r.Range, MaxSweepGuard(r.Range))
	case r.Embed && r.Secret.IsZero():
		return errors.New("there is no secret to embed")
	case !r.Embed && (!path.IsAbs(r.SecretPath) || strings.ContainsFunc(r.SecretPath, unicode.IsControl)):
		return fmt.Errorf("secret path %q is not an absolute path on the server", knock.Clean(r.SecretPath, 80))
	}
	seen := map[string]bool{}
	for _, f := range r.Forward {
		key := fmt.Sprint(f.Port, " ", f.Family())
		switch {
		case f.Port < 1 || f.Port > 65535 || f.Port == r.SSHPort:
			return fmt.Errorf("forward of port %d: it must be within 1-65535 and not the ssh port", f.Port)
		case !f.To.IsValid() || f.To.Port() == 0 || f.To.Addr().Zone() != "" || f.To.Addr().Is4In6():
			return fmt.Errorf("forward of port %d: %s is no address and port to forward to", f.Port, knock.Clean(f.To.String(), 60))
		case seen[key]:
			return fmt.Errorf("forward of port %d: it is given twice", f.Port)
		}
		seen[key] = true
	}
	return nil
}

// Script returns the script, or the error of Validate.
func (r Rules) Script() (string, error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	t := renderer{root: r.fields()}
	for _, part := range []string{"common", string(r.Format), "beside", "main"} {
		text, err := ruleTexts.ReadFile("template/" + part + ".sh")
		if err != nil {
			return "", err
		}
		t.render(part, string(text))
	}
	return t.String(), t.err
}

// fields returns what the names in the script's templates stand for.
func (r Rules) fields() fields {
	var forward, chains []any
	for _, f := range r.Forward {
		forward = append(forward, fields{"Port": f.Port, "To": f.To, "Family": f.Family(), "IP": f.IP()})
	}
	for _, c := range r.nftChains() {
		chains = append(chains, c)
	}
	return fields{
		"Format": r.Format, "NFT": r.Format == NFT, "Host": r.Host, "SSHPort": r.SSHPort, "SSHInRange": r.Range.Contains(r.SSHPort),
		"Bottom": r.Range.Bottom(), "Top": r.Range.Top(), "WindowSeconds": int(r.Window.Seconds()), "GraceSeconds": int(r.Grace.Seconds()),
		"Guard": r.ReplayGuard, "SweepGuard": r.SweepGuard, "ListTotal": AdvisedListTotal, "Around": around(r.Range), "BanSeconds": int(max(minBan, r.Window).Seconds()),
		"OneShot": r.OneShot, "Log": r.Log, "NoDrop": r.NoDrop, "Drop": !r.NoDrop, "Forward": forward, "NFTChains": chains,
		"Embed": r.Embed, "QuotedSecret": shellQuote(r.Secret.Reveal()), "QuotedPath": shellQuote(r.SecretPath), "Unseen": unseen(),
	}
}

// firewalls are the units whose start or reload flushes the rules of others.
const firewalls = "nftables.service netfilter-persistent.service iptables.service ip6tables.service firewalld.service ufw.service"

// Systemd returns the units that run the script: setup at boot and whenever a
// firewall that flushes rules starts; refresh when one reloads, every minute, at
// the end of the grace time, and when the clock is set. A comment above each unit
// names its file.
func (r Rules) Systemd() string {
	calendar := "OnCalendar=*-*-* *:*:00\n"
	if s := int(r.Grace.Seconds()) % 60; s > 0 {
		calendar += fmt.Sprintf("OnCalendar=*-*-* *:%02d:%02d UTC\n", int(r.Grace.Minutes()), s)
	}
	return strings.NewReplacer("{calendar}", calendar, "{path}", InstallPath, "{firewalls}", firewalls).Replace(systemd)
}

// Cron returns a file for /etc/cron.d that runs the script: setup at boot, and
// refresh every minute.
func (r Rules) Cron() string {
	return strings.NewReplacer("{path}", InstallPath).Replace(cron)
}

// MaxSweepGuard returns the most wrong ports a minute that a sweep guard may
// forgive in a range, at least 1. A pass over the range hits twice as many, so that
// a sweep is ignored before its second pass.
func MaxSweepGuard(r knock.Range) int {
	return min(maxSweepGuard, max(1, (r.Size()-knock.Knocks*(2*around(r)+1))/2))
}

// around returns for how many hours before and after now the sweep guard does not
// count their ports: at most 3 of 10 ports of the range.
func around(r knock.Range) int {
	return max(1, min(maxAround, (r.Size()*3/10/knock.Knocks-1)/2))
}

// nftChains returns the regular chains of the nft table.
func (r Rules) nftChains() []string {
	if r.SweepGuard == 0 {
		return []string{"knocking", "shut", "syn"}
	}
	return []string{"count", "knocking", "shut", "syn", "wrong_4", "wrong_6"}
}

// unseen returns the invisible characters, which a secret may not contain, as
// ranges of numbers: 0-32 127-160 and so on. Each script of a program has the same.
var unseen = sync.OnceValue(func() string {
	var all []string
	first := -1
	for c := rune(0); c <= unicode.MaxRune+1; c++ {
		switch hidden := knock.IsUnseen(c); {
		case hidden && first < 0:
			first = int(c)
		case !hidden && first >= 0:
			all = append(all, fmt.Sprintf("%d-%d", first, c-1))
			first = -1
		}
	}
	return strings.Join(all, " ")
})

// shellQuote quotes s for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
