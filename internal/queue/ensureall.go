package queue

import (
	"context"
	"sync"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Ensured is what came of making sure of one record's task: why one had to be made, "" when there was one or
// none is needed, or an error.
type Ensured struct {
	Why string
	Err error
}

// atOnce is how many tasks are seen to at the same time that need more than being made.
const atOnce = 16

// EnsureAll is Ensure for many records. A record that does not exist, is finished, or is being worked on needs no
// task. It takes a few round trips as long as every task is there, or gone altogether. An error means that nothing
// was done.
func (c *Client) EnsureAll(ctx context.Context, refs []order.Ref, views []*ledger.View) ([]Ensured, error) {
	var which []int
	var homes []Home
	for i, v := range views {
		if v != nil && !v.State.Final() && !v.Live() {
			which, homes = append(which, i), append(homes, HomeOf(refs[i], v.State, v.Lane))
		}
	}
	found, err := c.Find(ctx, homes)
	if err != nil {
		return nil, err
	}
	out := make([]Ensured, len(refs))
	var gone, other []int
	for n, i := range which {
		switch t := found[n]; {
		case t.State == "":
			gone = append(gone, i)
		case !t.Runs(views[i]):
			other = append(other, i)
		}
	}
	for n, err := range c.makeAll(ctx, refs, views, gone) {
		if i := gone[n]; err == nil {
			out[i].Why = whyGone
		} else {
			other = append(other, i) // Ensure finds out what is there now
		}
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, i := range other {
		places <- struct{}{}
		wg.Go(func() {
			out[i].Why, out[i].Err = c.Ensure(ctx, refs[i], views[i])
			<-places
		})
	}
	wg.Wait()
	return out, nil
}

// makeAll makes the tasks of some of the records in one pipeline.
func (c *Client) makeAll(ctx context.Context, refs []order.Ref, views []*ledger.View, which []int) []error {
	out := make([]error, len(which))
	for try := 0; len(which) > 0; try++ {
		var last error
		if try > 0 {
			last = out[0]
		}
		pipe := c.rdb.Pipeline()
		b := c.Batch(pipe, last)
		for _, i := range which {
			b.Add(ctx, refs[i], HomeOf(refs[i], views[i].State, views[i].Lane), "", 0)
		}
		_, _ = pipe.Exec(ctx) // each task has its result
		for n := range which {
			out[n] = b.Result(n)
		}
		if try > 0 || !ledger.NoScript(out[0]) {
			break
		}
	}
	return out
}
