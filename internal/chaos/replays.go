package chaos

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/tasks/order"
)

// Replays are settled records that were deleted by somebody who can write to Redis, and whose tasks were made
// again: nobody may be called for a task without a record.
type Replays struct {
	Records     map[order.Ref]*ledger.Record // as they were
	Differences []Difference
}

// replayPatience is how long the workers may take to drop the tasks.
const replayPatience = 30 * time.Second

// replay deletes n settled records of a load and makes their tasks again, and two of orders that never were.
// Nothing else may be under way, so that every call is one too many.
func (d *Disasters) replay(ctx context.Context, l *Load, n int) (*Replays, error) {
	rp := &Replays{Records: map[order.Ref]*ledger.Record{}}
	if n == 0 {
		return rp, nil
	}
	if err := rp.choose(ctx, d, l, n); err != nil {
		return nil, err
	}
	before := TakeBooks(d.rig).Calls
	var homes []queue.Home
	push := func(ref order.Ref, h queue.Home) error {
		d.queue.Delete(ctx, h) // what is left of the task that has ended is in the way
		homes = append(homes, h)
		return d.queue.Enqueue(ctx, ref, h, "", 0)
	}
	for ref, rec := range rp.Records {
		if err := d.rdb.Del(ctx, keys.Record(ref), keys.Details(ref)).Err(); err != nil {
			return nil, err
		}
		if err := push(ref, queue.HomeOf(ref, order.Queued, rec.Lane)); err != nil {
			return nil, fmt.Errorf("chaos: replay %s: %w", ref, err)
		}
		if !ref.IsRefund() {
			if err := push(ref, queue.PollHome(ref)); err != nil {
				return nil, fmt.Errorf("chaos: replay the poll of %s: %w", ref, err)
			}
		}
	}
	for _, a := range accounts() {
		ref := order.Ref{Account: a, OrderID: "NEVERWAS1"}
		if err := push(ref, queue.HomeOf(ref, order.Queued, order.Checkout)); err != nil {
			return nil, fmt.Errorf("chaos: replay %s: %w", ref, err)
		}
	}
	if err := rp.dropped(ctx, d, homes); err != nil {
		return nil, err
	}
	if after := TakeBooks(d.rig).Calls; !maps.Equal(before, after) {
		rp.Differences = append(rp.Differences, Difference{Replayed, "all replays", fmt.Sprintf("calls before: %v, after: %v", before, after)})
	}
	for ref := range rp.Records {
		if there, err := d.rdb.Exists(ctx, keys.Record(ref)).Result(); err != nil || there > 0 {
			rp.Differences = append(rp.Differences, Difference{Replayed, ref.String(), fmt.Sprintf("its record is there again (%v)", err)})
		}
	}
	return rp, nil
}

// choose takes settled records of all kinds, the refunds first: of a refund without its record nobody but
// the provider knows that it has happened.
func (rp *Replays) choose(ctx context.Context, d *Disasters, l *Load, n int) error {
	refs := l.refs()
	r := dice(d.seed, "replays")
	r.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
	slices.SortStableFunc(refs, func(a, b order.Ref) int {
		switch {
		case a.IsRefund() == b.IsRefund():
			return 0
		case a.IsRefund():
			return -1
		}
		return 1
	})
	refundsLeft := (n + 1) / 2
	for _, ref := range refs {
		if len(rp.Records) == n {
			return nil
		}
		if ref.IsRefund() && refundsLeft == 0 {
			continue
		}
		rec, err := d.rig.Ledger.Load(ctx, ref)
		if err != nil || !rec.State.Settled() || rec.Event == "" {
			continue // the audit reports it
		}
		if ref.IsRefund() {
			refundsLeft--
		}
		rp.Records[ref] = rec
	}
	return nil
}

// dropped waits until no task of the replays will run any more.
func (rp *Replays) dropped(ctx context.Context, d *Disasters, homes []queue.Home) error {
	patient, cancel := context.WithTimeout(ctx, replayPatience)
	defer cancel()
	for {
		found, err := d.queue.Find(ctx, homes)
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(homes), func(h queue.Home) bool {
			t := found[slices.Index(homes, h)]
			return t.State == "" || t.Ended()
		})
		if len(left) == 0 {
			return nil
		}
		if !pause(patient, 100*time.Millisecond) {
			rp.Differences = append(rp.Differences, Difference{Replayed, left[0].ID, fmt.Sprintf("%d tasks without a record are still there", len(left))})
			return nil
		}
	}
}

// refs are the names of everything in a load that was enqueued.
func (l *Load) refs() (refs []order.Ref) {
	for _, o := range l.Orders {
		refs = append(refs, o.Ref())
		for _, f := range o.Refunds {
			if !f.LeftOut {
				refs = append(refs, f.Ref())
			}
		}
	}
	return refs
}
