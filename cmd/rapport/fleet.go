package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/fleet"
	"rapport/knock/hosts"
	"rapport/knock/source"
)

// many are the arguments of commands that take several hosts.
type many struct {
	all, both bool
	servers   []hosts.Host // once chosen
}

func (m *many) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&m.all, "all", false, "take all hosts of the hosts file")
	cmd.Flags().BoolVar(&m.both, "both-families", false, "take an IPv4 and an IPv6 address of each name that has both")
}

// hosts is the Args of commands that take HOST and @TAG, several of them, or --all.
func (m *many) hosts(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && !m.all || len(args) > 0 && args[0] == "" {
		return fmt.Errorf("name a host, a tag or --all: %s %s", cmd.Parent().CommandPath(), cmd.Use)
	}
	return nil
}

// complete completes hosts and tags, as many as there are.
func (m *many) complete(f *flags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		names, directive := f.completeHosts(cmd, nil, typed)
		if file, err := f.load(); err == nil {
			names = append(names, file.Tags()...)
		}
		return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), directive
	}
}

// single returns the one HOST of a command that works on one address.
func (m *many) single(args []string) (host string, ok bool) {
	if len(args) != 1 || m.all || m.both || args[0][0] == '@' {
		return "", false
	}
	return args[0], true
}

// called names a result of a host in the summary.
func (m *many) called(host string, at netip.AddrPort) string {
	if m.both && at.IsValid() {
		host += fmt.Sprintf(" (IPv%s)", knock.FamilyOf(at.Addr()))
	}
	return host
}

// choose finds the hosts that args mean and returns a fleet for them.
func (m *many) choose(cmd *cobra.Command, f *flags, args []string) (*fleet.Fleet, error) {
	from, _ := source.Parse(f.source)
	if m.both && (f.only4 || f.only6 || from.Family() != knock.FamilyAuto) {
		return nil, errors.New("--both-families takes IPv4 and IPv6: leave -4, -6 and an address as --source out")
	}
	file, err := f.load()
	if err != nil {
		return nil, err
	}
	names, err := file.Names(args, m.all)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		h, err := f.find(cmd, file, name)
		if err != nil {
			return nil, err
		}
		m.servers = append(m.servers, h)
	}
	all := &fleet.Fleet{Client: f.client(), Options: f.options(cmd), Resolve: f.timeout, BothFamilies: m.both}
	all.Secrets = fleet.Secrets{File: f.secretFile, Ask: func(ctx context.Context, h hosts.Host) (knock.Secret, error) {
		_, listed := file.Host(h.Name)
		return f.sources().ReadMissing(ctx, h, listed)
	}}
	return all, nil
}

// printer returns what prints each result as it comes: JSON objects, or lines of text.
func printer[R interface{ Line(width int) string }](cmd *cobra.Command, f *flags, m *many) func(R) {
	stopped := cmd.Context().Err // by a signal: the rest says nothing of its hosts
	if f.json {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetEscapeHTML(false)
		return func(r R) {
			if stopped() == nil {
				_ = e.Encode(r) // output notes what cannot be written
			}
		}
	}
	width := 0
	for _, h := range m.servers {
		width = max(width, len(h.Name))
	}
	return func(r R) {
		if stopped() == nil {
			fmt.Fprintln(cmd.OutOrStdout(), r.Line(width))
		}
	}
}

// conclude prints the summary of a text, and returns the error that stands for it.
func conclude(cmd *cobra.Command, f *flags, t *fleet.Tally) error {
	switch {
	case cmd.Context().Err() != nil:
		return cmd.Context().Err()
	case !f.json:
		fmt.Fprintln(cmd.OutOrStdout(), t)
	}
	switch {
	case len(t.Shut) > 0:
		return errShut(t.String())
	case t.Err != nil:
		return fmt.Errorf("%w; %s", t.Err, t)
	}
	return nil
}
