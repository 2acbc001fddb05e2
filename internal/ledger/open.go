package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

// Due lists up to limit unfinished records whose next inspection is due, the longest due first.
func (l *Ledger) Due(ctx context.Context, p providers.Name, limit int64) ([]Ref, error) {
	now, err := l.Time(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: due: %w", err)
	}
	members, err := l.rdb.ZRangeByScore(ctx, openKey(p), &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: limit}).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: due: %w", err)
	}
	refs := make([]Ref, 0, len(members))
	for _, m := range members {
		if r, ok := parseMember(p, m); ok {
			refs = append(refs, r)
		}
	}
	return refs, nil
}

// OpenCount is the number of records that are not finished.
func (l *Ledger) OpenCount(ctx context.Context, p providers.Name) (int64, error) {
	return l.rdb.ZCard(ctx, openKey(p)).Result()
}

// InspectAgain sets when an unfinished record is to be inspected next.
func (l *Ledger) InspectAgain(ctx context.Context, r Ref, at time.Time) error {
	return l.rdb.ZAddXX(ctx, openKey(r.Provider), redis.Z{Score: float64(at.UnixMilli()), Member: r.openMember()}).Err()
}

// Close takes a record out of the open set: it is finished, or it never came to be.
func (l *Ledger) Close(ctx context.Context, r Ref) error {
	return l.rdb.ZRem(ctx, openKey(r.Provider), r.openMember()).Err()
}
