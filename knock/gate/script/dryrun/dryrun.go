// Package dryrun runs the setup of a server's script without a server, and audits what
// it would load.
//
// [Setup] executes the text of [script.Rules.Script] in an interpreter of the shell and
// of awk. The commands that it calls are functions of this package; the firewall, the
// files and the clock that they know exist in memory. No program is started and no
// file is opened. [Check] and [Loaded] audit the rules.
package dryrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"rapport/knock"
	"rapport/knock/gate/script"
)

// limit bounds a run, which takes a fraction of it.
const limit = 20 * time.Second

// Setup returns what a server's tools would list after the action setup of the script
// at this time: iptables-save and ip6tables-save, or nft list ruleset. The rest of the
// server's firewall accepts SSH, and drops what it does not know; with
// [script.Rules.NoDrop] it accepts SSH from whom the gate lets in.
func Setup(ctx context.Context, r script.Rules, s knock.Secret, now time.Time) (string, error) {
	text, err := r.Script()
	if err != nil {
		return "", err
	}
	return setup(ctx, r, text, s, now)
}

// setup is Setup for the text of a script.
func setup(ctx context.Context, r script.Rules, text string, s knock.Secret, now time.Time) (string, error) {
	b := newSandbox(r, s, text, now)
	if err := b.run(ctx, text, "setup"); err != nil {
		return "", fmt.Errorf("setup of the script does not run here: %w", err)
	}
	return b.firewall.list(r.Format), nil
}

// newSandbox returns a server on which r is to be set up.
func newSandbox(r script.Rules, s knock.Secret, text string, now time.Time) *sandbox {
	b := &sandbox{now: now, firewall: newFirewall(), files: map[string]string{
		script.InstallPath:      text,
		"/proc/net/if_inet6":    "",
		"/sys/module/xt_recent": "",
	}}
	if !r.Embed {
		b.files[r.SecretPath] = s.Reveal() + "\n"
	}
	b.firewall.loadRest(r)
	return b
}

// run executes a script with an action.
func (b *sandbox) run(ctx context.Context, text, action string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("it does not end"))
	defer cancel()
	// The name of the text is its $0.
	program, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), script.InstallPath)
	if err != nil {
		return err
	}
	var stderr strings.Builder
	runner, err := interp.New(
		interp.Env(expand.ListEnviron("HOME=/", "PATH=/bin")), interp.Dir("/"), interp.Params("--", action),
		interp.StdIO(nil, io.Discard, &stderr),
		interp.CallHandler(b.call), interp.OpenHandler(b.open), interp.StatHandler(b.stat), interp.AccessHandler(b.access),
		interp.ReadDirHandler2(b.readDir), interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return b.exec }),
	)
	if err != nil {
		return err
	}
	err = runner.Run(ctx, program)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case b.failed() != nil:
		return b.failed()
	case err != nil:
		return errors.New(knock.Clean(cmp.Or(strings.TrimSpace(stderr.String()), err.Error()), 400))
	}
	return nil
}
