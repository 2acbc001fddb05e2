package ledger

import (
	"context"
	"errors"
	"time"
)

// Hold keeps a claim alive while its holder works: extend is called every third of the lease.
// The returned context ends when the claim is lost or cannot be extended before it runs out, so
// that no request leaves after another runner may have taken over. Call stop when done; it waits
// for the extender to end.
func Hold(ctx context.Context, lease time.Duration, extend func(context.Context) error) (held context.Context, stop func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(lease / 3)
		defer tick.Stop()
		end := time.Now().Add(lease)
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			began := time.Now()
			once, stop := context.WithDeadline(held, end)
			err := extend(once)
			stop()
			switch {
			case err == nil:
				end = began.Add(lease)
			case errors.Is(err, ErrFenced) || !time.Now().Before(end.Add(-lease/3)):
				// Redis may come back before the claim runs out; past two thirds of it that is
				// too late to be sure.
				cancel(ErrFenced)
				return
			}
		}
	}()
	return held, func() {
		cancel(context.Canceled)
		<-done
	}
}
