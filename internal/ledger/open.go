package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Due is a batch of unfinished records whose inspection is due.
type Due struct {
	Refs []order.Ref
	mark string // their time in the open set, until somebody gives them another
	set  string
}

// Due takes up to limit unfinished records whose inspection is due, the longest due first. They are
// not due again before hold has passed, so that several sweepers share the work.
func (l *Ledger) Due(ctx context.Context, a providers.Account, limit int64, hold time.Duration) (Due, error) {
	d := Due{set: keys.Open(a)}
	list, err := scripts["due"].Run(ctx, l.rdb, []string{d.set}, l.args([]any{limit, hold.Milliseconds()})...).StringSlice()
	if err != nil {
		return Due{}, fmt.Errorf("ledger: due: %w", err)
	}
	d.mark = list[0]
	for _, m := range list[1:] {
		if r, ok := keys.ParseMember(a, m); ok {
			d.Refs = append(d.Refs, r)
		}
	}
	return d, nil
}

// PutOff sets when records of a batch are to be inspected next; those with a zero time do not exist and
// are taken out of the open set. What was claimed or finished since the batch was taken is left alone.
func (l *Ledger) PutOff(ctx context.Context, d Due, until map[order.Ref]time.Time) error {
	if len(until) == 0 {
		return nil
	}
	args := []any{d.mark}
	for r, at := range until {
		ms := ""
		if !at.IsZero() {
			ms = strconv.FormatInt(at.UnixMilli(), 10)
		}
		args = append(args, keys.Member(r), ms)
	}
	if err := scripts["put_off"].Run(ctx, l.rdb, []string{d.set}, l.args(args)...).Err(); err != nil {
		return fmt.Errorf("ledger: put off: %w", err)
	}
	return nil
}

// OpenCount is the number of records of an account that are not finished.
func (l *Ledger) OpenCount(ctx context.Context, a providers.Account) (int64, error) {
	return l.rdb.ZCard(ctx, keys.Open(a)).Result()
}

// OpenCounts is OpenCount of many accounts, in their order, in one round trip.
func (l *Ledger) OpenCounts(ctx context.Context, accounts []providers.Account) ([]int64, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	pipe := l.rdb.Pipeline()
	asked := make([]*redis.IntCmd, len(accounts))
	for i, a := range accounts {
		asked[i] = pipe.ZCard(ctx, keys.Open(a))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("ledger: open: %w", err)
	}
	counts := make([]int64, len(accounts))
	for i, cmd := range asked {
		counts[i] = cmd.Val()
	}
	return counts, nil
}

// AdoptOpen searches for records of some accounts that are missing in the open sets, unfinished ones and final ones whose
// event was never published, and enters them. It returns how many it found of each. All accounts are one search.
func (l *Ledger) AdoptOpen(ctx context.Context, accounts ...providers.Account) (map[providers.Account]int, error) {
	adopted := map[providers.Account]int{}
	q := Query{}
	if len(accounts) == 1 {
		q.Account = accounts[0]
	}
	wanted := map[providers.Account]bool{}
	for _, a := range accounts {
		wanted[a] = true
	}
	err := l.Search(ctx, q, func(found []Found) error {
		missing := map[providers.Account][]redis.Z{}
		for _, r := range found {
			if wanted[r.Account] && (!r.State.Final() || r.Event == "") {
				missing[r.Account] = append(missing[r.Account], redis.Z{Member: keys.Member(r.Ref)})
			}
		}
		for a, members := range missing {
			added, err := l.rdb.ZAddNX(ctx, keys.Open(a), members...).Result()
			if err != nil {
				return err
			}
			if added > 0 {
				adopted[a] += int(added)
			}
		}
		return nil
	})
	return adopted, err
}
