package handler

import (
	"context"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Result is how a step of a handler ended: it goes on, the record ends, or it waits. The course records it
// when it is the last step's.
type Result struct {
	kind    kind
	ending  ledger.Ending
	release ledger.Release
	yield   bool
	why     ledger.Reason
	text    string
	wait    time.Duration
	until   time.Time
	held    bool
	after   func(context.Context) error
}

type kind int

const (
	goesOn kind = iota
	ends
	waits
	recorded
)

// GoOn says that the step is done and the next one follows.
func GoOn() Result { return Result{} }

// End ends the record.
func End(e ledger.Ending) Result { return Result{kind: ends, ending: e} }

// Review leaves the record to a person.
func Review(code order.Code, message string) Result {
	return End(ledger.Ending{State: order.Review, Reason: ledger.Reason{Code: string(code), Message: message}})
}

// Fail ends the record as failed: nothing was issued or refunded.
func Fail(why ledger.Reason) Result { return End(ledger.Ending{State: order.Failed, Reason: why}) }

// Wait gives the claim back, with no request of it open, and has the record looked at again.
func Wait(after time.Duration, code order.Code, message string) Result {
	return WaitFor(after, ledger.Reason{Code: string(code), Message: message}, message)
}

// WaitFor is Wait with a reason to record, which may be empty, and a text for the queue.
func WaitFor(after time.Duration, why ledger.Reason, text string) Result {
	return Result{kind: waits, release: ledger.Idle, wait: after, why: why, text: text}
}

// Recorded says that the handler has recorded the result itself. after, unless it is nil, runs when the claim
// is not held any more; its error is the task's.
func Recorded(after func(context.Context) error) Result { return Result{kind: recorded, after: after} }

// As changes how the claim is given back by a wait.
func (r Result) As(how ledger.Release) Result { r.release = how; return r }

// Yielding gives a refund's turn back as well, unless something is planned or in doubt. It means nothing for
// an order.
func (r Result) Yielding() Result { r.yield = true; return r }

// Until says when what is waited for is over at the latest.
func (r Result) Until(t time.Time) Result { r.until = t; return r }

// Holding says that no call may leave at present, so that other calls need not be tried.
func (r Result) Holding() Result { r.held = true; return r }

// Ends reports whether the result ends the run: there is something to record, or it has been.
func (r Result) Ends() bool { return r.kind != goesOn }

// IsWait reports whether the result is a wait.
func (r Result) IsWait() bool { return r.kind == waits }

// Held reports whether no call may leave at present.
func (r Result) Held() bool { return r.held }

// Sooner returns the wait that ends first; r or other may be no wait at all.
func (r Result) Sooner(other Result) Result {
	if r.kind != waits || other.kind == waits && other.wait < r.wait {
		return other
	}
	return r
}

// Reason is the code and message of an outcome.
func Reason(out providers.Outcome) ledger.Reason {
	return ledger.Reason{Code: out.Code, Message: out.Message}
}

// Text is an outcome in short: its code, or else its kind.
func Text(out providers.Outcome) string {
	if out.Code == "" {
		return string(out.Kind)
	}
	return out.Code
}
