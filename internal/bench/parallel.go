package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// job is a part of a benchmark that has a Redis for itself while it runs.
type job func(*testRedis) error

// inParallel does the jobs, one per CPU at a time. Virtual time does not mind. It returns which Redis
// it was.
func inParallel(ctx context.Context, o options, jobs []job) (redis string, err error) {
	var next, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	what := make([]string, min(runtime.NumCPU(), len(jobs)))
	for i := range what {
		group.Go(func() error {
			rdb, err := startRedis(o.redis)
			if err != nil {
				return err
			}
			defer rdb.stop()
			what[i] = rdb.what
			for {
				n := int(next.Add(1)) - 1
				if n >= len(jobs) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := jobs[n](rdb); err != nil {
					return err
				}
				o.progress(fmt.Sprintf("%d of %d simulations done", done.Add(1), len(jobs)))
			}
		})
	}
	err = group.Wait()
	o.progress("")
	if err != nil {
		return "", err
	}
	return what[0], nil
}
