package servers

import (
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// Lane is one queue to serve.
type Lane struct {
	Provider    providers.Name
	Lane        order.Lane
	Concurrency int // tasks at once, at least 1
	// Fetchers is how many asynq servers fetch tasks at the same time and share Concurrency. Default: one for every four
	// tasks at once, at most 8.
	Fetchers int
	Handler  asynq.Handler
	// Named is a queue that is no provider's; Provider and Lane are empty then.
	Named string
}

// Queue is the lane's queue.
func (l Lane) Queue() string {
	if l.Named != "" {
		return l.Named
	}
	return queue.Name(l.Provider, l.Lane)
}

const (
	// tasksEach is how many tasks a fetcher is there for. One that finds the queue empty looks again after a while, and its tasks
	// wait with it. (Measured: two each are no better than four, eight each are worse.)
	tasksEach = 4
	// mostFetchers bounds what an idle lane asks of Redis.
	mostFetchers = 8
)

// shares are how many tasks each of the lane's servers runs at once.
func (l Lane) shares() []int {
	n := max(l.Concurrency, 1)
	k := l.Fetchers
	if k <= 0 {
		k = min(max(n/tasksEach, 1), mostFetchers)
	}
	all := make([]int, min(k, n))
	for i := range n {
		all[i%len(all)]++
	}
	return all
}

// server is one lane's: asynq servers that share its tasks.
type server struct {
	Lane
	parts []*asynq.Server
}

// never is how often a server does what the first one of its lane does.
const never = 10 * 365 * 24 * time.Hour

// begin starts a lane's servers; when one does not start, those before it are stopped again.
func (l *server) begin() error {
	if l.Handler == nil {
		return fmt.Errorf("servers: queue %s: it has no handler", l.Queue())
	}
	h := guard(l.Handler)
	for i, part := range l.parts {
		if err := part.Start(h); err != nil {
			atOnce(l.parts[:i], (*asynq.Server).Shutdown)
			return fmt.Errorf("servers: queue %s: %w", l.Queue(), err)
		}
	}
	return nil
}

// stop takes no new tasks.
func (l *server) stop() { atOnce(l.parts, (*asynq.Server).Stop) }

// shutdown lets running tasks end, and gives the rest back.
func (l *server) shutdown() { atOnce(l.parts, (*asynq.Server).Shutdown) }

// atOnce calls f for each of a list at the same time, because each may take a while, and returns when all have ended.
func atOnce[T any](list []T, f func(T)) {
	var wg sync.WaitGroup
	for _, one := range list {
		wg.Go(func() { f(one) })
	}
	wg.Wait()
}
