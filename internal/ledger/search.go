package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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

	whole     bool // what has moved to the details is found, too
	unsettled bool // nothing has moved there
}

// Found is one record that Search has found.
type Found struct {
	order.Ref
	State              order.State
	Lane               order.Lane
	Code, ReviewCode   string
	CreatedAt, FinalAt time.Time
	Event              string // id of the stream entry of its end; "" before that is published
}

// Search shows visit every record that matches, orders and refunds alike, in no order, some at a time. It
// walks through all keys of the database, node by node of a cluster, in small steps that do not hold others up
// (about a second per million keys), and keeps nothing of what it has shown: a record may be shown twice. One that
// changes meanwhile may or may not be found, one that does not change is. visit's error ends the search.
func (l *Ledger) Search(ctx context.Context, q Query, visit func([]Found) error) error {
	nodes, err := l.nodes(ctx)
	for _, node := range nodes {
		for place, more := uint64(0), true; more && err == nil; more = place != 0 {
			var found []Found
			if found, place, err = q.step(ctx, node, place); err == nil && len(found) > 0 {
				err = visit(found)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("ledger: search: %w", err)
	}
	return nil
}

// scanBatch is how many keys one step of a search looks at.
const scanBatch = 1000

// step looks at the keys of one node that come after a place, and says after which one the next step does; 0 is the
// beginning, and the end.
func (q Query) step(ctx context.Context, node *redis.Client, place uint64) (found []Found, after uint64, err error) {
	pattern := keys.AnyRecordPattern
	if q.Account.Merchant != "" {
		pattern = keys.RecordPattern(q.Account)
	}
	names, after, err := node.Scan(ctx, place, pattern, scanBatch).Result()
	if err == nil {
		found, err = q.find(ctx, node, names)
	}
	return found, after, err
}

var searched = []string{"state", "lane", "code", "created", "final", "review_code", "event", "shape", "stub"}

// find reads the records among keys of one node that match.
func (q Query) find(ctx context.Context, node *redis.Client, names []string) ([]Found, error) {
	var refs []order.Ref
	for _, key := range names {
		if r, ok := keys.ParseAnyRecord(key); ok {
			refs = append(refs, r)
		}
	}
	return q.read(ctx, node, refs)
}

// read reads records, and leaves out those that do not match.
func (q Query) read(ctx context.Context, rdb redis.UniversalClient, refs []order.Ref) ([]Found, error) {
	list, err := q.readEach(ctx, rdb, refs)
	var out []Found
	for _, f := range list {
		if f != nil {
			out = append(out, *f)
		}
	}
	return out, err
}

// readEach reads records; those that do not match are nil.
func (q Query) readEach(ctx context.Context, rdb redis.UniversalClient, refs []order.Ref) ([]*Found, error) {
	records, details := make([]*redis.SliceCmd, len(refs)), make([]*redis.SliceCmd, len(refs))
	pipe := rdb.Pipeline()
	for i, r := range refs {
		if !q.Account.IsZero() && !q.Account.Covers(r.Account) {
			continue
		}
		fields := searched[:len(searched)-2]
		if q.Item != "" { // shapes are large, and read only where an item is looked for
			fields = searched
		}
		if (q.Item != "" || q.whole) && !q.unsettled {
			details[i] = pipe.HMGet(ctx, keys.Details(r), "shape", "lane")
		}
		records[i] = pipe.HMGet(ctx, keys.Record(r), fields...)
	}
	if pipe.Len() == 0 {
		return make([]*Found, len(refs)), nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	out := make([]*Found, len(refs))
	for i, r := range refs {
		if records[i] != nil {
			out[i] = q.found(r, records[i].Val(), details[i])
		}
	}
	return out, nil
}

// found is a record by its fields, nil if it does not match.
func (q Query) found(r order.Ref, f []any, details *redis.SliceCmd) *Found {
	text := func(f []any, n int) string { s, _ := f[n].(string); return s }
	rec := &Found{Ref: r, State: order.State(text(f, 0)), Lane: order.Lane(text(f, 1)), Code: text(f, 2),
		CreatedAt: millis(text(f, 3)), FinalAt: millis(text(f, 4)), ReviewCode: text(f, 5), Event: text(f, 6)}
	if rec.State == "" || len(q.States) > 0 && !slices.Contains(q.States, rec.State) || rec.CreatedAt.Before(q.Since) {
		return nil
	}
	if q.Item != "" && !q.holds(r, text(f, len(searched)-2), text(f, len(searched)-1)) && (details == nil || !q.holds(r, text(details.Val(), 0), "")) {
		return nil
	}
	if rec.Lane == "" && q.whole && details != nil {
		rec.Lane = order.Lane(text(details.Val(), 1))
	}
	return rec
}

// holds reports whether a shape, or the stub that shows it, as Redis holds them, holds the item.
func (q Query) holds(r order.Ref, shape, stub string) bool {
	return mayHold(cmp.Or(shape, stub), q.Item) && holds(string(shapeOf(r.Account.Provider, shape, stub)), q.Item)
}

// mayHold reports whether a value of a JSON text, which may be packed, can be the given string: most hold none, and reading the
// text is what a search takes its time for.
func mayHold(text, value string) bool {
	return strings.Contains(text, value) || !asIs(text) || !asIs(value)
}

// asIs reports whether a text is written in JSON as it is.
func asIs(text string) bool { return !strings.ContainsAny(text, "\\<>&\u2028\u2029") }

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
