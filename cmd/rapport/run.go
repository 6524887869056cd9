package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/hosts"
)

// check is a command that asks a server something and exits 0 for a yes, 1 for a no.
type check[R any] struct {
	empty R                              // what --json prints if HOST has no address
	run   func(*knock.Client) (R, error) // the target is pinned by then
	print func(io.Writer, R)             // as text
	// partial: print is called beside an error too, for what was done before it.
	partial bool
	judge   func(R) error // the error that stands for a no, or nil
}

// do resolves h, pins t to its address, runs the check and prints what it found.
func (c check[R]) do(cmd *cobra.Command, f *flags, h hosts.Host, t *knock.Target) error {
	r := c.empty
	client, err := f.pin(cmd, h, t)
	if err == nil {
		r, err = c.run(client)
	}
	if cmd.Context().Err() != nil {
		return err
	}
	if f.json || err == nil || c.partial {
		if err := render(cmd, f.json, r, c.print); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	return c.judge(r)
}

// render prints r on standard output: as JSON, or as text by print.
func render[R any](cmd *cobra.Command, asJSON bool, r R, print func(io.Writer, R)) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), r)
	}
	print(cmd.OutOrStdout(), r)
	return nil
}

// unless returns nil for a yes, and else the no of a check with its reason.
func unless(yes bool, why string) error {
	if yes {
		return nil
	}
	return errShut(why)
}

// printJSON prints one object.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
