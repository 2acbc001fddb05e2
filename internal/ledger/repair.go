package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// repairTurn is for how long one of several callers of RepairPointers has its turn.
const repairTurn = 3 * time.Second

// RepairPointers looks at up to most of the ends that were published since it last did, and writes anew what should lead to
// them and is missing: the write of a pointer may be lost, and the end's is the last one. Of several callers one has its turn,
// so all together they look at so many in three seconds. It returns how many were missing.
func (l *Ledger) RepairPointers(ctx context.Context, most int64) (int, error) {
	mine, err := l.rdb.SetNX(ctx, keys.PointersTurn, 1, repairTurn).Result()
	if err != nil || !mine {
		return 0, repairing(err)
	}
	after, err := l.rdb.Get(ctx, keys.Pointers).Result()
	if err == redis.Nil {
		after, err = "0", nil
	}
	if err != nil {
		return 0, repairing(err)
	}
	ends, err := l.Events(ctx, after, most, 0)
	if err != nil || len(ends) == 0 {
		return 0, err
	}
	missing, err := l.unpointed(ctx, ends)
	if err != nil {
		return 0, err
	}
	for _, r := range missing {
		if err := l.relist(ctx, r); err != nil {
			return 0, err
		}
	}
	return len(missing), repairing(l.rdb.Set(ctx, keys.Pointers, ends[len(ends)-1].StreamID, 0).Err())
}

func repairing(err error) error {
	if err != nil {
		return fmt.Errorf("ledger: pointers: %w", err)
	}
	return nil
}

// unpointed are those ended records that nothing leads to for as long as they are kept.
func (l *Ledger) unpointed(ctx context.Context, ends []Event) (out []order.Ref, err error) {
	pipe := l.rdb.Pipeline()
	records := make([]*redis.SliceCmd, len(ends))
	for i, e := range ends {
		records[i] = pipe.HMGet(ctx, keys.Record(e.Ref), "state", "ref", "erased_at")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, repairing(err)
	}
	found := make([][]*redis.StringCmd, len(ends))
	pipe = l.rdb.Pipeline()
	for i, e := range ends {
		f := records[i].Val()
		ref, _ := f[1].(string)
		text := searchedBy(e.Ref, ref)
		if e.Ticket > 0 || f[0] == nil || f[2] != nil || l.pointer(e.Ref, text).value == "" {
			continue
		}
		end := monthOf(e.At) // clocks differ: it may have been written in the next one
		for m := end; !m.After(monthOf(l.clock().Add(time.Hour))) && !m.After(end.AddDate(0, 1, 0)); m = m.AddDate(0, 1, 0) {
			key, field := place(e.Account, text, m)
			found[i] = append(found[i], pipe.HGet(ctx, key, field))
		}
	}
	if pipe.Len() > 0 {
		if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil {
			return nil, repairing(err)
		}
	}
	for i, list := range found {
		if len(list) > 0 && !leads(list, pointed(ends[i].Ref)) {
			out = append(out, ends[i].Ref)
		}
	}
	return out, nil
}

// leads reports whether a pointer to a record is among some, or had to make room for later ones.
func leads(list []*redis.StringCmd, to string) bool {
	for _, c := range list {
		v := c.Val()
		if strings.Contains("\n"+v+"\n", "\n"+to+"\n") || strings.Count(v, "\n")+1 >= mostPointed {
			return true
		}
	}
	return false
}
