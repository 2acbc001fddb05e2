package ledger

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// scanBatch is how many keys one step of a scan looks at.
const scanBatch = 1000

// AdoptOpen walks through all keys of the database, on every node of a cluster, in small steps that
// do not hold others up (about a second per million keys), and enters into the open set what is
// missing there: unfinished records, and final ones whose event was never published. It returns
// how many it found.
func (l *Ledger) AdoptOpen(ctx context.Context, a providers.Account) (int, error) {
	var found atomic.Int64
	err := l.walk(ctx, a, func(batch []standing) error {
		var missing []redis.Z
		for _, r := range batch {
			if r.state != "" && !(r.state.Final() && r.event != "") {
				missing = append(missing, redis.Z{Score: 0, Member: keys.Member(r.Ref)})
			}
		}
		if len(missing) == 0 {
			return nil
		}
		n, err := l.rdb.ZAddNX(ctx, keys.Open(a), missing...).Result()
		found.Add(n)
		return err
	})
	return int(found.Load()), err
}

// InState lists every order and refund of an account that is in state s, in no order, by the same
// walk. A record that changes during the walk may or may not be found, one that does not change is.
func (l *Ledger) InState(ctx context.Context, a providers.Account, s order.State) ([]order.Ref, error) {
	var mu sync.Mutex
	found := map[order.Ref]bool{} // a scan may show a key twice
	var refs []order.Ref
	err := l.walk(ctx, a, func(batch []standing) error {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range batch {
			if r.state == s && !found[r.Ref] {
				found[r.Ref] = true
				refs = append(refs, r.Ref)
			}
		}
		return nil
	})
	return refs, err
}

// standing is where a record stands, and the stream entry of its end, if there is one.
type standing struct {
	order.Ref
	state order.State
	event string
}

// walk visits every record of an account, a step of the scan at a time. In a cluster visit runs on
// several nodes at once.
func (l *Ledger) walk(ctx context.Context, a providers.Account, visit func([]standing) error) error {
	return l.scan(ctx, keys.RecordPattern(a), func(ctx context.Context, node *redis.Client, found []string) error {
		return visitKeys(ctx, node, a, found, visit)
	})
}

// scan shows all keys of a pattern, on every node of a cluster, in small steps; a key may be shown twice.
func (l *Ledger) scan(ctx context.Context, pattern string, visit func(context.Context, *redis.Client, []string) error) error {
	scan := func(ctx context.Context, node *redis.Client) error { return scanNode(ctx, node, pattern, visit) }
	var err error
	switch c := l.rdb.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, scan)
	case *redis.Client:
		err = scan(ctx, c)
	default:
		err = fmt.Errorf("a %T cannot be scanned", l.rdb)
	}
	if err != nil {
		return fmt.Errorf("ledger: scan: %w", err)
	}
	return nil
}

func scanNode(ctx context.Context, node *redis.Client, pattern string, visit func(context.Context, *redis.Client, []string) error) error {
	var cursor uint64
	for {
		found, next, err := node.Scan(ctx, cursor, pattern, scanBatch).Result()
		if err != nil {
			return err
		}
		if err := visit(ctx, node, found); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func visitKeys(ctx context.Context, node *redis.Client, a providers.Account, found []string, visit func([]standing) error) error {
	var refs []order.Ref
	var cmds []*redis.SliceCmd
	pipe := node.Pipeline()
	for _, key := range found {
		if r, ok := keys.ParseRecord(a, key); ok {
			refs = append(refs, r)
			cmds = append(cmds, pipe.HMGet(ctx, key, "state", "event"))
		}
	}
	if len(refs) == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	batch := make([]standing, len(refs))
	for i, c := range cmds {
		state, _ := c.Val()[0].(string)
		event, _ := c.Val()[1].(string)
		batch[i] = standing{refs[i], order.State(state), event}
	}
	return visit(batch)
}
