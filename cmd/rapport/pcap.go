package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/pcap"
)

func newPcap(f *flags) *cobra.Command {
	var o pcap.Options
	var tcpdump, mask bool
	cmd := &cobra.Command{
		Use:   "pcap FILE [FILE] [HOST]",
		Short: "Read captures of client and server: which knocks left, arrived, were late",
		Args:  cobra.MaximumNArgs(3),
	}
	cmd.Flags().BoolVar(&tcpdump, "tcpdump", false, "print the commands that record a handshake on client and server")
	cmd.Flags().BoolVar(&mask, "mask-ports", false, "leave out the ports of knocks, as for a report to others")
	cmd.Flags().StringVar((*string)(&o.Side), "side", "", "where a single capture was made, `client or server`, if that is guessed wrong")
	cmd.RunE = interruptible(func(cmd *cobra.Command, args []string) error {
		start := f.clock.Now()
		captures, host, err := readCaptures(args)
		if err != nil {
			return err
		}
		if tcpdump {
			h, err := f.named(cmd, host)
			if err == nil {
				pcap.PrintTcpdump(cmd.OutOrStdout(), h.Lookup())
			}
			return err
		}
		if len(captures) == 0 {
			return errors.New("give a capture: rapport pcap FILE; rapport pcap --tcpdump HOST says how to make one")
		}
		h, secret, err := f.known(cmd, host)
		if err != nil {
			return err
		}
		if secret.IsZero() {
			return fmt.Errorf("finding handshakes needs a secret: name the HOST, give --secret-file PATH or set %s", secretVariable)
		}
		o.Target = h.Target()
		o.Secret = secret
		r, err := pcap.Analyze(cmd.Context(), captures, o)
		if err != nil {
			return err
		}
		if mask {
			r = r.Masked()
		}
		r.Elapsed = knock.Millis(f.clock.Now().Sub(start))
		if err := render(cmd, f.json, r, func(w io.Writer, r pcap.Report) { r.Print(w) }); err != nil {
			return err
		}
		return unless(r.Right(), r.Wrong())
	})
	return cmd
}

// readCaptures reads the arguments that are files; one that is none is the HOST.
func readCaptures(args []string) (all []*pcap.Capture, host string, err error) {
	for i, name := range args {
		if _, err := os.Stat(name); err != nil && i == len(args)-1 && filepath.Ext(name) != ".pcap" && filepath.Base(name) == name {
			return all, name, nil
		}
		c, err := pcap.ReadFile(name)
		if err != nil {
			return nil, "", err
		}
		all = append(all, c)
	}
	return all, "", nil
}
