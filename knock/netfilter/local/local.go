// Package local gets the rules of the machine that the program runs on, as texts for
// package netfilter.
package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/netfilter"
)

// toolTimeout bounds each tool, which waits while another program changes rules.
const toolTimeout = 20 * time.Second

// ErrUnreadable says that this machine's rules cannot be read.
var ErrUnreadable = errors.New("this machine's rules cannot be read")

// ErrNone says that this machine has no rules at all.
var ErrNone = fmt.Errorf("%w: there are none", ErrUnreadable)

// Text returns the rules of this machine, those of iptables before those of nft.
// Its errors are ErrUnreadable, ErrNone, [netfilter.ErrLongRules] and the cause of ctx.
func Text(ctx context.Context) ([]byte, error) {
	saved, err := savedRules(ctx)
	listed, nftErr := listNFT(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	saved, listed = bytes.TrimSpace(saved), bytes.TrimSpace(listed)
	if len(listed) > netfilter.MaxText && len(saved) > 0 {
		listed = nil // large sets of nft; iptables may have the gate
	}
	switch {
	case max(len(saved), len(listed)) > netfilter.MaxText:
		return nil, netfilter.ErrLongRules
	case len(saved)+len(listed) > 0:
		return slices.Concat(saved, []byte("\n"), listed), nil
	case nftErr != nil && err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return nil, ErrNone
}

// listNFT returns the rules of nft in JSON, whose format is documented, or as text
// where nft was built without JSON, or where the JSON is too long. In JSON, times
// are cut to whole seconds.
func listNFT(ctx context.Context) ([]byte, error) {
	listed, err := Run(ctx, "nft", "-j", "list", "ruleset")
	if err == nil && len(listed) <= netfilter.MaxText && json.Valid(listed) {
		return listed, nil
	}
	return Run(ctx, "nft", "list", "ruleset")
}

// savedRules runs iptables-save and ip6tables-save, for both backends of
// iptables, and returns all output. It fails only if none of them works.
func savedRules(ctx context.Context) (all []byte, err error) {
	some := false
	for _, family := range []string{"iptables", "ip6tables"} {
		var savers []string
		for _, backend := range []string{"-nft-save", "-legacy-save"} {
			if _, err := lookPath(family + backend); err == nil {
				savers = append(savers, family+backend)
			}
		}
		if savers == nil {
			savers = []string{family + "-save"}
		}
		for _, saver := range savers {
			out, failed := Run(ctx, saver, "-c")
			if failed != nil {
				err = failed
				continue
			}
			some = true
			all = append(append(all, out...), '\n')
		}
	}
	if some {
		return all, nil
	}
	return nil, err
}

// lookPath finds a tool, also in /usr/sbin and /sbin.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	return path, err
}

// Run runs an administrator's tool, such as nft, and returns its output. An
// error holds the first line of stderr. A tool that runs longer than 20 s is
// killed.
func Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := RunTo(ctx, &out, name, args...)
	return out.Bytes(), err
}

// RunTo is Run with the output written to out.
func RunTo(ctx context.Context, out io.Writer, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	path, err := lookPath(name)
	if err != nil {
		return fmt.Errorf("no %s here", name)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = out, &said
	if err := cmd.Run(); err != nil {
		first, _, _ := strings.Cut(said.String(), "\n")
		return fmt.Errorf("%s: %s", name, knock.Clean(strings.TrimSpace(first+" "+err.Error()), 120))
	}
	return nil
}

// ListTotal returns how many addresses a list of the recent match holds
// (xt_recent's ip_list_tot), 0 if that is not known.
func ListTotal() int {
	text, _ := os.ReadFile("/sys/module/xt_recent/parameters/ip_list_tot")
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}
