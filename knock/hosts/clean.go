package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"rapport/knock"
)

// maxShown bounds foreign text inside an error, in runes.
const maxShown = 80

// maxShownPath is the same for paths, which must stay usable.
const maxShownPath = 1024

// clean is [knock.Clean] for text inside an error.
func clean(s string) string { return knock.Clean(s, maxShown) }

// quote is clean, between double quotes.
func quote(s string) string { return fmt.Sprintf("%q", clean(s)) }

// quotePath is quote for a path.
func quotePath(s string) string { return fmt.Sprintf("%q", knock.Clean(s, maxShownPath)) }

// plain takes the operation and the path off an error of package os: the
// message that it goes into names them in its own words.
func plain(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}
