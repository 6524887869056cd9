package gate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"rapport/knock"
	"rapport/knock/netfilter"
	"rapport/knock/netfilter/local"
)

// ReadLocal reads the rules of this machine, and xt_recent's ip_list_tot, 0 where
// that is not known. Its errors are those of [local.Text] and of [ReadRules].
func ReadLocal(ctx context.Context) (f Findings, listTotal int, err error) {
	text, err := local.Text(ctx)
	if err != nil {
		return f, 0, err
	}
	f, err = Find(text)
	switch {
	case errors.Is(err, netfilter.ErrNoRules):
		return f, 0, local.ErrNone
	case err != nil:
		return f, 0, err
	}
	if f.local = true; len(f.Gates) > 0 && f.Kind == FromIPTables {
		listTotal = local.ListTotal()
	}
	f.tryOut()
	return f, listTotal, nil
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
