package handler

import (
	"sync"
	"time"

	"issuance/internal/ledger"
)

// crowd counts the orders of an account whose rejections wait for their second look, as far as this process knows. Safe for
// concurrent use.
type crowd struct {
	mu    sync.Mutex
	until map[string]time.Time // by order: until when it counts
	swept time.Time
}

// stays is how much longer than its next look an order counts of which nothing is heard: another process may have it.
const stays = time.Minute

// wait counts an order until its next look.
func (c *crowd) wait(order string, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == nil {
		c.until = map[string]time.Time{}
	}
	now := time.Now()
	c.until[order] = now.Add(next + stays)
	if now.Sub(c.swept) < stays {
		return
	}
	c.swept = now
	for id, until := range c.until {
		if now.After(until) {
			delete(c.until, id)
		}
	}
}

func (c *crowd) over(order string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.until, order)
}

// beside is how many there are beside an order.
func (c *crowd) beside(order string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.until)
	if _, in := c.until[order]; in {
		n--
	}
	return n
}

// RejectedBeside is how many other orders of the account have been rejected and wait for another look, as far as this process
// knows.
func (r *Run) RejectedBeside() int { return r.rejected.beside(r.Ref.OrderID) }

// noteRejected keeps count of them by how the run has ended.
func (r *Run) noteRejected(res Result) {
	if res.kind == waits && res.release == ledger.Absent && r.Rec.Rejection.Code != "" {
		r.rejected.wait(r.Ref.OrderID, res.wait)
		return
	}
	r.rejected.over(r.Ref.OrderID)
}
