package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
)

// ntpFlag is the servers of --ntp, which replace the hosts file's; nil if not given.
type ntpFlag []string

func (n *ntpFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar((*[]string)(n), "ntp", nil, "`servers` to ask for this machine's clock")
}

// Validate reports a flag without servers, and one that is no host name.
func (n ntpFlag) Validate() error {
	if n != nil && len(n) == 0 {
		return errors.New("--ntp names no server")
	}
	for _, s := range n {
		if err := knock.CheckHost(s); err != nil {
			return fmt.Errorf("--ntp: %w", err)
		}
	}
	return nil
}

// apply returns the servers to ask for h.
func (n ntpFlag) apply(h hosts.Host) []string {
	if n != nil {
		return n
	}
	return h.NTP
}

func newClock(f *flags) *cobra.Command {
	var ntp ntpFlag
	cmd := f.hostCommand("clock HOST", "Read the server's clock without a login, and compare it with this one", func(cmd *cobra.Command, f *flags, host string) error {
		return runClock(cmd, f, ntp, host)
	})
	ntp.register(cmd)
	return cmd
}

func runClock(cmd *cobra.Command, f *flags, ntp ntpFlag, name string) error {
	if err := ntp.Validate(); err != nil {
		return err
	}
	h, err := f.server(cmd, name)
	if err != nil {
		return err
	}
	t := h.Target()
	var now time.Time // once the clocks are read
	return check[clock.Report]{
		empty: clock.Report{Schema: 1, Host: t.Host, Local: clock.LocalClock{Time: f.clock.Now()}},
		run: func(*knock.Client) (clock.Report, error) {
			clocks := clock.Clocks{Clock: f.clock, NTP: ntp.apply(h), Timeout: f.options(cmd).Timeout}
			r, err := clocks.Read(cmd.Context(), h.Lookup(), t.Addr.Addr(), nil)
			r.Host, now = t.Host, f.clock.Now()
			return r, err
		},
		print: func(w io.Writer, r clock.Report) {
			r.Print(w, h.Skew, now, func(skew time.Duration) string { return f.changeCommand(cmd, h.Name, hosts.Change{Skew: &skew}) })
		},
		judge: func(r clock.Report) error {
			switch {
			case r.Unreachable():
				return fmt.Errorf("%w: no route to %s; check the address and this machine's network", knock.ErrUnreachable, r.Address)
			case !r.Known && f.json:
				return errShut(r.Summary(now))
			case !r.Known: // standard output says why
				return errShut("the server's clock is not known")
			case !r.SameHour(now, h.Skew):
				why := "the server is in another hour than expected"
				if skew, ok := r.RoundSkew(); ok {
					why += "; its skew is " + phrase.Duration(skew)
				}
				return errShut(why)
			}
			return nil
		},
	}.do(cmd, f, h, &t)
}
