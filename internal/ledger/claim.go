package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// Verdict says what the caller of Claim or BeginPoll may do.
type Verdict string

const (
	// MaySend: claimed, and nothing of an earlier attempt is in doubt.
	MaySend Verdict = "send"
	// MustLookUp: claimed, but an earlier request may have taken effect: ask the provider first.
	MustLookUp Verdict = "look_up"
	// MayPoll: claimed for a poll.
	MayPoll Verdict = "poll"
	// Busy: another runner's claim is valid until Record.Until.
	Busy Verdict = "busy"
	// IsAccepted: the provider has the order; only polling is left.
	IsAccepted Verdict = "accepted"
	// IsFinal: nothing is left to do, but for an event that is due (Record.Event is empty).
	IsFinal Verdict = "final"
	// NotAccepted: the provider is not known to have the order, so there is nothing to poll for.
	NotAccepted Verdict = "not_accepted"
	// WaitTurn: another refund of the same order (Claim.Turn) is under way.
	WaitTurn Verdict = "wait_turn"
	// Missing: there is no such record, so nothing may be done.
	Missing Verdict = "missing"
	// Newer: a newer program wrote the record, so this one must leave it alone.
	Newer Verdict = "newer"
)

// Claim is the answer of Ledger.Claim and BeginPoll.
type Claim struct {
	Verdict Verdict
	Record  *Record   // as it is now; nil when it is missing
	Now     time.Time // the ledger's
	Turn    string    // WaitTurn: the refund under way
}

// Claim claims a record for a runner, whose name is unique for each run of a task, and of a refund the
// order's turn. The claim is valid for the lease and can be extended. The verdict on a refund speaks of
// requests for the whole refund; of one ticket by ticket, the state of each ticket says what is in doubt.
func (l *Ledger) Claim(ctx context.Context, r order.Ref, runner string, lease time.Duration) (Claim, error) {
	k := []string{keys.Record(r)}
	if r.IsRefund() {
		k = append(k, keys.Turn(r))
	}
	if !l.sharded {
		k = append(k, keys.Open(r.Account))
	}
	f, err := l.run(ctx, r, "claim", k, runner, lease.Milliseconds(), keys.Member(r), r.RefundID)
	if err != nil {
		return Claim{}, err
	}
	c := claimOf(r, f)
	if c.Verdict == MaySend && c.Record.Fence == "1" {
		l.observeFirst(r)
	}
	return c, l.stayOpen(ctx, c, lease)
}

func claimOf(r order.Ref, f reply) Claim {
	c := Claim{Verdict: Verdict(f["verdict"]), Now: millis(f["now"]), Turn: f["turn"]}
	if c.Verdict != Missing {
		c.Record = record(r, f)
	}
	return c
}

// stayOpen makes sure that an unfinished record is in the open set, to be inspected when the claim should
// be over, where the script cannot. It is there since its intake; should this program die now, it is inspected
// sooner. Nothing is taken out: the record may be made, or made open, at this moment.
func (l *Ledger) stayOpen(ctx context.Context, c Claim, lease time.Duration) error {
	if !l.sharded || c.Record == nil || c.Record.State.Final() && c.Record.Event != "" {
		return nil
	}
	due := redis.Z{Score: float64(c.Now.Add(lease).UnixMilli()), Member: keys.Member(c.Record.Ref)}
	if err := l.rdb.ZAdd(ctx, keys.Open(c.Record.Account), due).Err(); err != nil {
		return fmt.Errorf("ledger: claim %s: %w", c.Record.Ref, err)
	}
	return nil
}

// ErrFenced says that another runner has taken the record over: the caller must stop.
var ErrFenced = errors.New("ledger: the claim has been taken over by another runner")

// Extend keeps a claim; ErrFenced says that it is lost. solo says that the worker does nothing else
// meanwhile: should it die now, that is taken for the record's own doing.
func (l *Ledger) Extend(ctx context.Context, r order.Ref, fence string, lease time.Duration, solo bool) error {
	a, err := l.transition(ctx, r, "extend", []string{keys.Record(r)}, fence, lease.Milliseconds(), bit(solo))
	if err == nil && !a.Applied {
		return ErrFenced
	}
	return err
}
