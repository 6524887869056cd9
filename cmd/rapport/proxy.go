package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/knock/proxy"
)

func newProxy(f *flags) *cobra.Command {
	var fdpass bool
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
			return advise(runProxy(cmd, f, args[0], fdpass), args[0])
		},
	}
	cmd.Flags().BoolVar(&fdpass, "fdpass", false, "pass the connection to ssh, for ProxyUseFdpass yes")
	return cmd
}

// runProxy knocks, and gives ssh the connection that proved SSH open.
func runProxy(cmd *cobra.Command, f *flags, host string, fdpass bool) error {
	h, t, err := f.target(cmd, host)
	if err != nil {
		return err
	}
	client, err := f.pin(cmd, h, &t)
	if err != nil {
		return err
	}
	options := f.options(cmd)
	options.KeepConn = true
	r, err := client.Knock(cmd.Context(), t, options, nil)
	warnRoute(cmd, r)
	if err != nil {
		return err
	}
	if !r.Opened {
		return errShut(r.Summary())
	}
	if fdpass {
		err := proxy.PassTo(os.Stdout, r.Conn)
		if !errors.Is(err, proxy.ErrNoFdpass) {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "rapport: %v; carrying the bytes instead\n", err)
	}
	stop := context.AfterFunc(cmd.Context(), func() { r.Conn.Close() })
	defer stop()
	err = proxy.Carry(r.Conn, os.Stdin, os.Stdout)
	if cmd.Context().Err() != nil {
		return context.Cause(cmd.Context())
	}
	return err
}

// advise adds the command that finds out more, for a user who only typed ssh.
func advise(err error, host string) error {
	if _, shut := errors.AsType[errShut](err); shut || errors.Is(err, knock.ErrUnreachable) || errors.Is(err, knock.ErrName) || errors.Is(err, proxy.ErrLost) {
		return fmt.Errorf("%w; find out why: rapport doctor %s", err, phrase.ShellWord(host))
	}
	return err
}
