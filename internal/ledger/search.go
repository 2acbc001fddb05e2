package ledger

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Query says which records Search finds. A zero field means any.
type Query struct {
	// Account whose records they are; without a merchant, all accounts of the provider.
	Account providers.Account
	States  []order.State
	// Since is the earliest moment at which the document was recorded.
	Since time.Time
	// Item is a value that the document's public description (Record.Shape) holds, such as the number of an
	// item. Records whose details have expired are not found by it.
	Item string
}

// Found is one record that Search has found.
type Found struct {
	order.Ref
	State              order.State
	Lane               order.Lane
	Code, ReviewCode   string
	CreatedAt, FinalAt time.Time

	ends int // before the one that it has reached, if it has
}

// Search shows visit every record that matches, orders and refunds alike, in no order, some at a time. It
// walks through all keys of the database in small steps that do not hold others up, and keeps nothing of what
// it has shown: a record may be shown twice. One that changes meanwhile may or may not be found. visit is
// not called by two goroutines at once; its error ends the search.
func (l *Ledger) Search(ctx context.Context, q Query, visit func([]Found) error) error {
	pattern := keys.AnyRecordPattern
	if q.Account.Merchant != "" {
		pattern = keys.RecordPattern(q.Account)
	}
	var mu sync.Mutex
	return l.scan(ctx, pattern, func(ctx context.Context, node *redis.Client, names []string) error {
		found, err := q.find(ctx, node, names)
		if err != nil || len(found) == 0 {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		return visit(found)
	})
}

var searched = []string{"state", "lane", "code", "created", "final", "review_code", "ends", "shape"}

// find reads the records among keys, and leaves out those that do not match.
func (q Query) find(ctx context.Context, node redis.Cmdable, names []string) ([]Found, error) {
	var refs []order.Ref
	var records, details []*redis.SliceCmd
	pipe := node.Pipeline()
	for _, key := range names {
		r, ok := keys.ParseAnyRecord(key)
		if !ok || q.Account.Provider != "" && r.Account.Provider != q.Account.Provider {
			continue
		}
		refs = append(refs, r)
		fields := searched[:len(searched)-1]
		if q.Item != "" { // large, and read only where it is looked for
			fields = searched
			details = append(details, pipe.HMGet(ctx, keys.Details(r), "shape"))
		}
		records = append(records, pipe.HMGet(ctx, key, fields...))
	}
	if len(refs) == 0 {
		return nil, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var out []Found
	for i, r := range refs {
		text := func(f []any, n int) string { s, _ := f[n].(string); return s }
		f := records[i].Val()
		rec := Found{Ref: r, State: order.State(text(f, 0)), Lane: order.Lane(text(f, 1)), Code: text(f, 2),
			CreatedAt: millis(text(f, 3)), FinalAt: millis(text(f, 4)), ReviewCode: text(f, 5), ends: number(text(f, 6))}
		if rec.State == "" || len(q.States) > 0 && !slices.Contains(q.States, rec.State) || rec.CreatedAt.Before(q.Since) {
			continue
		}
		if q.Item != "" && !holds(text(f, len(searched)-1), q.Item) && !holds(text(details[i].Val(), 0), q.Item) {
			continue
		}
		out = append(out, rec)
	}
	return out, nil
}

// holds reports whether a value of a JSON text, at any depth, is the given string.
func holds(text, value string) bool {
	var v any
	if text == "" || json.Unmarshal([]byte(text), &v) != nil {
		return false
	}
	var in func(any) bool
	in = func(v any) bool {
		switch v := v.(type) {
		case string:
			return v == value
		case []any:
			return slices.ContainsFunc(v, in)
		case map[string]any:
			for _, e := range v {
				if in(e) {
					return true
				}
			}
		}
		return false
	}
	return in(v)
}
