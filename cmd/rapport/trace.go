package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/gate/trace"
	"rapport/knock/hosts"
)

type tracing struct {
	inspection
	packets        []string
	hour, from, to string
	gap            time.Duration
}

func newTrace(f *flags) *cobra.Command {
	o := tracing{inspection: inspection{flags: f}}
	cmd := &cobra.Command{
		Use:   "trace [FILE|-] [HOST]",
		Short: "Play a handshake through a server's rules: which rule decided what",
		Args:  fileAndHost,
		RunE:  interruptible(o.run),
	}
	p := cmd.Flags()
	p.StringArrayVar(&o.packets, "packet", nil, "play this `packet` in place of a handshake: tcp/22, tcp/22@+7s, udp/53@203.0.113.9; repeatable")
	p.StringVar(&o.hour, "hour", "", "play the handshake of this `hour`: 2026-11-22-08")
	p.StringVar(&o.from, "from", "", "the source `address` of the packets")
	p.StringVar(&o.to, "to", "", "the `address` of the server that they go to, where rules ask for it")
	p.DurationVar(&o.gap, "gap", time.Millisecond, "the time between two packets")
	return cmd
}

func (o *tracing) run(cmd *cobra.Command, args []string) error {
	file, host, err := o.arguments(cmd, args)
	if err != nil {
		return err
	}
	r, err := o.request(cmd, host)
	if err != nil {
		return err
	}
	found, _, err := readRules(cmd, file)
	if err != nil {
		return err
	}
	t, err := trace.Run(found, r)
	if err != nil {
		return err
	}
	if err := render(cmd, o.json, t, func(w io.Writer, t trace.Trace) { t.Print(w, o.verbose) }); err != nil {
		return err
	}
	return unless(t.Opened || len(o.packets) > 0, "the handshake is not seen to open SSH: look at the rules that decided")
}

// request returns what to play. Without a handshake to compute nobody is asked for a
// secret.
func (o *tracing) request(cmd *cobra.Command, host string) (r trace.Request, err error) {
	switch {
	case o.hour != "" && len(o.packets) > 0:
		return r, errors.New("--hour and --packet both say what to play: use one of them")
	case o.hour != "" && host == "":
		return r, errors.New("--hour needs HOST, whose handshake to play")
	}
	if r, err = trace.ParseRequest(o.packets, o.from, o.gap); err != nil {
		return r, err
	}
	if o.to != "" {
		if err := r.SetTo(o.to); err != nil {
			return r, err
		}
	}
	h, secret := hosts.NewHost(""), knock.Secret{}
	switch {
	case host != "" && len(o.packets) == 0:
		h, secret, err = o.known(cmd, host)
	case host != "":
		h, err = o.server(cmd, host)
	default:
		h, err = o.override(cmd, h)
	}
	if err != nil {
		return r, err
	}
	r.Family = h.Family
	if host != "" || cmd.Flags().Changed("ssh-port") {
		r.SSHPort = h.SSHPort
	}
	if secret.IsZero() {
		return r, nil
	}
	hour := knock.HourOf(o.clock.Now().Add(h.Skew))
	if o.hour != "" {
		if hour, err = knock.ParseHour(o.hour); err != nil {
			return r, fmt.Errorf("--hour: %w", err)
		}
	}
	r.Packets = trace.Handshake(knock.Derive(hour, h.Range, secret).Ports(), h.SSHPort, o.gap)
	return r, nil
}
