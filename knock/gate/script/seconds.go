package script

import (
	"fmt"
	"strconv"
	"time"

	"rapport/knock"
)

// ParseSeconds reads whole seconds of a grace or a window: 5 or 5s.
func ParseSeconds(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d%time.Second != 0 {
		return 0, fmt.Errorf("%q is not whole seconds, such as 5 or 5s", knock.Clean(s, 40))
	}
	return d, nil
}
