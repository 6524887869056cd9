package gate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"rapport/knock"
)

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
