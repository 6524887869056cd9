package knock

import (
	"context"
	"time"
)

// Wait waits for d, and reports whether ctx lasted as long.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
