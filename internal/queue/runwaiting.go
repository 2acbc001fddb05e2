package queue

import (
	"context"
	"fmt"
	"strings"

	"github.com/hibiken/asynq"
)

// page is how many tasks are read at once.
const page = 1000

// RunWaiting makes the tasks of a queue run at once whose last run ended with a wait for what these words say, and returns
// how many. It reads all that wait, so it is for rare moments.
func (c *Client) RunWaiting(ctx context.Context, queue, words string) (n int, err error) {
	var ids []string
	for at := 1; ; at++ {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		list, err := ask(ctx, func() ([]*asynq.TaskInfo, error) {
			return c.inspector.ListRetryTasks(queue, asynq.PageSize(page), asynq.Page(at))
		})
		if missing(err) {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("queue: %s: %w", queue, err)
		}
		for _, t := range list {
			if reason, _, ok := ParseWait(t.LastErr); ok && strings.Contains(reason, words) {
				ids = append(ids, t.ID)
			}
		}
		if len(list) < page {
			break
		}
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if err := c.Run(ctx, Home{Queue: queue, ID: id}); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
