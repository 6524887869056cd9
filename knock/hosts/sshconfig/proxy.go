package sshconfig

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Proxy is the program that ssh runs as its ProxyCommand.
type Proxy struct {
	Words  []string // the program and its flags; paths are absolute, since ssh has its own working directory
	Fdpass bool     // it passes the connected socket to ssh (ProxyUseFdpass)
}

// Args returns the arguments of ssh that reach the host called name by p. own are those of
// the user, which follow the destination. The host key is looked up by address, as in a
// stanza, unless they or the configuration say by which name.
func (p Proxy) Args(name, address string, port int, own []string) ([]string, error) {
	command, err := p.command(sshWord(name))
	if err != nil {
		return nil, err
	}
	args := []string{"-o", "ProxyCommand=" + command, "-p", fmt.Sprint(port)}
	if p.Fdpass {
		args = append(args, "-o", "ProxyUseFdpass=yes")
	}
	if alias := hostKeyAlias(name, address, port); alias != "" && !namesKey(name, own) {
		args = append(args, "-o", "HostKeyAlias="+alias)
	}
	return args, nil
}

// namesKey reports whether the user's arguments, or the configuration that they or else
// ssh choose, may have a HostKeyAlias for a host: ssh takes the first, which is rapport's.
func namesKey(name string, own []string) bool {
	const valued = "BbcDEeFIiJLlmOoPpQRSWw" // the options with a value
	configs := []string{DefaultPath(), "/etc/ssh/ssh_config"}
	for len(own) > 0 && strings.HasPrefix(own[0], "-") {
		word := own[0][1:]
		own = own[1:]
		at := strings.IndexAny(word, valued)
		if at < 0 {
			continue
		}
		value := word[at+1:]
		if value == "" && len(own) > 0 {
			value, own = own[0], own[1:]
		}
		switch {
		case word[at] == 'F' && value == "none":
			configs = nil
		case word[at] == 'F':
			configs = []string{value}
		case word[at] == 'o' && strings.HasPrefix(strings.ToLower(strings.TrimSpace(value)), "hostkeyalias"):
			return true
		}
	}
	return slices.ContainsFunc(configs, func(path string) bool {
		h, err := Lookup(path, name)
		return err != nil || h.KeyName // ssh says what is wrong with it
	})
}

// Stanza returns the lines of ssh_config(5) by which ssh reaches the host called
// name by p. With another address, its host key is looked up by that, under which a
// login before the gate stored it. With master, later sessions share the first one's
// connection.
func (p Proxy) Stanza(name, address string, port int, master bool) (string, error) {
	// ssh_config(5) cannot quote the characters of a pattern.
	if strings.ContainsAny(name, "*?!,\"'\\ ") {
		return "", fmt.Errorf("ssh would read the name %q as a pattern: rename the entry", name)
	}
	command, err := p.command(quoteWord("%h"))
	if err != nil {
		return "", err
	}
	lines := []string{"Host " + name}
	if port != knock.DefaultSSHPort {
		lines = append(lines, fmt.Sprintf("Port %d", port))
	}
	if alias := hostKeyAlias(name, address, port); alias != "" {
		lines = append(lines, "HostKeyAlias "+alias)
	}
	lines = append(lines, "ProxyCommand "+command)
	if p.Fdpass {
		lines = append(lines, "ProxyUseFdpass yes")
	}
	if master {
		lines = append(lines, "ControlMaster auto", "ControlPath ~/.ssh/control-%C", "ControlPersist 10m")
	}
	return strings.Join(lines, "\n    ") + "\n", nil
}

// hostKeyAlias is what ssh calls a server with another address than its name in
// known_hosts; empty for others, and for an address that ssh_config(5) cannot write.
func hostKeyAlias(name, address string, port int) string {
	if strings.EqualFold(name, address) || strings.ContainsAny(address, " \t\r\n\"'\\#%") {
		return ""
	}
	address = strings.ToLower(address)
	if port == knock.DefaultSSHPort {
		return address
	}
	return fmt.Sprintf("[%s]:%d", address, port)
}

// command returns the value of ProxyCommand. host is quoted already.
func (p Proxy) command(host string) (string, error) {
	var words []string
	for _, word := range p.Words {
		words = append(words, sshWord(word))
	}
	line := strings.Join(append(words, "--", host, "%p"), " ")
	if strings.ContainsAny(line, "\r\n") {
		return "", errors.New("ssh takes no line end in a path: move the file")
	}
	return line, nil
}

// sshWord quotes a word for ssh, which expands %, and for the shell that ssh runs.
func sshWord(s string) string { return quoteWord(strings.ReplaceAll(s, "%", "%%")) }

// quoteWord quotes a word for the shell that runs a ProxyCommand.
func quoteWord(s string) string {
	if runtime.GOOS == "windows" && phrase.ShellWord(s) != s { // file names hold no double quote there
		return `"` + s + `"`
	}
	return phrase.ShellWord(s)
}
