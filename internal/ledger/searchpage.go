package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// SearchPage is a step of Search: it goes on from a cursor ("" for the beginning) and ends when it has found limit
// records or more, has looked at so many keys, or has seen all, when next is "". A record that does not change is
// found by one of the pages, perhaps by two.
func (l *Ledger) SearchPage(ctx context.Context, q Query, cursor string, limit, mostKeys int) (found []Found, next string, err error) {
	nodes, err := l.nodes(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("ledger: search: %w", err)
	}
	at, place, err := parseCursor(cursor, len(nodes))
	if err != nil {
		return nil, "", err
	}
	for looked := 0; at < len(nodes); {
		more, after, err := q.step(ctx, nodes[at], place)
		if err != nil {
			return nil, "", fmt.Errorf("ledger: search: %w", err)
		}
		found, looked, place = append(found, more...), looked+scanBatch, after
		if place == 0 {
			at++
		}
		if len(found) >= limit || looked >= mostKeys {
			break
		}
	}
	if at < len(nodes) {
		next = fmt.Sprintf("%d.%d", at, place)
	}
	return found, next, nil
}

// nodes are the masters, always in the same order.
func (l *Ledger) nodes(ctx context.Context) ([]*redis.Client, error) {
	switch c := l.rdb.(type) {
	case *redis.Client:
		return []*redis.Client{c}, nil
	case *redis.ClusterClient:
		var mu sync.Mutex
		var list []*redis.Client
		err := c.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, node)
			return nil
		})
		slices.SortFunc(list, func(a, b *redis.Client) int { return strings.Compare(a.Options().Addr, b.Options().Addr) })
		return list, err
	default:
		return nil, fmt.Errorf("a %T cannot be scanned", l.rdb)
	}
}

func parseCursor(cursor string, nodes int) (at int, place uint64, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	node, rest, ok := strings.Cut(cursor, ".")
	at, err = strconv.Atoi(node)
	if err == nil {
		place, err = strconv.ParseUint(rest, 10, 64)
	}
	if !ok || err != nil || at < 0 || at >= nodes {
		return 0, 0, ErrCursor
	}
	return at, place, nil
}
