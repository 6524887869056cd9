package sshconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
)

// SSHHost is what an ssh configuration says of a name.
type SSHHost struct {
	Address string   // its HostName, or the name itself
	Port    int      // its Port, or 22
	Known   bool     // a Host or Match line names it, by more than wildcards
	Doubts  []string // settings that may hold too, each with the reason why that cannot be told
}

// DefaultSSHConfig returns the path of the user's ssh configuration,
// ~/.ssh/config, or nothing where there is no home folder.
func DefaultSSHConfig() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".ssh", "config")
}

// FromSSHConfig returns what the ssh configuration at path (ssh_config(5)) says
// of a name, as ssh -G -F path tells it: HostName with %h expanded, and Port, of
// the Host and Match blocks that hold for the name and the user that the
// configuration gives it. Include is followed, relative to the file's folder, and
// the configuration is read a second time where Match final asks for that. An
// address that is not Known is the name itself.
//
// Nothing is run and no name is resolved: Match exec and other criteria that ssh
// decides while it runs, and CanonicalizeHostname, are passed over, and said in
// Doubts where they may change address or port.
//
// An error says why the configuration could not be understood. A configuration
// that is not there is no error.
func FromSSHConfig(path, name string) (SSHHost, error) {
	nothing := SSHHost{Address: name, Port: knock.DefaultSSHPort}
	if path == "" || knock.CheckHost(name) != nil {
		return nothing, nil
	}
	c := sshConfig{name: name, host: name, folder: filepath.Dir(path), left: maxSSHBytes, unsure: map[string]bool{}}
	err := c.read(path, 0, block{holds: yes})
	if err == nil && c.wantsFinal {
		err = c.readAgain(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nothing, err
	}
	nothing.Doubts = c.doubts
	if !c.known {
		return nothing, nil
	}
	h, err := c.result()
	if err != nil {
		return nothing, fmt.Errorf("ssh configuration %s: host %s: %w", knock.QuotePath(path), knock.Quote(name), err)
	}
	return h, nil
}

// result is what the values found mean.
func (c *sshConfig) result() (SSHHost, error) {
	h := SSHHost{Address: c.name, Port: knock.DefaultSSHPort, Known: true, Doubts: c.doubts}
	var err error
	if c.hostName != "" {
		if h.Address, err = expandTokens(c.hostName, c.name); err != nil {
			return h, err
		}
		if err := knock.CheckHost(h.Address); err != nil {
			return h, fmt.Errorf("HostName: %w", err)
		}
	}
	if c.port != "" {
		if h.Port, err = strconv.Atoi(c.port); err != nil || h.Port < 1 || h.Port > 65535 {
			return h, fmt.Errorf("port %s is not within 1-65535", knock.Quote(c.port))
		}
	}
	return h, nil
}

// readAgain reads the configuration as ssh does once more for Match final: now
// Host lines are about the HostName, and what was found before stays.
func (c *sshConfig) readAgain(path string) error {
	if c.hostName != "" {
		host, err := expandTokens(c.hostName, c.name)
		if err != nil {
			return err
		}
		c.host = host
	}
	if addr, err := netip.ParseAddr(c.host); err == nil {
		c.host = addr.String()
	} else {
		c.host = strings.ToLower(c.host)
	}
	c.hostName = strings.ReplaceAll(c.host, "%", "%%")
	c.final, c.files, c.left = true, 0, maxSSHBytes
	return c.read(path, 0, block{holds: yes})
}

// expandTokens expands what HostName may hold: %h and %%.
func expandTokens(s, name string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i < len(s) && s[i] == 'h':
			b.WriteString(name)
		case i < len(s) && s[i] == '%':
			b.WriteByte('%')
		default:
			return "", fmt.Errorf("HostName %s: only %%h and %%%% can be expanded", knock.Quote(s))
		}
	}
	return b.String(), nil
}

// sshConfig reads a configuration for the sake of one name.
type sshConfig struct {
	name   string // as given
	host   string // what Host lines are about: the name, or its HostName in the second pass
	folder string
	left   int // bytes that may still be read
	files  int
	final  bool // this is the second pass

	known                bool
	wantsFinal           bool
	hostName, port, user string
	unsure               map[string]bool // keywords whose value may be another
	doubts               []string
}

// verdict is whether a block holds.
type verdict int

const (
	no verdict = iota
	yes
	perhaps // only ssh can tell
)

// block is the Host or Match block that a line stands in.
type block struct {
	holds verdict
	why   string // it is perhaps
}

// line takes one line, which stands in file, has that number and belongs to block
// b, in a file that block outer includes.
func (c *sshConfig) line(file string, n int, line string, b *block, depth int, outer block) error {
	words, err := sshWords(line)
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
			*b, err = c.match(matchWords(line))
		}
		if b.holds != no && outer.holds != yes {
			*b = outer
		}
		return err
	case "include":
		return c.include(args, depth, *b)
	case "hostname", "port", "user", "canonicalizehostname":
	default:
		return nil
	}
	if len(args) == 0 || b.holds == no {
		return nil
	}
	c.set(file, n, keyword, args[0], *b)
	return nil
}

// set notes a value, of which the first one counts.
func (c *sshConfig) set(file string, n int, keyword, value string, b block) {
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
	doubt := fmt.Sprintf("ssh configuration %s, line %d: %s %s may hold for %s, %s", knock.QuotePath(file), n, keyword, knock.Quote(value), knock.Quote(c.name), b.why)
	if !slices.Contains(c.doubts, doubt) {
		c.doubts = append(c.doubts, doubt)
	}
}

// hostLine judges the patterns of a Host line, of which '!' negates one.
func (c *sshConfig) hostLine(patterns []string) (block, error) {
	var b block
	named := false
	for _, p := range patterns {
		if p == "" {
			return block{}, errors.New("an empty pattern")
		}
		if len(p) > maxSSHPattern {
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

// login returns the user that ssh logs in as, as far as is known by now, and
// local the one who runs it.
func (c *sshConfig) login() (remote, local string, err error) {
	u, err := user.Current()
	if err != nil {
		return "", "", fmt.Errorf("cannot tell who runs this: %s", knock.Excerpt(err.Error()))
	}
	if c.user != "" {
		return c.user, u.Username, nil
	}
	return u.Username, u.Username, nil
}
