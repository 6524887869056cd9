package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"rapport/knock"
	"rapport/knock/netfilter"
)

// ErrNoLocalRules says that this machine's rules cannot be read.
var ErrNoLocalRules = errors.New("this machine's rules cannot be read")

// ErrNoRulesLoaded says that this machine has no rules at all.
var ErrNoRulesLoaded = errors.New("there are none")

// ReadLocal reads the rules of this machine, and xt_recent's ip_list_tot, 0 where
// that is not known. Its errors are those of [LocalRules] and of [ReadRules].
func ReadLocal(ctx context.Context) (f Findings, listTotal int, err error) {
	text, err := LocalRules(ctx)
	if err != nil {
		return f, 0, err
	}
	f, err = Find(text)
	switch {
	case errors.Is(err, netfilter.ErrNoRules):
		return f, 0, fmt.Errorf("%w: %w", ErrNoLocalRules, ErrNoRulesLoaded)
	case err != nil:
		return f, 0, err
	}
	if f.local = true; len(f.Gates) > 0 && f.Kind == FromIPTables {
		listTotal = netfilter.RecentListTotal()
	}
	f.tryOut()
	return f, listTotal, nil
}

// LocalRules returns the rules of this machine as text for [Find]. It needs root,
// runs iptables-save, ip6tables-save and nft -j list ruleset, and changes nothing.
// Its errors are ErrNoLocalRules, [netfilter.ErrLongRules] and the cause of ctx.
func LocalRules(ctx context.Context) ([]byte, error) {
	saved, err := netfilter.SavedRules(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	listed, nftErr := listNFT(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if saved, listed = bytes.TrimSpace(saved), bytes.TrimSpace(listed); len(saved)+len(listed) == 0 {
		if nftErr != nil && err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoLocalRules, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrNoLocalRules, ErrNoRulesLoaded)
	}
	if len(listed) > netfilter.MaxText && len(saved) > 0 {
		listed = nil // large sets of nft; iptables may have the gate
	}
	if max(len(saved), len(listed)) > netfilter.MaxText {
		return nil, netfilter.ErrLongRules
	}
	return slices.Concat(saved, []byte("\n"), listed), nil
}

// listNFT returns the rules of nft in JSON, whose format is documented, or as text
// where nft was built without JSON, or where the JSON is too long. In JSON, times
// are cut to whole seconds.
func listNFT(ctx context.Context) ([]byte, error) {
	listed, err := netfilter.RunTool(ctx, "nft", "-j", "list", "ruleset")
	if err == nil && len(listed) <= netfilter.MaxText && json.Valid(listed) {
		return listed, nil
	}
	return netfilter.RunTool(ctx, "nft", "list", "ruleset")
}

// ReadRulesFile is [ReadRules] on a file. Its errors name the file.
func ReadRulesFile(path string) (Findings, error) {
	in, err := os.Open(path)
	if err == nil {
		defer in.Close()
		var f Findings
		if f, err = ReadRules(in); err == nil {
			return f, nil
		}
	}
	if pe := new(fs.PathError); errors.As(err, &pe) { // without the system call
		return Findings{}, fmt.Errorf("cannot read the rules: %s: %w", knock.Clean(pe.Path, 200), pe.Err)
	}
	return Findings{}, fmt.Errorf("%s: %w", knock.Clean(path, 200), err)
}
