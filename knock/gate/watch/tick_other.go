//go:build !linux

package watch

import "time"

// jiffy: there are no lists to read the time of.
func jiffy() time.Duration { return 0 }

// cpuTime: no programs run that take any.
func cpuTime() time.Duration { return 0 }
