package metrics

import (
	"context"
	"errors"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
)

var (
	tasksDesc       = prometheus.NewDesc("issuance_queue_tasks", "Tasks in a queue by state.", []string{"queue", "state"}, nil)
	queueWaitDesc   = prometheus.NewDesc("issuance_queue_latency_seconds", "How long the oldest waiting task has been ready to run.", []string{"queue"}, nil)
	queuePausedDesc = prometheus.NewDesc("issuance_queue_paused", "1 when the queue is paused.", []string{"queue"}, nil)

	queueDescs = []*prometheus.Desc{tasksDesc, queueWaitDesc, queuePausedDesc}
)

// readQueues reads the queues, each for itself: one that cannot be read is left out.
func (s *Shared) readQueues(ctx context.Context, send func(prometheus.Metric)) error {
	gauge, inspector := sender(send), asynq.NewInspectorFromRedisClient(s.rdb)
	var errs []error
	for _, name := range s.queues() {
		if ctx.Err() != nil {
			return ctx.Err() // the inspector knows no time limit
		}
		q, err := inspector.GetQueueInfo(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for state, n := range map[string]int{"active": q.Active, "pending": q.Pending, "scheduled": q.Scheduled,
			"retry": q.Retry, "archived": q.Archived, "completed": q.Completed} {
			gauge(tasksDesc, float64(n), q.Queue, state)
		}
		gauge(queueWaitDesc, q.Latency.Seconds(), q.Queue)
		gauge(queuePausedDesc, oneIf(q.Paused), q.Queue)
	}
	return errors.Join(errs...)
}
