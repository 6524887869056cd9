package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
)

// ErrNoLocalRules says that this machine's rules cannot be read.
var ErrNoLocalRules = errors.New("this machine's rules cannot be read")

// errNone says that there is no rule at all, which for a watch is no gate.
var errNone = errors.New("there are none")

// localTimeout bounds each tool: one waits while another program changes rules.
const localTimeout = 20 * time.Second

// ReadLocal reads the rules of this machine, which takes root on Linux, and how
// many addresses a list of theirs holds (0 where that is not told). It only
// reads.
func ReadLocal(ctx context.Context) (f Found, listTotal int, err error) {
	f, listTotal, err = readLocal(ctx)
	f.judge()
	return f, listTotal, err
}

// readLocal is ReadLocal for who does not ask what the gate does.
func readLocal(ctx context.Context) (f Found, listTotal int, err error) {
	saved, err := savedRules(ctx)
	if ctx.Err() != nil {
		return f, 0, context.Cause(ctx)
	}
	listed, nftErr := output(ctx, "nft", "list", "ruleset")
	if ctx.Err() != nil {
		return f, 0, context.Cause(ctx)
	}
	if saved, listed = bytes.TrimSpace(saved), bytes.TrimSpace(listed); len(saved)+len(listed) == 0 {
		if nftErr != nil && err != nil {
			return f, 0, fmt.Errorf("%w: %w", ErrNoLocalRules, err)
		}
		return f, 0, fmt.Errorf("%w: %w", ErrNoLocalRules, errNone)
	}
	if len(listed) > maxRules && len(saved) > 0 {
		listed = nil // sets of whole countries; iptables may have the gate
	}
	if max(len(saved), len(listed)) > maxRules {
		return f, 0, ErrLongRules
	}
	f, err = parseRules(slices.Concat(saved, []byte("\n"), listed))
	switch {
	case errors.Is(err, ErrNoRules):
		return f, 0, fmt.Errorf("%w: %w", ErrNoLocalRules, errNone)
	case err != nil:
		return f, 0, err
	}
	if f.local = true; len(f.Gates) > 0 && f.Kind == FromIPTables {
		listTotal = localListTotal()
	}
	return f, listTotal, nil
}

// savedRules is what the savers of iptables print, of both its backends and both
// families. It fails where none of them works.
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
			out, failed := output(ctx, saver, "-c")
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

// lookPath finds a tool where administrators' tools are.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	return path, err
}

// output runs a tool of administrators.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	path, err := lookPath(name)
	if err != nil {
		return nil, fmt.Errorf("no %s here", name)
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		first, _, _ := strings.Cut(said.String(), "\n")
		return nil, fmt.Errorf("%s: %s", name, knock.Clean(strings.TrimSpace(first+" "+err.Error()), 120))
	}
	return out.Bytes(), nil
}

// localListTotal reads what xt_recent was loaded with.
func localListTotal() int {
	text, err := os.ReadFile("/sys/module/xt_recent/parameters/ip_list_tot")
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return n
}
