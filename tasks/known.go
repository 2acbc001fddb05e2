package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/providers"
)

// known looks for the document in the ledger and in the queues of both lanes.
func (c *Client) known(ctx context.Context, it item) (Receipt, bool, error) {
	glances, err := c.glance(ctx, []item{it})
	if err != nil {
		return Receipt{}, false, fmt.Errorf("tasks: enqueue %s: %w", it.what, err)
	}
	return c.compare(it, glances[0])
}

// glance is what one look told about a document: its record's state and fingerprint, or the lane
// in whose queue its task is.
type glance struct {
	peek ledger.Peek
	lane Lane // "" when no queue holds a task of this id
}

// glance looks for many documents in one round trip, and a second one when any of them is known.
// Usually none is, and to know that takes a few commands only, however many documents they are.
func (c *Client) glance(ctx context.Context, items []item) ([]glance, error) {
	out := make([]glance, len(items))
	refs := make([]ledger.Ref, len(items))
	keys := map[string][]string{} // by queue, so that a cluster has those of one command in one slot
	for i, it := range items {
		refs[i] = it.ref
		for _, lane := range producerLanes {
			q := Queue(it.ref.Provider, lane)
			keys[q] = append(keys[q], taskKey(q, it.id))
		}
	}
	pipe := c.rdb.Pipeline()
	peeks := func() {}
	var records *redis.IntCmd
	if _, single := c.rdb.(*redis.Client); single && len(items) > 1 {
		records = ledger.CountIn(ctx, pipe, refs)
	} else {
		peeks = peekAll(ctx, pipe, refs, out)
	}
	tasks := map[string]*redis.IntCmd{}
	for q := range keys {
		tasks[q] = pipe.Exists(ctx, keys[q]...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	if peeks(); records != nil && records.Val() > 0 {
		peeks = peekAll(ctx, pipe, refs, out)
	} else {
		peeks = func() {}
	}
	lanes := laneOfAll(ctx, pipe, items, tasks, out)
	if pipe.Len() > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, err
		}
	}
	peeks()
	lanes()
	return out, nil
}

// peekAll asks for every record; what it returns fills in the answers.
func peekAll(ctx context.Context, pipe redis.Pipeliner, refs []ledger.Ref, out []glance) func() {
	records := make([]func() ledger.Peek, len(refs))
	for i, r := range refs {
		records[i] = ledger.PeekIn(ctx, pipe, r)
	}
	return func() {
		for i := range records {
			out[i].peek = records[i]()
		}
	}
}

// laneOfAll asks for every task, but only in queues that hold any of them; what it returns fills
// in the answers.
func laneOfAll(ctx context.Context, pipe redis.Pipeliner, items []item, holds map[string]*redis.IntCmd, out []glance) func() {
	type question struct {
		i    int
		lane Lane
		cmd  *redis.IntCmd
	}
	var asked []question
	for i, it := range items {
		for _, lane := range producerLanes {
			if q := Queue(it.ref.Provider, lane); holds[q].Val() > 0 {
				asked = append(asked, question{i, lane, pipe.Exists(ctx, taskKey(q, it.id))})
			}
		}
	}
	return func() {
		for _, q := range asked {
			if q.cmd.Val() > 0 {
				out[q.i].lane = q.lane
			}
		}
	}
}

// producerLanes are the lanes documents can be in.
var producerLanes = [2]Lane{Checkout, Bulk}

// taskKey is asynq's Redis key of a task. A test compares it with what asynq writes.
func taskKey(queue, id string) string { return "asynq:{" + queue + "}:t:" + id }

// compare tells from a glance whether the document is known, and whether it is the same one.
func (c *Client) compare(it item, g glance) (Receipt, bool, error) {
	peek, ours := g.peek, false
	if !peek.Found && g.lane != "" {
		p, err := c.queuedPayload(it.ref.Provider, g.lane, it.id)
		if err != nil {
			return Receipt{}, false, fmt.Errorf("tasks: enqueue %s: %w", it.what, err)
		}
		if p != nil {
			peek = ledger.Peek{Found: true, State: ledger.Queued, Fingerprint: p.Fingerprint}
			ours = p.Document == it.sealed // this enqueue was carried out, but its answer was lost
		}
	}
	if !peek.Found {
		return Receipt{}, false, nil
	}
	same, keyKnown := c.ring.SameFingerprint(peek.Fingerprint, it.canonical)
	if !keyKnown {
		return Receipt{}, true, fmt.Errorf("tasks: %s: its first document was sealed with a key that is not in SealKeys; add the old key at the end of the list", it.what)
	}
	if !same {
		return Receipt{}, true, &ConflictError{What: it.what, State: peek.State}
	}
	r := it.receipt
	r.State, r.Duplicate = peek.State, !ours
	return r, true, nil
}

// queuedPayload is the payload of a waiting task, nil when there is none.
func (c *Client) queuedPayload(p providers.Name, lane Lane, id string) (*Payload, error) {
	info, err := c.inspector.GetTaskInfo(Queue(p, lane), id)
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	payload, err := DecodePayload(info.Payload)
	if err != nil {
		return nil, err
	}
	return &payload, nil
}

// States tells where many orders stand, in one or two round trips; a few hundred at a time are
// best. Queued stands also for those no worker has seen yet, and "" for unknown ones.
func (c *Client) States(ctx context.Context, keys []ledger.Key) ([]ledger.State, error) {
	items := make([]item, len(keys))
	for i, k := range keys {
		items[i] = item{ref: ledger.Ref{Key: k}, id: IssueID(k.Provider, k.OrderID)}
	}
	if len(items) == 0 {
		return nil, nil
	}
	glances, err := c.glance(ctx, items)
	if err != nil {
		return nil, fmt.Errorf("tasks: states: %w", err)
	}
	out := make([]ledger.State, len(keys))
	for i, g := range glances {
		switch {
		case g.peek.Found:
			out[i] = g.peek.State
		case g.lane != "":
			out[i] = ledger.Queued
		}
	}
	return out, nil
}
