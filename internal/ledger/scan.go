package ledger

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

// scanBatch is how many keys one step of a scan looks at.
const scanBatch = 1000

// AdoptOpen walks through all keys of the database, on every node of a cluster, in small steps that
// do not hold others up (about a second per million keys), and enters into the open set what is
// missing there: unfinished records, and final ones whose event was never published. It returns
// how many it found.
func (l *Ledger) AdoptOpen(ctx context.Context, p providers.Name) (int, error) {
	var found atomic.Int64
	err := l.walk(ctx, p, func(batch []standing) error {
		var missing []redis.Z
		for _, r := range batch {
			if r.state != "" && !(r.state.Final() && r.event != "") {
				missing = append(missing, redis.Z{Score: 0, Member: r.openMember()})
			}
		}
		if len(missing) == 0 {
			return nil
		}
		n, err := l.rdb.ZAddNX(ctx, openKey(p), missing...).Result()
		found.Add(n)
		return err
	})
	return int(found.Load()), err
}

// InState lists every order and refund of a provider that is in state s, in no order, by the same
// walk. A record that changes during the walk may or may not be found, one that does not change is.
func (l *Ledger) InState(ctx context.Context, p providers.Name, s State) ([]Ref, error) {
	var mu sync.Mutex
	found := map[Ref]bool{} // a scan may show a key twice
	var refs []Ref
	err := l.walk(ctx, p, func(batch []standing) error {
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
	Ref
	state State
	event string
}

// walk visits every record of a provider, a step of the scan at a time. In a cluster visit runs on
// several nodes at once.
func (l *Ledger) walk(ctx context.Context, p providers.Name, visit func([]standing) error) error {
	scan := func(ctx context.Context, node *redis.Client) error { return walkNode(ctx, node, p, visit) }
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

func walkNode(ctx context.Context, node *redis.Client, p providers.Name, visit func([]standing) error) error {
	var cursor uint64
	for {
		keys, next, err := node.Scan(ctx, cursor, "issuance:{"+string(p)+":*}:*", scanBatch).Result()
		if err != nil {
			return err
		}
		if err := visitKeys(ctx, node, p, keys, visit); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func visitKeys(ctx context.Context, node *redis.Client, p providers.Name, keys []string, visit func([]standing) error) error {
	var refs []Ref
	var cmds []*redis.SliceCmd
	pipe := node.Pipeline()
	for _, key := range keys {
		if r, ok := parseRecordKey(p, key); ok {
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
		batch[i] = standing{refs[i], State(state), event}
	}
	return visit(batch)
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
