package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/fair"
	"issuance/internal/looks"
	"issuance/internal/servers"
	"issuance/providers"
	"issuance/tasks/order"
)

// roster is the accounts that this worker serves. They may change while it runs: a change is one new list, which whoever
// has the old one may go on with.
type roster struct {
	list atomic.Pointer[accounts]
	live *config.Live
	mine func([]config.Account) []config.Account // of all accounts, those to serve
	turn sync.Mutex                              // held by whoever changes the list
	left map[providers.Account]time.Time         // those that were removed lately, and when; guarded by turn
	terms
}

// accounts are those of one moment, by name.
type accounts struct {
	all    []*account
	byName map[providers.Account]*account
	count  map[providers.Name]int
}

func accountsOf(all []*account) *accounts {
	out := &accounts{all: all, byName: make(map[providers.Account]*account, len(all)), count: map[providers.Name]int{}}
	for _, a := range all {
		out.byName[a.Name] = a
		out.count[a.Name.Provider]++
	}
	return out
}

// now are the accounts of this moment.
func (r *roster) now() *accounts { return r.list.Load() }

// find is an account, or nil.
func (r *roster) find(name providers.Account) *account { return r.now().byName[name] }

// names are the accounts that the worker serves.
func (w *worker) names() []providers.Account {
	all := w.roster.now().all
	out := make([]providers.Account, len(all))
	for i, a := range all {
		out[i] = a.Name
	}
	return out
}

// byProvider is one account of each provider, the default where there is one.
func (w *worker) byProvider() map[providers.Name]providers.Account {
	out := map[providers.Name]providers.Account{}
	for _, a := range w.roster.now().all {
		if _, there := out[a.Name.Provider]; !there || a.Default {
			out[a.Name.Provider] = a.Name
		}
	}
	return out
}

func (a *accounts) has(p providers.Name) bool { return a.count[p] > 0 }

// heldOf are a provider's accounts, for its queue holder.
func (r *roster) heldOf(p providers.Name) func() []servers.Account {
	var of *accounts
	var out []servers.Account
	return func() []servers.Account {
		if now := r.now(); now != of {
			of, out = now, nil
			for _, a := range now.all {
				if a.Name.Provider == p {
					out = append(out, a.held)
				}
			}
		}
		return out
	}
}

func (r *roster) lookers() (out []*looks.Looker) {
	for _, a := range r.now().all {
		if a.looker != nil {
			out = append(out, a.looker)
		}
	}
	return out
}

// fairLane is a lane of which each account gets its part.
func (w *worker) fairLane(l lane) *fair.Lane {
	return fair.NewLane(w.rdb, fair.Config{Provider: l.provider, Lane: l.lane, Slots: w.wiring.slots(l.lane), Elsewhere: w.neighbours.serves, Log: w.log,
		Accounts: func() int { return w.roster.now().count[l.provider] },
		Terms: func(name providers.Account) (fair.Terms, bool) {
			a := w.roster.find(name)
			if a == nil {
				return fair.Terms{}, false
			}
			return fair.Terms{Allowance: a.Allowance, PerSecond: a.CallsPerSecond}, true
		}})
}

// change is how one list of accounts differs from another.
type change struct {
	to             []*account
	added, changed []*account
	gone           []*account
}

// changeTo opens the accounts that are new or have other settings, and keeps the others as they are.
func (w *worker) changeTo(want []config.Account) (change, error) {
	var c change
	before := w.roster.now()
	kept := map[providers.Account]bool{}
	for _, cfg := range want {
		kept[cfg.Name] = true
		old := before.byName[cfg.Name]
		if old != nil && old.Account.Equal(cfg) {
			c.to = append(c.to, old)
			continue
		}
		a, err := w.wiring.open(cfg, old)
		if err != nil {
			return change{}, fmt.Errorf("account %s: %w", cfg.Name, err)
		}
		c.to = append(c.to, a)
		if old == nil {
			c.added = append(c.added, a)
		} else {
			c.changed = append(c.changed, a)
		}
	}
	for _, a := range before.all {
		if !kept[a.Name] {
			c.gone = append(c.gone, a)
		}
	}
	return c, nil
}

func (c change) nothing() bool { return len(c.added)+len(c.changed)+len(c.gone) == 0 }

// rosterEvery is how often a worker looks whether its accounts have changed.
const rosterEvery = 2 * time.Second

// followAccounts keeps the accounts as the accounts file has them, until the context ends. A value from again has the
// file read at once.
func (w *worker) followAccounts(again <-chan struct{}) func(context.Context) {
	return func(ctx context.Context) {
		tick := time.NewTicker(rosterEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-again:
				if _, err := w.roster.live.Reload(); err == nil {
					w.log.Info("accounts read again, as asked for")
				}
			}
			w.recall(ctx)
			if err := w.followOnce(ctx); err != nil && ctx.Err() == nil {
				w.log.Error("alarm: the accounts could not be changed, those before stay in force", "error", err)
			}
		}
	}
}

