package tasks

import (
	"context"
	"slices"
	"sync"
	"time"
)

// crowd has documents that are enqueued one by one, but at the same time, go to Redis together, as those of a batch do: Redis
// writes all of them to its disk at once, and each costs the less the more there are. Whoever comes alone goes at once, alone.
// Safe for concurrent use.
type crowd struct {
	// send makes the first try of a batch; ctx is the caller's where there is one only.
	send func(ctx context.Context, items []item) ([]made, error)

	mu      sync.Mutex
	waiting []*goer
	away    int // groups that have no answer yet
}

const (
	// mostAway is how many groups are on their way until the next ones wait, for so long at most: a group that has no answer
	// by then may get none, and holds nobody up. (Measured: with one or two, those who have an answer come too late for the next.)
	mostAway = 4
	mostWait = 10 * time.Millisecond
	// largest is how many documents go together, which are as many as a connection is read of at once, by and large.
	largest = 64
)

// goer is one caller's document.
type goer struct {
	ctx  context.Context
	item item
	done chan made // with room for it
}

// first makes the first try of a document, alone or with others. The result is the context's error when that ends before the
// document has left, or its time is over; one that has left is not given up only because nobody wants it any more.
func (c *crowd) first(ctx context.Context, it item) made {
	g := &goer{ctx: ctx, item: it, done: make(chan made, 1)}
	c.mu.Lock()
	c.waiting = append(c.waiting, g)
	if c.away < mostAway {
		c.leave()
	}
	c.mu.Unlock()
	late := time.NewTimer(mostWait)
	defer late.Stop()
	var end <-chan time.Time
	if at, limited := ctx.Deadline(); limited {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		end = t.C
	}
	over := ctx.Done()
	for {
		select {
		case m := <-g.done:
			return m
		case <-over:
			if c.takeBack(g) {
				return made{err: ctx.Err()}
			}
			over = nil
		case <-end:
			c.takeBack(g)
			return made{err: context.DeadlineExceeded}
		case <-late.C:
			c.mu.Lock()
			if slices.Contains(c.waiting, g) {
				c.leave()
			}
			c.mu.Unlock()
		}
	}
}

// takeBack takes a document back that has not left.
func (c *crowd) takeBack(g *goer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiting, g)
	if i < 0 {
		return false
	}
	c.waiting = slices.Delete(c.waiting, i, i+1)
	return true
}

// leave sends those who wait on their way. The lock is held.
func (c *crowd) leave() {
	for len(c.waiting) > 0 {
		n := min(len(c.waiting), largest)
		group := c.waiting[:n:n]
		c.waiting = c.waiting[n:]
		c.away++
		go c.carry(group)
	}
}

// carry sends a group, hands the answers out, and has those leave who have come meanwhile.
func (c *crowd) carry(group []*goer) {
	ctx := group[0].ctx
	if len(group) > 1 {
		ctx = context.WithoutCancel(ctx) // whoever gives up ends nobody else's try
	}
	items := make([]item, len(group))
	for i, g := range group {
		items[i] = g.item
	}
	results, err := c.send(ctx, items)
	for i, g := range group {
		if err != nil {
			g.done <- made{err: err}
		} else {
			g.done <- results[i]
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away--; c.away < mostAway {
		c.leave()
	}
}
