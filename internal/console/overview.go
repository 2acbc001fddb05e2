package console

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// overview is how all accounts stand, read once in a while for all browsers that look at it.
type overview struct {
	mu   sync.Mutex
	list []account
	at   time.Time
}

// account is one of them.
type account struct {
	budget.State
	Health        providers.Health
	Since         time.Time
	Why           string // of a person's or the provider's making; safe to show
	Hour          [budget.Minutes]int
	Open, Reviews int64
	Lanes         []lane
	// AtLeast says that there are so many unfinished records that an older one may exist than is shown.
	AtLeast bool
	// PerHour is how many records the provider has ended lately, DoneAt when the rest will have at that rate; zero where nobody
	// knows, and while calls of the account may not leave.
	PerHour int64
	DoneAt  time.Time
}

// lane is a lane of an account.
type lane struct {
	Lane   order.Lane
	Used   int           // calls of the last minute
	Oldest *ledger.Found // the unfinished record that has waited longest; nil without one
}

// Bounds of an overview.
const (
	overviewEvery = 10 * time.Second
	overviewReads = 1000 // unfinished records of an account
	overviewTail  = 30   // tasks of each list of a queue
	rateOver      = 10 * time.Minute
	rateEvents    = 2000
)

// overview is how all accounts stood a moment ago.
func (c *Console) overview(ctx context.Context) ([]account, error) {
	o := &c.accountsNow
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.at.IsZero() && c.Now().Sub(o.at) < overviewEvery {
		return o.list, nil
	}
	list, err := c.lookAtAccounts(ctx)
	if err != nil {
		return nil, err
	}
	o.list, o.at = list, c.Now()
	return list, nil
}

// forget has the next look read the accounts again.
func (o *overview) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = time.Time{}
}

func (c *Console) lookAtAccounts(ctx context.Context) ([]account, error) {
	states, err := budget.States(ctx, c.RDB)
	if err != nil {
		return nil, err
	}
	names := make([]providers.Account, len(states))
	for i, s := range states {
		names[i] = s.Account
	}
	open, reviews, err := c.Ledger.Counts(ctx, names)
	if err != nil {
		return nil, err
	}
	rates, err := c.rates(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]account, len(states))
	for i, s := range states {
		a := account{State: s, Open: open[i], Reviews: reviews[i]}
		a.Health, a.Since, a.Why = s.Health()
		if a.Health == providers.HealthNoWorker || a.Health == providers.HealthKeyMissing {
			a.Why = "" // what the health says by itself
		}
		if a.Hour, err = budget.LastHour(ctx, c.RDB, s.Allowance, s.Account); err != nil {
			return nil, err
		}
		if err := c.addLanes(ctx, &a); err != nil {
			return nil, err
		}
		a.estimate(rates[s.Account], c.Now())
		out[i] = a
	}
	return out, nil
}

// estimate says when what is unfinished will have ended. No record ends without a call, so no rate is above the account's. While
// calls are held, or records wait for a seal key, what has ended before says nothing.
func (a *account) estimate(perSecond float64, now time.Time) {
	rate := min(perSecond, a.PerSecond)
	if rate <= 0 || a.Health != providers.HealthOK || len(a.Paused) > 0 {
		return
	}
	a.PerHour = int64(rate * time.Hour.Seconds())
	a.DoneAt = now.Add(time.Duration(float64(a.Open) / rate * float64(time.Second)))
}

// NoPace names the text that says why there is no estimate.
func (a account) NoPace() string {
	switch {
	case a.Health == providers.HealthNoWorker:
		return "acc.no_pace.no_worker"
	case a.Health == providers.HealthKeyMissing:
		return "acc.no_pace.key_missing"
	case a.Health != providers.HealthOK || len(a.Paused) > 0:
		return "acc.no_pace.held"
	}
	return "acc.no_pace.none"
}

// byTheProvider reports whether an end is what a provider's answers came to: not a cancellation, a person's decision, or an end
// that was found here.
func byTheProvider(e ledger.Event) bool {
	switch e.State {
	case order.Issued, order.Refunded, order.PartiallyRefunded:
		return e.Ticket == 0 && e.By == ""
	case order.Failed:
		return e.By == "" && !ours(order.Code(e.Code))
	}
	return false
}

