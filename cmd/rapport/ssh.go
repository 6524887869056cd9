package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/hosts"
)

var errNoSSH = errors.New("there is no ssh on the PATH: install an OpenSSH client")

func newSSH(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh [USER@]HOST [ARG...]",
		Short: "Run ssh through the gate",
		Long: `ssh runs ssh with rapport as its ProxyCommand. Everything after HOST is ssh's:
options, and the command. The exit status is ssh's.`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     f.completeHosts,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return oneHost(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			user, name, err := f.login(args[0])
			if err != nil {
				return err
			}
			h, err := f.server(cmd, name)
			if err != nil {
				return err
			}
			args = append([]string{user + name}, args[1:]...)
			ssh, err := exec.LookPath("ssh")
			if err != nil {
				return errNoSSH
			}
			if f.environment == "" || f.secretFile != "" || h.Secret.Source() != hosts.NoSecret {
				argv, err := sshArgs(cmd, h, name, args)
				if err != nil {
					return err
				}
				return become(cmd.Context(), ssh, argv)
			}
			return f.sshWithSecret(cmd, ssh, h, name, args)
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w; ssh's own options go after HOST", err)
	})
	return cmd
}

// sshWithSecret runs ssh where the secret is in no file that rapport proxy could
// read: this program stays, and serves it.
func (f *flags) sshWithSecret(cmd *cobra.Command, ssh string, h hosts.Host, name string, args []string) error {
	s, err := parseEnvironment(f.environment)
	if err != nil {
		return err
	}
	socket, stop, err := hosts.ServeSecret(s)
	if err != nil {
		return err
	}
	defer stop()
	if err := cmd.Flags().Set("secret-file", socket); err != nil {
		return err
	}
	argv, err := sshArgs(cmd, h, name, args)
	if err != nil {
		return err
	}
	return waitFor(cmd.Context(), ssh, argv)
}

// login takes what ssh calls its destination apart: the user with the @, or
// nothing, and the host.
func (f *flags) login(destination string) (user, host string, err error) {
	file, err := f.load()
	if err != nil {
		return "", "", err
	}
	if _, listed := file.Host(destination); listed {
		return "", destination, nil
	}
	host = destination
	if !strings.Contains(destination, "://") {
		at := strings.LastIndex(destination, "@") + 1
		user, host = destination[:at], destination[at:]
	}
	if err := knock.CheckHost(host); err != nil {
		return "", "", err
	}
	host, err = typed(file, host)
	return user, host, err
}

// sshArgs returns ssh's arguments, its name first, to reach h, which is called
// name. rapport is named by its own path, with the flags that it was given
// itself.
func sshArgs(cmd *cobra.Command, h hosts.Host, name string, args []string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program's own path: %w", err)
	}
	proxy, err := proxyCommand(cmd, self, canPass, sshWord(name))
	if err != nil {
		return nil, err
	}
	argv := []string{"ssh", "-o", "ProxyCommand=" + proxy, "-p", fmt.Sprint(h.SSHPort)}
	if canPass {
		argv = append(argv, "-o", "ProxyUseFdpass=yes")
	}
	return append(argv, args...), nil
}

// proxyCommand writes the line that ssh runs to reach host, a word as ssh takes
// it, with the flags that were given here. ssh runs it wherever it was started,
// so that paths in it are absolute.
func proxyCommand(cmd *cobra.Command, self string, fdpass bool, host string) (string, error) {
	words := []string{sshWord(self), "proxy"}
	if fdpass {
		words = append(words, "--fdpass")
	}
	given, err := givenFlags(cmd)
	if err != nil {
		return "", err
	}
	for _, word := range given {
		words = append(words, sshWord(word))
	}
	line := strings.Join(append(words, "--", host, "%p"), " ")
	if strings.ContainsAny(line, "\r\n") {
		return "", errors.New("ssh takes no line end in a path: move the file")
	}
	return line, nil
}

// givenFlags returns those flags that were given here and that rapport proxy
// takes, which gets its port from ssh.
func givenFlags(cmd *cobra.Command) ([]string, error) {
	var given []string
	for _, name := range []string{"range", "secret-file", "skew", "ipv4", "ipv6", "timeout", "config"} {
		f := cmd.Flags().Lookup(name)
		if !f.Changed {
			continue
		}
		value := f.Value.String()
		if name == "secret-file" || name == "config" {
			var err error
			if value, err = filepath.Abs(value); err != nil {
				return nil, fmt.Errorf("--%s: %w", name, err)
			}
		}
		given = append(given, "--"+name+"="+value)
	}
	return given, nil
}

// sshWord quotes a word of a ProxyCommand: ssh replaces %x in it and hands it to
// the user's shell.
func sshWord(s string) string { return quoteForSSH(strings.ReplaceAll(s, "%", "%%")) }

// quoteForSSH quotes a word for the shell that ssh hands a ProxyCommand to.
func quoteForSSH(s string) string {
	if runtime.GOOS == "windows" && shellWord(s) != s { // where no name of a file holds a double quote
		return `"` + s + `"`
	}
	return shellWord(s)
}
