package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/announce"
	"issuance/internal/config"
	"issuance/providers"
)

// neighbours are the other workers of this Redis, as they have announced themselves.
type neighbours struct {
	rdb  redis.UniversalClient
	self string

	mu     sync.Mutex
	serve  map[providers.Account]bool
	readAt time.Time
}

const (
	// neighboursFresh is for how long it is believed that another worker serves an account, neighboursAbsent that none does.
	neighboursFresh  = announce.Every
	neighboursAbsent = 3 * time.Second
)

// serves reports whether another worker serves an account. When that cannot be read, what was known before counts.
func (n *neighbours) serves(ctx context.Context, a providers.Account) bool {
	n.mu.Lock()
	age, known := time.Since(n.readAt), n.serve[a]
	n.mu.Unlock()
	if known && age < neighboursFresh || !known && age < neighboursAbsent {
		return known
	}
	serve, err := n.read(ctx)
	if err != nil {
		return known
	}
	return serve[a]
}

// elsewhere makes what reports whether another worker calls under an account's allowance: for that account, or for another one that
// shares it.
func (w *worker) elsewhere(c config.Account) func(context.Context) bool {
	allowance := cmp.Or(c.Allowance, c.Name.String())
	var own providers.Account // whose allowance it is where no name was made up for it
	_ = own.UnmarshalText([]byte(allowance))
	return func(ctx context.Context) bool {
		return slices.ContainsFunc(w.roster.live.Current(), func(a config.Account) bool {
			shares := a.Allowance == allowance || a.Allowance == "" && a.Name == own
			return shares && w.neighbours.serves(ctx, a.Name)
		})
	}
}

// read reads which accounts the others serve, and keeps it in mind.
func (n *neighbours) read(ctx context.Context) (map[providers.Account]bool, error) {
	serve, err := n.ask(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.serve, n.readAt = serve, time.Now()
	return serve, nil
}

// ask reads which accounts the others serve at this moment. One that has not been heard of lately counts until it is gone for certain:
// it may be making calls.
func (n *neighbours) ask(ctx context.Context) (map[providers.Account]bool, error) {
	serve := map[providers.Account]bool{}
	err := n.each(ctx, func(_ announce.Worker, a providers.Account, _ time.Time) { serve[a] = true })
	return serve, err
}

// backing says whether other workers' own settings are the terms in force of an account.
type backing int

const (
	backedByNobody  backing = iota
	backedByUnheard         // only by one that has missed an announcement, and may have died
	backed
)

// backers reads of which accounts the terms in force are those of another worker's own settings.
func (n *neighbours) backers(ctx context.Context) (map[providers.Account]backing, error) {
	out := map[providers.Account]backing{}
	err := n.each(ctx, func(w announce.Worker, a providers.Account, now time.Time) {
		by := backed
		if w.Unheard(now) > 0 {
			by = backedByUnheard
		}
		if !slices.Contains(w.Differing, a.String()) {
			out[a] = max(out[a], by)
		}
	})
	return out, err
}

// each reads the others, and calls do with each account of each that is not gone; now is by Redis' clock.
func (n *neighbours) each(ctx context.Context, do func(w announce.Worker, a providers.Account, now time.Time)) error {
	all, now, err := announce.Workers(ctx, n.rdb)
	if err != nil {
		return err
	}
	for _, w := range all {
		if w.Name == n.self || !w.Running(now) {
			continue
		}
		for _, name := range w.Accounts {
			var a providers.Account
			if a.UnmarshalText([]byte(name)) == nil {
				do(w, a, now)
			}
		}
	}
	return nil
}
