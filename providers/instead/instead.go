// Package instead decides when a question whose answers are of no use on an account is put by another call that shows
// the same truth. The providers' documents do not say which calls an account may make. It imports nothing of ours.
package instead

import (
	"sync"
	"time"
)

const (
	// enough answers in a row that are of no use make the other call worth trying; from then on each time that they have
	// doubled, and every so many at the least: most of them only mean that there is nothing to find.
	enough = 2
	most   = 64
	// kept is for how long the other call is made alone once it has shown what the first one did not.
	kept = 10 * time.Minute
)

// Call is what is known of one call of an account. The zero value is a call that works. Safe for concurrent use.
type Call struct {
	mu      sync.Mutex
	useless int // answers in a row
	next    int // at which of them the other call is tried again
	until   time.Time
}

// Active reports whether the other call is to be made alone.
func (c *Call) Active(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(c.until)
}

// Useful says that the call was answered with what was asked for.
func (c *Call) Useful() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.useless, c.next, c.until = 0, 0, time.Time{}
}

// Useless says that its answer was of no use, and reports whether the other call is worth trying.
func (c *Call) Useless() (try bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.useless++
	if c.useless < max(c.next, enough) {
		return false
	}
	c.next = c.useless + min(c.useless, most)
	return true
}

// Proven says that the other call has shown what was asked for.
func (c *Call) Proven(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until, c.next = now.Add(kept), 0
}

// Over says that the other call is not answered either: the first one's turn is next.
func (c *Call) Over() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
}
