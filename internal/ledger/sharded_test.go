package ledger

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// Every end has an event id of its own, each of them once, and publishing an end again repeats its id.
func TestEveryEndHasAnEventIDOfItsOwn(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, r := range []order.Ref{b.order(), b.refund()} {
			review := func() {
				t.Helper()
				f := b.claim(t, r).Record.Fence
				a, err := b.Finish(b.ctx, r, f, Ending{State: order.Review, Reason: Reason{Code: "in_doubt"}})
				applied(t, a, err)
			}
			begin := len(b.events(t))
			review()
			for range 2 {
				a, err := b.Reopen(b.ctx, r, "ann", "r")
				applied(t, a, err)
				review()
			}
			a, err := b.Resolve(b.ctx, r, Resolution{State: order.Failed, Who: "ann", Reason: "r"})
			applied(t, a, err)
			want := []string{r.String() + "/review/1", r.String() + "/review/2", r.String() + "/review/3", r.String() + "/failed/4"}
			if got := b.events(t)[begin:]; !slices.Equal(got, want) {
				t.Errorf("events %v, want %v", got, want)
			}
			must(t, b.Publish(b.ctx, r)) // published already: nothing
			must(t, b.rdb.HDel(b.ctx, keys.Record(r), "event").Err())
			must(t, b.Publish(b.ctx, r)) // as if the mark had been lost
			if got := b.events(t)[begin:]; !slices.Equal(got, append(want, want[3])) {
				t.Errorf("events %v after one was repeated", got)
			}
		}
	})
}

// In a cluster, where an end and its event are two steps, an event that could not be published comes before those of the order
// that happened later.
func TestAnEarlierEndOfTheOrderIsPublishedFirst(t *testing.T) {
	b := newBench(testredis.Mini(t), newClock())
	b.sharded = true
	k := b.order()
	first, second := k.Refund("R1"), k.Refund("R2")
	finish := func(r order.Ref, s order.State) {
		t.Helper()
		a, err := b.Finish(b.ctx, r, b.claim(t, r).Record.Fence, Ending{State: s})
		applied(t, a, err)
		b.clock.pass(time.Second)
	}
	finish(k, order.Issued)
	finish(first, order.Refunded)
	b.claim(t, second)
	for _, r := range []order.Ref{k, first} { // as if both publishers had died before the event
		must(t, b.rdb.HDel(b.ctx, keys.Record(r), "event").Err())
		must(t, b.rdb.ZAdd(b.ctx, keys.Open(r.Account), redis.Z{Score: 1, Member: keys.Member(r)}).Err())
	}
	must(t, b.rdb.Del(b.ctx, keys.Events).Err())
	b.clock.pass(2 * lease)
	finish(second, order.Refunded)
	for _, r := range []order.Ref{first, k} {
		must(t, b.Publish(b.ctx, r)) // as the sweeper does
	}
	want := []string{k.String() + "/issued/1", first.String() + "/refunded/1", second.String() + "/refunded/1"}
	if got := b.events(t); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// nthTrip calls something once, after the n-th round trip of the ledger whose client it hooks.
type nthTrip struct {
	testredis.Hook
	n  int
	do func()
}

func (h *nthTrip) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		h.passed()
		return err
	}
}

func (h *nthTrip) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		h.passed()
		return err
	}
}

func (h *nthTrip) passed() {
	if h.n--; h.n == 0 {
		h.do()
	}
}

// In a cluster, whatever a person does between any two steps of publishing a review: what is unfinished is
// open, what needs review is listed, what does not is not, and every end is published.
func TestAReviewThatIsDecidedWhileItIsPublished(t *testing.T) {
	const steps = 12
	decisions := map[string]func(b *bench, k order.Ref) error{
		"resolved": func(b *bench, k order.Ref) error {
			_, err := b.Resolve(b.ctx, k, Resolution{State: order.Issued, Who: "ann", Reason: "r"})
			return err
		},
		"reopened": func(b *bench, k order.Ref) error { _, err := b.Reopen(b.ctx, k, "ann", "r"); return err },
		"in review again": func(b *bench, k order.Ref) error {
			if _, err := b.Reopen(b.ctx, k, "ann", "r"); err != nil {
				return err
			}
			c, err := b.Claim(b.ctx, k, "second", lease)
			if err != nil || c.Verdict != MustLookUp && c.Verdict != MaySend {
				return err
			}
			b.clock.pass(1_000_000) // a millisecond, so that the ends differ in time
			_, err = b.Finish(b.ctx, k, c.Record.Fence, Ending{State: order.Review, Reason: Reason{Code: "again"}})
			return err
		},
	}
	for name, decide := range decisions {
		for n := 1; n <= steps; n++ {
			t.Run(fmt.Sprintf("%s after step %d", name, n), func(t *testing.T) {
				b := newBench(testredis.Mini(t), newClock())
				b.sharded = true
				k := b.order()
				f := b.claim(t, k).Record.Fence
				var failed error
				slow := b.hooked(t, &nthTrip{n: n, do: func() { failed = decide(b, k) }})
				b.clock.pass(lease / 2)
				a, err := slow.Finish(b.ctx, k, f, Ending{State: order.Review, Reason: Reason{Code: "in_doubt"}})
				applied(t, a, err)
				must(t, failed)

				rec := b.load(t, k)
				open, listed := b.open(t), b.rdb.ZRange(b.ctx, keys.Reviews(shop), 0, -1).Val()
				if !rec.State.Final() && len(open) != 1 {
					t.Errorf("it is %s and not open", rec.State)
				}
				if rec.State.Final() && rec.Event == "" && len(open) != 1 {
					t.Error("its event is due and it is not open")
				}
				if unlisted := len(listed) == 0; rec.State == order.Review && rec.Event != "" && unlisted {
					t.Error("it needs review and is not listed")
				} else if rec.State != order.Review && !unlisted {
					t.Errorf("it is %s and listed for review", rec.State)
				}
				b.clock.pass(lease)
				for _, r := range b.due(t, shop, 10).Refs { // the sweeper
					must(t, b.Publish(b.ctx, r))
				}
				want := []string{k.String() + "/review/1"}
				if rec.State == order.Issued {
					want = append(want, k.String()+"/issued/2")
				} else if rec.Reason.Code == "again" {
					want = append(want, k.String()+"/review/2")
				}
				ids := b.events(t)
				slices.Sort(ids)
				slices.Sort(want)
				if ids = slices.Compact(ids); !slices.Equal(ids, want) {
					t.Errorf("it is %s, events %v, want %v", rec.State, ids, want)
				}
			})
		}
	}
}
