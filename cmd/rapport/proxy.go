package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
	"rapport/knock/proxy"
)

func newProxy(f *flags) *cobra.Command {
	var fdpass bool
	var keep int
	cmd := &cobra.Command{
		Use:   "proxy HOST [PORT]",
		Short: "Act as ssh's ProxyCommand: handshake, connect, carry bytes",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("name a host, and a port: rapport proxy %%h %%p")
			}
			return nil
		},
		ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				port, err := strconv.Atoi(args[1])
				if err != nil {
					return fmt.Errorf("port %q is not a number", args[1])
				}
				if err := cmd.Flags().Set("ssh-port", strconv.Itoa(port)); err != nil {
					return err
				}
			}
			if keep < 0 || keep > 0 && fdpass {
				return errors.New("--keep takes the number of handshakes, and carries the bytes itself: leave --fdpass out")
			}
			return advise(runProxy(cmd, f, args[0], fdpass, keep), args[0])
		},
	}
	cmd.Flags().BoolVar(&fdpass, "fdpass", false, "pass the connection to ssh, for ProxyUseFdpass yes")
	cmd.Flags().IntVar(&keep, "keep", 0, "knock again at most `N` times when the connection is lost before the server has sent more than its banner")
	return cmd
}

// runProxy knocks, and gives ssh the connection that proved SSH open.
func runProxy(cmd *cobra.Command, f *flags, host string, fdpass bool, keep int) error {
	h, t, err := f.target(cmd, host)
	if err != nil {
		return err
	}
	connect := func() (net.Conn, error) { return f.connect(cmd, h, t) }
	conn, err := connect()
	if err != nil {
		return err
	}
	if keep > 0 {
		tried := 0
		return proxy.Keeper{Tries: keep, Again: func() (net.Conn, error) {
			tried++
			fmt.Fprintf(cmd.ErrOrStderr(), "rapport: the connection was lost before the login: knocking again (%d of %d)\n", tried, keep)
			return connect()
		}}.Carry(cmd.Context(), conn, os.Stdin, os.Stdout)
	}
	if fdpass {
		err := proxy.PassTo(os.Stdout, conn)
		if !errors.Is(err, proxy.ErrNoFdpass) {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "rapport: %v; carrying the bytes instead\n", err)
	}
	stop := context.AfterFunc(cmd.Context(), func() { conn.Close() })
	defer stop()
	err = proxy.Carry(conn, os.Stdin, os.Stdout)
	if cmd.Context().Err() != nil {
		return context.Cause(cmd.Context())
	}
	return err
}

// connect knocks on h, whose name is resolved anew, and returns the connection that proved
// SSH open.
func (f *flags) connect(cmd *cobra.Command, h hosts.Host, t knock.Target) (net.Conn, error) {
	client, err := f.pin(cmd, h, &t)
	if err != nil {
		return nil, err
	}
	options := f.options(cmd)
	options.KeepConn = true
	r, err := client.Knock(cmd.Context(), t, options, nil)
	warnRoute(cmd, r)
	switch {
	case err != nil:
		return nil, err
	case !r.Opened:
		return nil, errShut(r.Summary())
	}
	return r.Conn, nil
}

// advise adds the command that finds out more, for a user who only typed ssh.
func advise(err error, host string) error {
	if _, shut := errors.AsType[errShut](err); shut || errors.Is(err, knock.ErrUnreachable) || errors.Is(err, knock.ErrName) || errors.Is(err, proxy.ErrLost) {
		return fmt.Errorf("%w; find out why: rapport doctor %s", err, phrase.ShellWord(host))
	}
	return err
}
