package handler

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

const (
	// MaxBans is how many bans of the account a record may draw before it is set apart.
	MaxBans = 2
	// lastInLine is how long a record that drew a ban lets others go first once that is over, or as long as the ban lasted
	// if that is shorter: should it draw the next one, they show whose doing that is.
	lastInLine = 2 * time.Minute
)

// DrewBan counts a ban of the account that a call for a record drew, and returns how many count against it. One ban may
// be anybody's doing; another one counts only if other orders passed since the first, else it is the account that is banned.
func DrewBan(ctx context.Context, log *slog.Logger, l *ledger.Ledger, rec *ledger.Record, passed func(context.Context, time.Time) (bool, error)) int {
	if rec.Bans > 0 {
		ok, err := passed(ctx, rec.BannedAt)
		if err != nil {
			log.Warn("whether other orders passed between two bans is not known, so the second does not count", "error", err)
		}
		if err != nil || !ok {
			return rec.Bans
		}
	}
	a, err := l.DrewBan(ctx, rec.Ref)
	switch {
	case err != nil:
		log.Warn("a ban that the record drew could not be counted", "error", err)
	case a.Applied:
		rec.Bans++
	}
	return rec.Bans
}

// AfterBan is how long a record waits whose call drew a ban.
func AfterBan(out providers.Outcome, wait time.Duration) time.Duration {
	return max(out.RetryAfter, wait) + min(out.RetryAfter, lastInLine)
}

// DrawsBan sets a record apart whose calls draw bans.
func DrawsBan(bans int) Result {
	return End(ledger.Ending{State: order.Review, Reason: DrawsBanReason(bans)})
}

// DrawsBanReason is the reason of a review of a record whose calls draw bans.
func DrawsBanReason(bans int) ledger.Reason {
	return ledger.Reason{Code: string(order.CodeDrawsBan), Message: fmt.Sprintf(
		"%d requests about it were answered with a ban of the account; look at what it holds that the provider may refuse, and ask the provider whether it has it", bans)}
}

// afterBan is what comes of a wait when a call of this run drew a ban. A second one that counts ends the record, unless
// it was a sending: the provider may have taken that, and is asked once more.
func (r *Run) afterBan(ctx context.Context, res Result) Result {
	bans := DrewBan(ctx, r.Log, r.Ledger, r.Rec, r.OthersPassed)
	if bans >= MaxBans && !r.banSent {
		return DrawsBan(bans)
	}
	res.wait = AfterBan(*r.ban, res.wait)
	return res
}
