package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"issuance/internal/seal"
)

// Reason explains a state: a provider's code and message, or ours. Both are safe to show.
type Reason struct{ Code, Message string }

// Submit writes the intent to send the order, before the call, and returns the attempt's number.
// Not applied means that the claim is lost: nothing may be sent.
func (l *Ledger) Submit(ctx context.Context, k Key, fence string, lease time.Duration) (Answer, int, error) {
	reply, err := l.runIntent(ctx, "submit", []string{k.order()}, fence, lease.Milliseconds())
	if err != nil {
		return Answer{}, 0, err
	}
	return answer(reply), number(reply[2]), nil
}

// How a claim is given back without a result.
const (
	releaseIdle    = "idle"
	releaseNotSent = "not_sent"
	releaseUnknown = "unknown"
	releaseUnclear = "unclear"
)

// NotSent gives the claim back: the request of this attempt certainly did not take effect.
func (l *Ledger) NotSent(ctx context.Context, k Key, fence string, why Reason) (Answer, error) {
	return l.release(ctx, k.order(), fence, releaseNotSent, why)
}

// Unknown gives the claim back: the request of this attempt may have taken effect.
func (l *Ledger) Unknown(ctx context.Context, k Key, fence string, why Reason) (Answer, error) {
	return l.release(ctx, k.order(), fence, releaseUnknown, why)
}

// Idle gives the claim back with no request of it open: the call was held back, or a look-up
// learned nothing.
func (l *Ledger) Idle(ctx context.Context, k Key, fence string, why Reason) (Answer, error) {
	return l.release(ctx, k.order(), fence, releaseIdle, why)
}

func (l *Ledger) release(ctx context.Context, key, fence, how string, why Reason) (Answer, error) {
	reply, err := l.run(ctx, "release", []string{key}, fence, how, why.Code, why.Message)
	if err != nil {
		return Answer{}, err
	}
	return answer(reply), nil
}

// Rejected remembers the provider's no to this attempt; the claim is kept. A look-up has to
// confirm that no earlier request took effect before it becomes the order's end. A reason without
// a code is remembered as "rejected".
func (l *Ledger) Rejected(ctx context.Context, k Key, fence string, why Reason) (Answer, error) {
	return l.rejected(ctx, k.order(), fence, why)
}

func (l *Ledger) rejected(ctx context.Context, key, fence string, why Reason) (Answer, error) {
	if why.Code == "" {
		why.Code = "rejected" // an empty code would say that nothing was refused
	}
	reply, err := l.run(ctx, "rejected", []string{key}, fence, why.Code, why.Message)
	if err != nil {
		return Answer{}, err
	}
	return answer(reply), nil
}

// Accept records that the provider has the order and will issue it later.
func (l *Ledger) Accept(ctx context.Context, k Key, fence, ref string, result seal.Sealed) (Answer, error) {
	reply, err := l.run(ctx, "accept", []string{k.order()}, fence, ref, string(result))
	if err != nil {
		return Answer{}, err
	}
	return answer(reply), nil
}

// Polled counts a poll after which the order is still accepted. why is empty when the provider
// answered clearly.
func (l *Ledger) Polled(ctx context.Context, k Key, why Reason) (Answer, int, error) {
	reply, err := l.run(ctx, "polled", []string{k.order()}, why.Code, why.Message)
	if err != nil {
		return Answer{}, 0, err
	}
	return answer(reply), number(reply[2]), nil
}

// Ending is an order's final status.
type Ending struct {
	State  State // Issued, Failed or Review
	Reason Reason
	Ref    string
	Result seal.Sealed
	Polled bool // a poll led to it and is to be counted
}

// Finish records an order's final status and publishes its event. fence is empty when the order
// is accepted. A lost race is an answer; a state that is no order's end is an error.
func (l *Ledger) Finish(ctx context.Context, k Key, fence string, e Ending) (Answer, error) {
	if !canEnd(Ref{Key: k}, e.State) {
		return Answer{}, fmt.Errorf("ledger: finish %s: an order cannot end as %q", k, e.State)
	}
	polls := 0
	if e.Polled {
		polls = 1
	}
	r := Ref{Key: k}
	keys, tell := l.tell(r)
	reply, err := l.run(ctx, "finish", append([]string{k.order()}, keys...), append([]any{fence, string(e.State), e.Reason.Code,
		e.Reason.Message, e.Ref, string(e.Result), polls}, tell...)...)
	return l.ended(ctx, r, reply, err)
}

// canEnd reports whether an order, or a refund when r names one, can end in state s.
func canEnd(r Ref, s State) bool {
	states := OrderStates()
	if r.RefundID != "" {
		states = RefundStates()
	}
	return s.Final() && slices.Contains(states, s)
}

// Resolution is a person's decision about a record in review.
type Resolution struct {
	State  State // final, and not Review
	Who    string
	Reason string
}

// Resolve ends a review by a person's decision and publishes the event of the new state. A state
// that cannot be the end of such a record is an error.
func (l *Ledger) Resolve(ctx context.Context, r Ref, res Resolution) (Answer, error) {
	if !canEnd(r, res.State) || res.State == Review {
		return Answer{}, fmt.Errorf("ledger: resolve %s: %q is not how it can end", r, res.State)
	}
	if a, err := l.openReview(ctx, r); err != nil || a.State != Review {
		return a, err
	}
	reply, err := l.run(ctx, "resolve", []string{r.record()}, string(res.State), res.Who, res.Reason)
	if err != nil {
		return Answer{}, err
	}
	// A refusal means that somebody else was faster; publishing what became of it is right too.
	return answer(reply), l.Publish(ctx, r)
}
