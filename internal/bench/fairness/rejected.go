package fairness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"issuance/internal/bench/lab"
	"issuance/internal/fair"
	"issuance/providers"
	"issuance/tasks/order"
)

// Rejected is what a file's worth of orders that the provider rejects cost an account, in seconds of virtual time.
type Rejected struct {
	Accounts, Orders int
	// Looks is how many look-ups of the rejected orders there were, and Controls how many of other numbers: orders that the
	// provider has, and one that cannot exist.
	Looks, Controls int
	// Least, Median and Longest are the times from an order's rejection to its end.
	Least, Median, Longest float64
	// Took is when the last one had ended.
	Took float64
	// Good is how many orders were enqueued After the rejected ones, and GoodSent when the last of them had been sent.
	Good            int
	After, GoodSent float64
	// Behind is when an order was sent that was enqueued together with the rejected ones, as the last.
	Behind float64
}

// RunRejected measures one account of a worker that serves so many. t is needed for its virtual time alone.
func RunRejected(t *testing.T, accounts, orders int) (r Rejected, err error) {
	redis, err := lab.StartRedis(t.Context(), lab.InMemory...)
	if err != nil {
		return r, err
	}
	defer redis.Close()
	synctest.Test(t, func(t *testing.T) { r, err = rejected(t.Context(), redis.Addr, accounts, orders) })
	return r, err
}

// rejectedPrefix begins the numbers that shops reject.
const rejectedPrefix = "W"

func rejected(ctx context.Context, addr string, accounts, orders int) (Rejected, error) {
	r := Rejected{Accounts: accounts, Orders: orders, Good: 10, After: 75}
	h, err := open(ctx, addr, upToAccounts(accounts), nil)
	if err != nil {
		return r, err
	}
	defer h.rdb.Close()
	if accounts == 1 { // as cmd/worker has it for one
		h.slots = func(l order.Lane) int { return fair.Slots(l, PerSecond) }
	}
	stop, err := h.run()
	if err != nil {
		return r, err
	}
	defer stop()
	a := account(0)
	known, err := h.enqueue(ctx, a, order.Bulk, "K", 1)
	if err != nil {
		return r, err
	}
	if _, err = h.left(known[0]); err != nil {
		return r, err
	}
	time.Sleep(10 * time.Second)
	began := time.Now()
	refs, err := h.enqueue(ctx, a, order.Bulk, rejectedPrefix, orders)
	if err != nil {
		return r, err
	}
	behind, err := h.enqueue(ctx, a, order.Bulk, "X", 1)
	if err != nil {
		return r, err
	}
	time.Sleep(time.Duration(r.After) * time.Second)
	good, err := h.enqueue(ctx, a, order.Bulk, "G", r.Good)
	if err != nil {
		return r, err
	}
	late := time.Now()
	for _, g := range good {
		at, err := h.left(g)
		if err != nil {
			return r, err
		}
		r.GoodSent = max(r.GoodSent, at.Sub(late).Seconds())
	}
	at, err := h.left(behind[0])
	if err != nil {
		return r, err
	}
	r.Behind = at.Sub(began).Seconds()
	var took []float64
	for _, ref := range refs {
		for {
			rec, err := h.ledger.Load(ctx, ref)
			if err != nil {
				return r, err
			}
			if rec.State.Final() {
				if rec.State != order.Failed {
					return r, fmt.Errorf("fairness: a rejected order is %s (%s)", rec.State, rec.Reason.Code)
				}
				took = append(took, rec.FinalAt.Sub(rec.SentAt).Seconds())
				r.Took = max(r.Took, rec.FinalAt.Sub(began).Seconds())
				break
			}
			if time.Since(began) > 6*time.Hour {
				return r, fmt.Errorf("fairness: %s has not ended", ref)
			}
			time.Sleep(time.Second)
		}
	}
	slices.Sort(took)
	r.Least, r.Median, r.Longest = took[0], took[len(took)/2], took[len(took)-1]
	s := h.shops[a]
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.looks {
		if strings.HasPrefix(id, rejectedPrefix) {
			r.Looks += n
		} else {
			r.Controls += n
		}
	}
	return r, nil
}

func upToAccounts(n int) (all []providers.Account) {
	for i := range n {
		all = append(all, account(i))
	}
	return all
}
