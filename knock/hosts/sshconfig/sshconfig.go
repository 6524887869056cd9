// Package sshconfig reads from ~/.ssh/config (ssh_config(5)) which address and port
// ssh connects to for a host, and writes the lines that make ssh use rapport.
//
// [Lookup] returns a [Host] for a name, as ssh -G would; tests compare the two. It
// does not start ssh, run a command or resolve a name: a setting that depends on any
// of these is left out, with a line in Host.Doubts for the user to check.
//
// A [Proxy] is rapport as ssh's ProxyCommand: as arguments of ssh, or as lines for
// the configuration, quoted for the shell that ssh runs.
package sshconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
)

// Host is what an ssh configuration says about a name.
type Host struct {
	Address string   // its HostName, or the name itself
	Port    int      // its Port, or 22
	Known   bool     // a Host or Match line names it, by more than wildcards
	KeyName bool     // a HostKeyAlias applies, or may apply, whether or not it is Known
	Doubts  []string // settings that may apply too, a line each, with the reason
}

// DefaultPath returns ~/.ssh/config, or nothing if there is no home folder.
func DefaultPath() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".ssh", "config")
}

// Lookup returns the address and port of a name in the ssh configuration at path, like
// ssh -G -F path: from the Host and Match blocks that apply to the name and to the user
// that the configuration sets, with Include, relative to the file's folder, and with a
// second pass if there is Match final. If the result is not Known, its address is name.
//
// Criteria that only ssh can evaluate, such as Match exec, and CanonicalizeHostname are
// skipped, with a line in Doubts if they may change the result. A missing configuration
// is no error.
func Lookup(path, name string) (Host, error) {
	nothing := Host{Address: name, Port: knock.DefaultSSHPort}
	if path == "" || knock.CheckHost(name) != nil {
		return nothing, nil
	}
	c := reader{name: name, host: name, folder: filepath.Dir(path), left: maxBytes, unsure: map[string]bool{}}
	err := c.read(path, 0, block{holds: yes})
	if err == nil && c.wantsFinal {
		err = c.readAgain(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nothing, err
	}
	nothing.Doubts, nothing.KeyName = c.doubts, c.keyName
	if !c.known {
		return nothing, nil
	}
	h, err := c.result()
	if err != nil {
		return nothing, fmt.Errorf("ssh configuration %s: host %s: %w", knock.QuotePath(path), knock.Quote(name), err)
	}
	return h, nil
}

func (c *reader) result() (Host, error) {
	h := Host{Port: knock.DefaultSSHPort, Known: true, KeyName: c.keyName, Doubts: c.doubts}
	var err error
	if h.Address, err = c.target(c.name); err != nil {
		return h, err
	}
	if err := knock.CheckHost(h.Address); err != nil {
		return h, fmt.Errorf("HostName: %w", err)
	}
	if c.port != "" {
		if h.Port, err = strconv.Atoi(c.port); err != nil || h.Port < 1 || h.Port > 65535 {
			return h, fmt.Errorf("port %s is not within 1-65535", knock.Quote(c.port))
		}
	}
	return h, nil
}

// readAgain reads the configuration a second time, as ssh does for Match final:
// Host lines now match the HostName, and values found before stay.
func (c *reader) readAgain(path string) error {
	var err error
	if c.host, err = c.target(c.host); err != nil {
		return err
	}
	if addr, err := netip.ParseAddr(c.host); err == nil {
		c.host = addr.String()
	} else {
		c.host = strings.ToLower(c.host)
	}
	c.hostName = strings.ReplaceAll(c.host, "%", "%%")
	c.final, c.files, c.left = true, 0, maxBytes
	return c.read(path, 0, block{holds: yes})
}

// target returns the HostName so far, with %h and %% expanded, or what stands for it.
func (c *reader) target(otherwise string) (string, error) {
	if c.hostName == "" {
		return otherwise, nil
	}
	if strings.Contains(strings.NewReplacer("%%", "", "%h", "").Replace(c.hostName), "%") {
		return "", fmt.Errorf("HostName %s: only %%h and %%%% can be expanded", knock.Quote(c.hostName))
	}
	return strings.NewReplacer("%%", "%", "%h", c.name).Replace(c.hostName), nil
}

type reader struct {
	name   string // as given
	host   string // what Host lines match: the name, or its HostName in the second pass
	folder string
	left   int // bytes that may still be read
	files  int
	final  bool // this is the second pass

	known, keyName       bool
	wantsFinal           bool
	hostName, port, user string
	unsure               map[string]bool // keywords that may have another value
	doubts               []string
}

// certainty says whether a block applies.
type certainty int

const (
	no certainty = iota
	yes
	perhaps // only ssh knows
)

// block is the Host or Match block that contains a line.
type block struct {
	holds certainty
	why   string // the reason for perhaps
}

// line reads line n of file, in block b. outer is the block that includes the file.
func (c *reader) line(file string, n int, line string, b *block, depth int, outer block) error {
	words, err := splitWords(line)
	if err != nil || len(words) == 0 {
		return err
	}
	args := words[1:]
	keyword := strings.ToLower(words[0])
	switch keyword {
	case "host", "match":
		if keyword == "host" {
			*b, err = c.hostLine(args)
		} else {
			*b, err = c.match(splitMatch(line))
		}
		if b.holds != no && outer.holds != yes {
			*b = outer
		}
		return err
	case "include":
		return c.include(args, depth, *b)
	case "hostkeyalias":
		c.keyName = c.keyName || b.holds != no
	case "hostname", "port", "user", "canonicalizehostname":
		if len(args) > 0 && b.holds != no {
			c.set(file, n, keyword, args[0], *b)
		}
	}
	return nil
}

// set stores a value, unless the keyword has one: the first counts.
func (c *reader) set(file string, n int, keyword, value string, b block) {
	at := map[string]*string{"hostname": &c.hostName, "port": &c.port, "user": &c.user}[keyword]
	canonical := keyword == "canonicalizehostname"
	if canonical && strings.EqualFold(value, "no") || !canonical && *at != "" {
		return
	}
	switch {
	case canonical:
		if _, err := netip.ParseAddr(c.name); err == nil {
			return
		}
		b.why = "for which rapport resolves no names"
	case b.holds == yes:
		*at = value
		return
	default:
		c.unsure[keyword] = true
	}
	if keyword == "user" {
		return
	}
	doubt := fmt.Sprintf("ssh configuration %s, line %d: %s %s may apply to %s, %s", knock.QuotePath(file), n, keyword, knock.Quote(value), knock.Quote(c.name), b.why)
	if !slices.Contains(c.doubts, doubt) {
		c.doubts = append(c.doubts, doubt)
	}
}

// hostLine evaluates the patterns of a Host line; '!' negates one.
func (c *reader) hostLine(patterns []string) (block, error) {
	var b block
	named := false
	for _, p := range patterns {
		if p == "" {
			return block{}, errors.New("an empty pattern")
		}
		if len(p) > maxPattern {
			return block{}, errors.New("a pattern is too long")
		}
		pattern, negated := strings.CutPrefix(p, "!")
		if !matchPattern(c.host, pattern) {
			continue
		}
		if negated {
			return block{}, nil
		}
		b.holds = yes
		named = named || strings.Trim(pattern, "*?") != ""
	}
	c.known = c.known || named
	return b, nil
}

// ExpandHome replaces a leading ~/ by the home folder.
func ExpandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("cannot find the home folder that %s starts with: %s", knock.QuotePath(path), knock.Excerpt(err.Error()))
	}
	return filepath.Join(home, rest), nil
}
