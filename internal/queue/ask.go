package queue

import (
	"context"

	"issuance/internal/redisconn"
)

// ask runs what asynq does without a context, until it has ended, or the context, or its request's patience with Redis. What
// is given up goes on by itself: whether it took effect is as little known as of a command whose answer was lost.
func ask[T any](ctx context.Context, run func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var got T
	err := redisconn.Patiently(ctx, func(ctx context.Context) error {
		answers := make(chan answer, 1)
		go func() {
			value, err := run()
			answers <- answer{value, err}
		}()
		select {
		case a := <-answers:
			got = a.value
			return a.err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return got, err
}

// tell is ask for what has no value.
func tell(ctx context.Context, run func() error) error {
	_, err := ask(ctx, func() (struct{}, error) { return struct{}{}, run() })
	return err
}
