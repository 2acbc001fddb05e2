package budget

import (
	"context"
	"errors"

	"issuance/providers"
)

// Watcher hears what becomes of calls that ask for a slot.
type Watcher interface {
	Passed()
	// Held is called when a call may not leave now.
	Held(*providers.HeldError)
}

type watchKey struct{}

// Watched has w hear of the calls under a context.
func Watched(ctx context.Context, w Watcher) context.Context {
	return context.WithValue(ctx, watchKey{}, w)
}

// report passes the answer to a call on to the context's watcher.
func report(ctx context.Context, err error) error {
	if w, ok := ctx.Value(watchKey{}).(Watcher); ok {
		var held *providers.HeldError
		switch {
		case err == nil:
			w.Passed()
		case errors.As(err, &held):
			w.Held(held)
		}
	}
	return err
}
