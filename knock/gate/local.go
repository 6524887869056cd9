package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"rapport/knock/netfilter"
)

// ErrNoLocalRules says that this machine's rules cannot be read.
var ErrNoLocalRules = errors.New("this machine's rules cannot be read")

// ErrNoRulesLoaded says that this machine has no rules at all.
var ErrNoRulesLoaded = errors.New("there are none")

// ReadLocal reads the rules of this machine, and xt_recent's ip_list_tot, 0 where
// that is not known. It needs root, runs iptables-save, ip6tables-save and nft list
// ruleset, and changes nothing. Its errors are ErrNoLocalRules, the reader's, and
// the cause of ctx.
func ReadLocal(ctx context.Context) (f Findings, listTotal int, err error) {
	f, listTotal, err = FindLocal(ctx)
	f.tryOut()
	return f, listTotal, err
}

// FindLocal is ReadLocal without trying the gates out; see [Find].
func FindLocal(ctx context.Context) (f Findings, listTotal int, err error) {
	saved, err := netfilter.SavedRules(ctx)
	if ctx.Err() != nil {
		return f, 0, context.Cause(ctx)
	}
	listed, nftErr := netfilter.RunTool(ctx, "nft", "list", "ruleset")
	if ctx.Err() != nil {
		return f, 0, context.Cause(ctx)
	}
	if saved, listed = bytes.TrimSpace(saved), bytes.TrimSpace(listed); len(saved)+len(listed) == 0 {
		if nftErr != nil && err != nil {
			return f, 0, fmt.Errorf("%w: %w", ErrNoLocalRules, err)
		}
		return f, 0, fmt.Errorf("%w: %w", ErrNoLocalRules, ErrNoRulesLoaded)
	}
	if len(listed) > netfilter.MaxText && len(saved) > 0 {
		listed = nil // large sets of nft; iptables may have the gate
	}
	if max(len(saved), len(listed)) > netfilter.MaxText {
		return f, 0, netfilter.ErrLongRules
	}
	f, err = Find(slices.Concat(saved, []byte("\n"), listed))
	switch {
	case errors.Is(err, netfilter.ErrNoRules):
		return f, 0, fmt.Errorf("%w: %w", ErrNoLocalRules, ErrNoRulesLoaded)
	case err != nil:
		return f, 0, err
	}
	if f.local = true; len(f.Gates) > 0 && f.Kind == FromIPTables {
		listTotal = netfilter.RecentListTotal()
	}
	return f, listTotal, nil
}
