package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/pcap"
)

// capturing is what the flags of pcap say.
type capturing struct {
	*flags
	pcap.Options
	tcpdump, mask bool
	rules         string
}

func newPcap(f *flags) *cobra.Command {
	c := capturing{flags: f}
	cmd := &cobra.Command{
		Use:   "pcap FILE|- [FILE] [HOST]",
		Short: "Read captures of client and server: which knocks left, arrived, were late",
	}
	cmd.Flags().BoolVar(&c.tcpdump, "tcpdump", false, "print the commands that record a handshake on client and server")
	cmd.Flags().BoolVar(&c.mask, "mask-ports", false, "leave out the ports of knocks, as for a report to others")
	cmd.Flags().StringVar((*string)(&c.Side), "side", "", "where a single capture was made, `client or server`, if that is guessed wrong")
	cmd.Flags().StringVar(&c.rules, "rules", "", "the server's rules, a `file` or - for standard input: say which of them stopped a client that knocked rightly")
	cmd.RunE = interruptible(c.run)
	return cmd
}

func (c *capturing) run(cmd *cobra.Command, args []string) error {
	start := c.clock.Now()
	captures, host, err := readCaptures(cmd.Context(), cmd.InOrStdin(), args)
	if err != nil {
		return err
	}
	if c.tcpdump {
		h, err := c.named(cmd, host)
		if err == nil {
			pcap.PrintTcpdump(cmd.OutOrStdout(), host, h.Lookup())
		}
		return err
	}
	switch {
	case len(captures) > 2:
		return errors.New("give two captures at the most: the client's and the server's")
	case c.Side != "" && c.Side != pcap.Client && c.Side != pcap.Server:
		return fmt.Errorf("--side %s is neither client nor server", knock.Quote(string(c.Side)))
	case len(captures) == 0 && len(args) > 0:
		return fmt.Errorf("there is no file %s: rapport pcap FILE; rapport pcap --tcpdump HOST says how to make one", knock.Quote(args[0]))
	case len(captures) == 0:
		return errors.New("give a capture: rapport pcap FILE; rapport pcap --tcpdump HOST says how to make one")
	}
	h, secret, err := c.known(cmd, host)
	if err != nil {
		return err
	}
	if secret.IsZero() {
		return fmt.Errorf("finding handshakes needs a secret: name the HOST, give --secret-file PATH or set %s", secretVariable)
	}
	c.Target = h.Target()
	c.Secret = secret
	if c.rules != "" {
		found, _, err := readRules(cmd, c.rules)
		if err != nil {
			return err
		}
		c.Rules = &found
	}
	r, err := pcap.Analyze(cmd.Context(), captures, c.Options)
	if err != nil {
		return err
	}
	if c.mask {
		r = r.Masked()
	}
	r.Elapsed = knock.Millis(c.clock.Now().Sub(start))
	if err := render(cmd, c.json, r, func(w io.Writer, r pcap.Report) { r.Print(w) }); err != nil {
		return err
	}
	return unless(r.Right(), r.Wrong())
}

// readCaptures reads the arguments that are files, or - for stdin; one that is none is the
// HOST.
func readCaptures(ctx context.Context, stdin io.Reader, args []string) (all []*pcap.Capture, host string, err error) {
	for i, name := range args {
		if name == "-" {
			c, err := pcap.Read(stdin)
			if err != nil {
				return nil, "", fmt.Errorf("standard input: %w", err)
			}
			c.Name = name
			all, stdin = append(all, c), strings.NewReader("")
			continue
		}
		if _, err := os.Stat(name); err != nil && i == len(args)-1 && filepath.Ext(name) != ".pcap" && filepath.Base(name) == name {
			return all, name, nil
		}
		c, err := pcap.ReadFile(ctx, name)
		if err != nil {
			return nil, "", err
		}
		all = append(all, c)
	}
	return all, "", nil
}