// followOnce brings the accounts in step with the file.
func (w *worker) followOnce(ctx context.Context) error {
	w.roster.turn.Lock()
	defer w.roster.turn.Unlock()
	before, want := w.roster.now(), w.roster.mine(w.roster.live.Current())
	w.roster.terms.read(ctx, before, want)
	w.roster.report(ctx)
	c, err := w.changeTo(w.roster.apply(want))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if !c.nothing() {
		if err := w.follow(ctx, c); err != nil {
			return err
		}
	}
	return w.withdraw(ctx)
}

// follow puts a change in force, and announces it.
func (w *worker) follow(ctx context.Context, c change) error {
	// Announced before it is served, as at the start.
	if err := w.announceAccounts(ctx, slices.Concat(c.added, c.changed)); err != nil {
		return err
	}
	w.recall(ctx) // of the accounts that are new, too
	before := w.roster.now()
	for _, a := range c.changed { // where another worker has changed it, too, and met a ban since
		if err := a.budget.TakeOver(ctx, before.byName[a.Name].budget.Terms()); err != nil {
			return err
		}
	}
	if err := w.use(c); err != nil {
		return err
	}
	for _, a := range c.gone {
		w.roster.leaves(a.Name)
	}
	for _, a := range c.added {
		delete(w.roster.left, a.Name)
		w.log.Info("account added", "account", a.Name.String())
	}
	for _, a := range c.changed {
		w.log.Info("account changed: its next call has the new settings", "account", a.Name.String())
	}
	return announce.AnnounceWorker(ctx, w.rdb, w.self()) // other workers go by it before they raise an alarm
}

// recall reads what other workers have learned of the accounts. Without it they are served as those of which nothing is known.
func (w *worker) recall(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rosterEvery)
	defer cancel()
	if err := w.wiring.facts.Refresh(ctx); err != nil {
		w.log.Debug("what was learned of the accounts could not be read, trying again", "error", err)
	}
}

// announceAccounts announces accounts whose settings are new, beside the workers that serve them, too.
func (w *worker) announceAccounts(ctx context.Context, list []*account) error {
	if len(list) == 0 {
		return nil
	}
	others, err := w.neighbours.ask(ctx)
	if err != nil {
		return err
	}
	return budget.AnnounceBeside(ctx, w.rdb, others, budgetsOf(list)...)
}

// use puts a change in force, and serves the queues of the providers that have accounts.
func (w *worker) use(c change) error {
	before, now := w.roster.now(), accountsOf(c.to)
	w.roster.list.Store(now)
	for _, a := range before.all {
		if now.byName[a.Name] != a && a.looker != nil {
			a.looker.Retire()
		}
	}
	for _, p := range providers.All() {
		switch is := now.has(p); {
		case is && !before.has(p):
			if err := w.servers.Add(w.lanesOf(p)...); err != nil {
				return err
			}
		case !is && before.has(p):
			w.servers.Drop(p)
		}
	}
	return nil
}

// lanesOf are a provider's lanes that this worker may serve.
func (w *worker) lanesOf(p providers.Name) (lanes []servers.Lane) {
	h := mux(p, w.log, w.roster.find)
	perSecond := 0.0
	for _, a := range w.roster.now().all {
		if a.Name.Provider == p {
			perSecond = max(perSecond, a.CallsPerSecond)
		}
	}
	for _, l := range order.Lanes() {
		if q := (lane{p, l}); w.mayServe(q) {
			lanes = append(lanes, w.wiring.lane(q, perSecond, w.fair[q], h))
		}
	}
	return lanes
}

// removedGrace is how long after an account was removed it is withdrawn: its file may be changed on another worker, which gets
// it, a little later.
const removedGrace = 10 * time.Second

// leaves takes note of an account that was removed.
func (r *roster) leaves(a providers.Account) {
	if r.left == nil {
		r.left = map[providers.Account]time.Time{}
	}
	r.left[a] = time.Now()
}

// withdraw announces of the accounts that were removed a while ago that nobody serves them, where that is so. Only one whose orders
// wait is an alarm; an order that comes later raises its own.
func (w *worker) withdraw(ctx context.Context) error {
	for a, at := range w.roster.left {
		if time.Since(at) < removedGrace {
			continue
		}
		elsewhere, err := w.neighbours.read(ctx)
		if err != nil {
			return err
		}
		if elsewhere[a] {
			w.log.Info("account removed; another worker serves it", "account", a.String())
		} else if err := budget.Withdraw(ctx, w.rdb, a); err != nil {
			return err
		} else if waiting, err := w.ledger.OpenCount(ctx, a); err == nil && waiting == 0 {
			w.log.Info("account removed; none of its orders waits", "account", a.String())
		} else {
			attrs := []any{"account", a.String()}
			if err == nil {
				attrs = append(attrs, "orders", waiting)
			}
			w.log.Error("alarm: an account was removed, and no other worker serves it: its orders wait until one does", attrs...)
		}
		delete(w.roster.left, a)
	}
	return nil
}

func budgetsOf(list []*account) []*budget.Budget {
	out := make([]*budget.Budget, len(list))
	for i, a := range list {
		out[i] = a.budget
	}
	return out
}
