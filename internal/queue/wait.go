package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/hibiken/asynq"
)

// WaitError asks the queue to run a task again later. Waiting is no failure and uses up no
// retry. Its text is shown in the web UI and by the command line, so Reason is safe to show. A Reason that
// begins with WaitsFor goes on with what is waited for, and after "; " with what else the run found; any other
// says what the run found.
type WaitError struct {
	After  time.Duration
	Reason string
	// Until is when what is waited for is over at the latest; zero when nobody knows. The record may be
	// looked at sooner.
	Until time.Time
	// Late is how much later than After the queue runs the task by itself: package fair lets it go on in time, and the queue only
	// should that be missed.
	Late time.Duration
}

func (e *WaitError) Error() string {
	until := ""
	if !e.Until.IsZero() {
		until = ", until " + e.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s%s; next look in %s", e.Reason, until, e.After.Round(time.Second))
}

// WaitsFor begins a Reason that says what is waited for.
const WaitsFor = "waiting for "

// TurnText is the Reason of a task that waits in the line of its account (package fair). When the queue runs it by itself says
// nothing: that is later than its turn.
const TurnText = WaitsFor + "its turn among the orders of its account"

// ElsewhereText and NowhereText begin the Reason of a task that came to a worker that does not serve its account, which follows:
// whether another one was known to serve it then.
const (
	ElsewhereText = "another worker serves account "
	NowhereText   = "no worker serves account "
)

// IsUnserved reports whether a Reason says only that a worker does not serve the task's account.
func IsUnserved(reason string) bool {
	return strings.HasPrefix(reason, ElsewhereText) || strings.HasPrefix(reason, NowhereText)
}

var waitText = regexp.MustCompile(`^(.*?)(?:, until ([0-9T:Z-]+))?; next look in [0-9hms.]+$`)

// ParseWait reads back the reason and the time that a WaitError's text holds, such as asynq keeps of a
// task's last run. ok is false for the text of another error.
func ParseWait(text string) (reason string, until time.Time, ok bool) {
	m := waitText.FindStringSubmatch(text)
	if m == nil {
		return "", time.Time{}, false
	}
	if m[2] != "" {
		until, _ = time.Parse(time.RFC3339, m[2]) // what is no time is no time
	}
	return m[1], until, true
}

// Wait makes a WaitError. The queue counts in whole seconds: less than one becomes one.
func Wait(after time.Duration, reason string) error { return WaitUntil(after, reason, time.Time{}) }

// WaitUntil is Wait with the moment at which what is waited for is over.
func WaitUntil(after time.Duration, reason string, until time.Time) error {
	return &WaitError{After: max(after, time.Second), Reason: reason, Until: until}
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
		return w.After + w.Late
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
