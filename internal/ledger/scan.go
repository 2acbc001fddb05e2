package ledger

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

// scanBatch is how many keys one step of a scan looks at.
const scanBatch = 1000

// InState lists every order and refund of a provider that is in state s, in no order. No index
// stands behind it: it walks through all keys of the database, on every node of a cluster, in
// small steps that do not hold others up. That takes about a second per million keys. A record
// that changes during the walk may or may not be found, one that does not change is.
func (l *Ledger) InState(ctx context.Context, p providers.Name, s State) ([]Ref, error) {
	var mu sync.Mutex
	found := map[Ref]bool{} // a scan may show a key twice
	var refs []Ref
	scan := func(ctx context.Context, node *redis.Client) error {
		return scanNode(ctx, node, p, s, func(r Ref) {
			mu.Lock()
			defer mu.Unlock()
			if !found[r] {
				found[r] = true
				refs = append(refs, r)
			}
		})
	}
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
		return nil, fmt.Errorf("ledger: scan: %w", err)
	}
	return refs, nil
}

func scanNode(ctx context.Context, node *redis.Client, p providers.Name, s State, found func(Ref)) error {
	var cursor uint64
	for {
		keys, next, err := node.Scan(ctx, cursor, "issuance:{"+string(p)+":*}:*", scanBatch).Result()
		if err != nil {
			return err
		}
		if err := filterState(ctx, node, p, keys, s, found); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func filterState(ctx context.Context, node *redis.Client, p providers.Name, keys []string, s State, found func(Ref)) error {
	var refs []Ref
	var cmds []*redis.StringCmd
	pipe := node.Pipeline()
	for _, key := range keys {
		if r, ok := parseRecordKey(p, key); ok {
			refs = append(refs, r)
			cmds = append(cmds, pipe.HGet(ctx, key, "state"))
		}
	}
	if len(refs) == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil { // a record may just have expired
		return err
	}
	for i, c := range cmds {
		if State(c.Val()) == s {
			found(refs[i])
		}
	}
	return nil
}

// parseRecordKey reads back what Key.order and RefundKey.refund make.
func parseRecordKey(p providers.Name, key string) (Ref, bool) {
	rest, ok := strings.CutPrefix(key, "issuance:{"+string(p)+":")
	order, kind, cut := strings.Cut(rest, "}:")
	if !ok || !cut {
		return Ref{}, false
	}
	r := Ref{Key: Key{Provider: p, OrderID: order}}
	if kind == "order" {
		return r, true
	}
	r.RefundID, ok = strings.CutPrefix(kind, "refund:")
	return r, ok
}
