package providers

import (
	"context"
	"fmt"
	"time"
)

// Gate decides when the next call to an account may leave. A client passes it before every
// call, look-ups included; a nil Gate lets everything through.
type Gate interface {
	// Pass blocks until the next call may leave. When waiting would take too long, or the
	// account is banned, it returns a *HeldError; any other error means that nobody knows
	// whether a call is allowed, so none may leave.
	Pass(ctx context.Context) error
}

// Departer is a Gate whose passes may be used later than they were given: several calls that were held up for different
// times in between would otherwise leave together.
type Departer interface {
	// Depart blocks until a call that has passed may really leave, which is right away unless another one has just left.
	// The call leaves when Depart returns, without anything in between that takes time. An error means that it may not leave:
	// the context's, or ErrMissed when its slot (SlotOf) has passed. Safe for concurrent use.
	Depart(ctx context.Context) error
}

// BanReporter is a Gate that wants to hear of a ban (HTTP 403).
type BanReporter interface {
	// Banned records that the provider has just answered "too fast".
	Banned(ctx context.Context, reason string)
}

// HealthReporter is a Gate that wants to hear of every answer, and of every call without one.
type HealthReporter interface {
	// Answered records what a call says of its account. A call that says nothing of it is not
	// reported: one that the caller gave up, and HTTP 403, which is a BanReporter's.
	Answered(ctx context.Context, c Condition)
}

// CallObserver is a Gate that wants to hear of every call that was made, for whoever counts them.
type CallObserver interface {
	Called(ctx context.Context, c Call)
}

// Call is one call that was made, without anything of an order in it.
type Call struct {
	Name string // the provider's own name of it, one of a few
	Kind Kind   // how it ended
	Took time.Duration
}

// Condition is what one call says of the account it was made for, whatever it was about.
type Condition struct {
	State Health // HealthOK, HealthUnreachable, HealthRefused or HealthGarbage
	// Code is the outcome's, safe to show: "timeout", "http_503", "trans_10001".
	Code string
	// RetryAfter is what HTTP 429 or 503 asked for, 0 without it.
	RetryAfter time.Duration
	// Took is the time from the sending of the call until its end.
	Took time.Duration
}

// HeldError says that a call may not leave now.
type HeldError struct {
	// RetryAfter is the earliest sensible moment to try again, from now.
	RetryAfter time.Duration
	// Reason is short and safe to show: "call budget", "banned until 14:05:00".
	Reason string
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("held: %s; try again in %s", e.Reason, e.RetryAfter.Round(time.Millisecond))
}
