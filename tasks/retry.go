package tasks

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hibiken/asynq"
)

// WaitError tells the queue to run a task again later. Waiting is no failure and uses up no
// retry. Its text is shown in the web UI, so Reason is safe to show.
type WaitError struct {
	After  time.Duration
	Reason string
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("%s; next look in %s", e.Reason, e.After.Round(time.Second))
}

// Wait makes a WaitError. The queue counts in whole seconds: less than one becomes one.
func Wait(after time.Duration, reason string) error {
	return &WaitError{After: max(after, time.Second), Reason: reason}
}

// IsFailure reports to the queue whether an error counts as a failure: waiting does not.
func IsFailure(err error) bool {
	var w *WaitError
	return err != nil && !errors.As(err, &w)
}

// Unexpected errors (Redis away, a panic) are retried with this backoff.
const (
	firstRetry = 2 * time.Second
	lastRetry  = 2 * time.Minute
)

// RetryDelay is the queue's delay before a task runs again: what the error says, or a backoff
// with jitter that doubles from 2 s to 2 min.
func RetryDelay(retried int, err error, _ *asynq.Task) time.Duration {
	var w *WaitError
	if errors.As(err, &w) {
		return w.After
	}
	return Backoff(retried, firstRetry, lastRetry)
}

// Backoff doubles from first up to last with n, and takes off up to a fifth at random so that
// orders that failed together do not come back together.
func Backoff(n int, first, last time.Duration) time.Duration {
	d := last
	if n = max(n, 0); n < 32 && first < last>>n {
		d = first << n
	}
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}
