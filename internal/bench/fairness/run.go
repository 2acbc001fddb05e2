package fairness

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"issuance/internal/bench/lab"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Size of a run.
type size struct {
	accounts, backlog, hanging int
	during                     time.Duration // how long checkouts come
}

const (
	bulkOrders = 20
	// checkoutEvery is the mean time between two checkouts of an account.
	checkoutEvery = 20 * time.Second
	// patience is when what has not been issued is given up.
	patience = 10 * time.Minute
)

// Result is what a run measured, in seconds of virtual time.
type Result struct {
	Accounts int `json:"accounts"`
	Backlog  int `json:"backlog"`
	// Median is the median account's time to the last of its bulk orders. Worst and Alone are those of the account that loses
	// most, beside all others and alone, and Ratio the one over the other.
	Median float64 `json:"median"`
	Worst  float64 `json:"worst"`
	Alone  float64 `json:"alone"`
	Ratio  float64 `json:"ratio"`
	// Checkouts is how many there were; the others are their times from the enqueueing to the request.
	Checkouts   int     `json:"checkouts"`
	CheckoutP50 float64 `json:"checkout_p50"`
	CheckoutP99 float64 `json:"checkout_p99"`
	CheckoutMax float64 `json:"checkout_max"`
	// BacklogRate is how many orders per second of the account with the backlog were issued meanwhile.
	BacklogRate float64 `json:"backlog_rate"`
	// Banned is how many requests of the banned account left.
	Banned int `json:"banned"`
}

// Run measures. t is needed for its virtual time alone.
func Run(t *testing.T, quick bool) (Result, error) {
	s := size{accounts: 200, backlog: 50_000, hanging: 200, during: time.Minute}
	if quick {
		s = size{accounts: 12, backlog: 1000, hanging: 50, during: 30 * time.Second}
	}
	r, last, err := s.play(t, upTo(s.accounts))
	if err != nil {
		return r, err
	}
	// An account's checkouts take calls from its own bulk, so each is compared with itself.
	slowest := slices.SortedFunc(maps.Keys(last), func(a, b int) int { return cmp.Compare(last[b], last[a]) })
	for _, n := range slowest[:min(compared, len(slowest))] {
		_, alone, err := s.play(t, []int{n})
		if err != nil {
			return r, fmt.Errorf("fairness: account %d alone: %w", n, err)
		}
		if ratio := last[n].Seconds() / alone[n].Seconds(); ratio > r.Ratio {
			r.Ratio, r.Worst, r.Alone = ratio, last[n].Seconds(), alone[n].Seconds()
		}
	}
	return r, nil
}

// compared is how many accounts, the slowest ones, are compared with what they are alone.
const compared = 20

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// play lets accounts sell beside each other: the last of them has a backlog, the one before is banned, and the provider of the
// one before that hangs. A single account has neither. last is when the last bulk order of each other one was issued.
func (s size) play(t *testing.T, of []int) (r Result, last map[int]time.Duration, err error) {
	redis, err := lab.StartRedis(t.Context(), lab.InMemory...)
	if err != nil {
		return r, nil, err
	}
	defer redis.Close()
	last = map[int]time.Duration{}
	synctest.Test(t, func(t *testing.T) { r, err = s.sell(t.Context(), redis.Addr, of, last) })
	return r, last, err
}

