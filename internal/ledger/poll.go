package ledger

import (
	"context"
	"time"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// BeginPoll claims an accepted order for a poll; the verdict is MayPoll, Busy, IsFinal, NotAccepted, Missing or Newer. Polls
// only read, so what they learn needs no claim; the claim shows that a worker died in one. Extend keeps it, and Polled, Finish
// or EndPoll gives it back.
func (l *Ledger) BeginPoll(ctx context.Context, r order.Ref, runner string, lease time.Duration) (Claim, error) {
	f, err := l.run(ctx, r, "begin_poll", []string{keys.Record(r)}, runner, lease.Milliseconds())
	if err != nil {
		return Claim{}, err
	}
	return claimOf(r, f), nil
}

// EndPoll gives the claim of a poll back that is not counted. unworked says that nothing was done with it.
func (l *Ledger) EndPoll(ctx context.Context, r order.Ref, fence string, unworked bool) (Answer, error) {
	return l.transition(ctx, r, "end_poll", []string{keys.Record(r)}, fence, bit(unworked))
}

// Polled counts a poll after which the order is still accepted, and gives its claim back. why is empty when the
// provider answered that it has not issued yet. answer is Unclear when its answer was of no use (Record.UnclearSince), Absent
// when it does not know the order (Record.AbsentLast), Idle otherwise.
func (l *Ledger) Polled(ctx context.Context, r order.Ref, fence string, why Reason, answer Release) (Answer, error) {
	return l.transition(ctx, r, "polled", []string{keys.Record(r)}, why.Code, why.Message, string(answer), fence)
}

// bit is a condition as the scripts take it.
func bit(yes bool) string {
	if yes {
		return "1"
	}
	return ""
}
