package handler

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// everybody is more than a process runs at the same time.
const everybody = 1 << 20

// Company is what a worker's process does at the same time, all accounts and kinds together. When a process
// dies, every record it worked on has lost its runner, and only one of them may have been the reason. So a
// record that was abandoned more than once is worked on alone: if the process dies then, it was that record.
// Safe for concurrent use.
type Company struct{ sem *semaphore.Weighted }

// NewCompany makes one for a process.
func NewCompany() *Company { return &Company{semaphore.NewWeighted(everybody)} }

// Join waits until the caller may work, alone or beside others, and returns what ends that. ok is false when ctx
// ended before. Whoever waits to be alone keeps others from beginning, so ctx should end soon.
func (c *Company) Join(ctx context.Context, alone bool) (leave func(), ok bool) {
	n := int64(1)
	if alone {
		n = everybody
	}
	if c.sem.Acquire(ctx, n) != nil {
		return nil, false
	}
	return func() { c.sem.Release(n) }, true
}

// apart is how often a record may lose its runner before it is worked on alone.
const apart = 2

// Alone reports whether a record is to be worked on alone, by how often it lost its runner in a row.
func Alone(crashes, abandoned int) bool { return crashes+abandoned >= apart }

// AloneText is why a record waits whose turn to be alone has not come.
const AloneText = "an order that workers have died with is worked on alone"

// Crashed leaves a record to review that has taken so many workers down while they worked on it alone.
func Crashed(crashes int) ledger.Ending {
	return Review(order.CodeCrashesWorker, fmt.Sprintf(
		"%d workers died with this record in their hands; look at their logs, then retry or resolve it", crashes)).ending
}