// rates are how many records of each account the provider has ended per second lately.
func (c *Console) rates(ctx context.Context) (map[providers.Account]float64, error) {
	counts := map[providers.Account]float64{}
	before, now := "", c.Now()
	span := rateOver
	for looked := 0; looked < rateEvents; looked += readAtOnce {
		events, err := c.Ledger.EventsBefore(ctx, before, readAtOnce)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if now.Sub(e.At) > rateOver {
				break // events stand in the order in which they were published, about that of their ends
			}
			if byTheProvider(e) {
				counts[e.Account]++
			}
		}
		if len(events) < readAtOnce {
			break
		}
		last := events[len(events)-1]
		if now.Sub(last.At) > rateOver {
			break
		}
		if looked+readAtOnce >= rateEvents {
			span = max(now.Sub(last.At), time.Second)
		}
		before = last.StreamID
	}
	for a := range counts {
		counts[a] /= span.Seconds()
	}
	return counts, nil
}

// addLanes finds what has waited longest in each lane. Of very many records it looks at those whose tasks are at the heads of
// their queues.
func (c *Console) addLanes(ctx context.Context, a *account) error {
	for _, l := range order.Lanes() {
		a.Lanes = append(a.Lanes, lane{Lane: l, Used: a.Used[l]})
	}
	a.AtLeast = a.Open > overviewReads
	if a.AtLeast {
		refs, err := c.heads(ctx, a.Account)
		if err == nil {
			err = a.look(ctx, c.Ledger, refs)
		}
		return err
	}
	for at, looked, first := uint64(0), 0, true; (first || at != 0) && looked < overviewReads; first = false {
		refs, next, err := c.Ledger.OpenPage(ctx, a.Account, at, readAtOnce)
		if err == nil {
			err = a.look(ctx, c.Ledger, refs)
		}
		if err != nil {
			return err
		}
		at, looked = next, looked+len(refs)
	}
	return nil
}

// look notes the oldest of some records by lane.
func (a *account) look(ctx context.Context, l *ledger.Ledger, refs []order.Ref) error {
	list, err := l.FindUnsettled(ctx, ledger.Query{}, refs)
	for _, r := range list {
		if r.State.Final() {
			continue
		}
		of := r.Lane
		if r.State == order.Accepted { // it waits for the provider, whom polls ask
			of = order.Poll
		}
		if i := slices.IndexFunc(a.Lanes, func(x lane) bool { return x.Lane == of }); i >= 0 {
			if x := &a.Lanes[i]; x.Oldest == nil || r.CreatedAt.Before(x.Oldest.CreatedAt) {
				x.Oldest = &r
			}
		}
	}
	return err
}

// heads are records of an account whose tasks have been in the lanes' queues longest, or are due first. Other accounts of the
// provider share the queues.
func (c *Console) heads(ctx context.Context, a providers.Account) (out []order.Ref, err error) {
	pipe := c.RDB.Pipeline()
	var pending, lists []*redis.StringSliceCmd
	for _, l := range order.Lanes() {
		key := keys.Queue(queue.Name(a.Provider, l))
		lists = append(lists, pipe.ZRange(ctx, keys.QueueLine(queue.Name(a.Provider, l))+"of:"+a.Merchant, 0, overviewTail-1))
		pending = append(pending, pipe.LRange(ctx, key+"pending", -overviewTail, -1))
		lists = append(lists, pipe.ZRange(ctx, key+"retry", 0, overviewTail-1), pipe.ZRange(ctx, key+"scheduled", 0, overviewTail-1))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	for _, l := range pending {
		slices.Reverse(l.Val()) // the next one is the last of its list; of records of one millisecond the first of these is shown
	}
	for _, l := range append(pending, lists...) {
		for _, id := range l.Val() {
			if r, ok := queue.RefOf(id); ok && r.Account == a {
				out = append(out, r)
			}
		}
	}
	return out, nil
}
