package notices

import (
	"context"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// Reason is why a look was put off. "" is one that nothing is to be said of: it waits for something else than an answer.
type Reason string

const (
	// Unfound: the provider does not know the order, or rejects to show it.
	Unfound Reason = "unfound"
	// Unclear: the provider gave no answer, or one that cannot be read or believed.
	Unclear Reason = "unclear"
	// Incomplete: the provider shows fewer tickets than there are, so that its list is behind.
	Incomplete Reason = "incomplete"
	// Held: no call may leave now: for the budget, a ban, a pause, or refused credentials.
	Held Reason = "held"
	// OtherHost: the order was sent to another host of the provider than the one that the worker calls.
	OtherHost Reason = "other_host"
	// Failed: the worker could not make the look, or record what it saw; its log says why.
	Failed Reason = "failed"
)

// Reasons are all that a look is put off for.
func Reasons() []Reason { return []Reason{Unfound, Unclear, Incomplete, Held, OtherHost, Failed} }

// Tried reports whether a worker has taken the look at an order that is still wanted, so that it is under way or put off, and
// why it was put off. One that was asked for anew stays held: nobody takes it while no call may leave.
func (s *Store) Tried(ctx context.Context, r order.Ref) (why Reason, tried bool, err error) {
	member := Look{Kind: OfOrder, Name: r.OrderID}.String()
	pipe := s.rdb.TxPipeline()
	clock := pipe.Time(ctx)
	due, reason := pipe.ZScore(ctx, keys.Looks(s.account), member), pipe.HGet(ctx, keys.LookReasons(s.account), member)
	if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil {
		return "", false, s.failed("read", err)
	}
	now := clock.Val()
	if s.Now != nil {
		now = s.Now()
	}
	why = Reason(reason.Val())
	if waits := due.Val() > float64(now.UnixMilli()); due.Err() != nil || !waits && why != Held {
		return "", false, nil
	}
	return why, true, nil
}