func (s size) sell(ctx context.Context, addr string, of []int, last map[int]time.Duration) (Result, error) {
	n := len(of)
	r := Result{Accounts: n, Backlog: s.backlog}
	var all []providers.Account
	for _, i := range of {
		all = append(all, account(i))
	}
	others, big, banned, hangs := all, providers.Account{}, providers.Account{}, providers.Account{}
	var hanging []providers.Account
	if n > 3 {
		others, big, banned, hangs = all[:n-3], all[n-1], all[n-2], all[n-3]
		hanging = append(hanging, hangs)
	}
	h, err := open(ctx, addr, all, hanging)
	if err != nil {
		return r, err
	}
	defer h.rdb.Close()
	var troubled [3][]order.Ref
	if n > 3 {
		h.budgets[banned].Banned(ctx, "HTTP 403")
		for i, x := range []struct {
			a    providers.Account
			many int
		}{{big, s.backlog}, {banned, s.hanging}, {hangs, s.hanging}} {
			if troubled[i], err = h.enqueue(ctx, x.a, order.Bulk, "BIG", x.many); err != nil {
				return r, err
			}
		}
	}
	bulks := map[providers.Account][]order.Ref{}
	for _, a := range others {
		if bulks[a], err = h.enqueue(ctx, a, order.Bulk, "B", bulkOrders); err != nil {
			return r, err
		}
	}
	began := time.Now()
	stop, err := h.run()
	if err != nil {
		return r, err
	}
	defer stop()
	waits, err := h.checkouts(ctx, of[:len(others)], s.during)
	if err != nil {
		return r, err
	}
	var times []time.Duration
	for i, a := range others {
		end, err := h.last(ctx, bulks[a])
		if err != nil {
			return r, err
		}
		last[of[i]] = end.Sub(began)
		times = append(times, end.Sub(began))
	}
	r.Median = quantile(times, 0.5)
	r.Checkouts, r.CheckoutP50, r.CheckoutP99, r.CheckoutMax = len(waits), quantile(waits, 0.5), quantile(waits, 0.99), quantile(waits, 1)
	took := time.Since(began)
	for _, ref := range troubled[0] {
		if at, ok := h.calledAt(ref); ok && at.Before(began.Add(took)) {
			r.BacklogRate++
		}
	}
	r.BacklogRate /= took.Seconds()
	for _, ref := range troubled[1] {
		if _, ok := h.calledAt(ref); ok {
			r.Banned++
		}
	}
	return r, nil
}

// checkouts lets the accounts' customers order, and returns how long each waited until its request left.
func (h *house) checkouts(ctx context.Context, of []int, during time.Duration) (waits []time.Duration, err error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, n := range of {
		random := rand.New(rand.NewPCG(7, uint64(n)))
		var at []time.Duration
		for d := time.Duration(random.ExpFloat64() * float64(checkoutEvery)); d < during; d += time.Duration(random.ExpFloat64() * float64(checkoutEvery)) {
			at = append(at, d)
		}
		wg.Go(func() {
			began := time.Now()
			for i, d := range at {
				time.Sleep(time.Until(began.Add(d)))
				enqueued := time.Now()
				refs, failed := h.enqueue(ctx, account(n), order.Checkout, fmt.Sprintf("C%d-", i), 1)
				var left time.Time
				if failed == nil {
					left, failed = h.left(refs[0])
				}
				mu.Lock()
				waits = append(waits, left.Sub(enqueued))
				if failed != nil {
					err = failed
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return waits, err
}

// left is when an order's request left.
func (h *house) left(r order.Ref) (time.Time, error) {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		if at, ok := h.calledAt(r); ok {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("fairness: no request of %s left in %s", r, patience)
}

// last is when the last of some orders was issued.
func (h *house) last(ctx context.Context, refs []order.Ref) (at time.Time, err error) {
	for _, r := range refs {
		if _, err := h.left(r); err != nil {
			return at, err
		}
		rec, err := h.issued(ctx, r)
		if err != nil {
			return at, err
		}
		if rec.FinalAt.After(at) {
			at = rec.FinalAt
		}
	}
	return at, nil
}

func (h *house) issued(ctx context.Context, r order.Ref) (*ledger.Record, error) {
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		rec, err := h.ledger.Load(ctx, r)
		switch {
		case err != nil:
			return nil, err
		case rec.State == order.Issued:
			return rec, nil
		case time.Since(began) > patience:
			return nil, fmt.Errorf("fairness: %s is %s", r, rec.State)
		}
	}
}

func quantile(list []time.Duration, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Seconds()
}
