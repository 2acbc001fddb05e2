package redisconn_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"issuance/internal/redisconn"
)

var errTimeout = errors.New("i/o timeout")

// fails is a command whose connection times out by itself, after a while or with the context.
func fails(after time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(after):
			return errTimeout
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A request waits for a Redis that does not answer for its patience altogether, also where each command times out earlier.
func TestCommandsThatTimeOutByThemselvesShareOnePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := redisconn.WithPatience(t.Context(), 5*time.Second)
		began := time.Now()
		if err := redisconn.Patiently(ctx, fails(3*time.Second)); !errors.Is(err, errTimeout) {
			t.Errorf("the first command: %v", err)
		}
		if err := redisconn.Patiently(ctx, fails(3*time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second command: %v", err)
		}
		if err := redisconn.Patiently(ctx, fails(0)); !errors.Is(err, redisconn.ErrNoPatience) {
			t.Errorf("the third command: %v", err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it took %s", took)
		}
		end()
		if err := redisconn.Patiently(ctx, fails(time.Second)); !errors.Is(err, errTimeout) {
			t.Errorf("after the request: %v", err)
		}
	})
}

// Commands that wait side by side, or one within another, use up the time that passes, and no more.
func TestCommandsSideBySideWaitOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := redisconn.WithPatience(t.Context(), 5*time.Second)
		defer end()
		ended := make(chan error)
		for range 3 {
			go func() {
				ended <- redisconn.Patiently(ctx, func(ctx context.Context) error { return redisconn.Patiently(ctx, fails(2*time.Second)) })
			}()
		}
		for range 3 {
			if err := <-ended; !errors.Is(err, errTimeout) {
				t.Error(err)
			}
		}
		began := time.Now()
		if err := redisconn.Patiently(ctx, fails(time.Minute)); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("what was left: %s, %v", time.Since(began), err)
		}
	})
}

// An answer, also one that is an error, begins the patience anew, and what comes from memory does not.
func TestAnAnswerBeginsThePatienceAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := redisconn.WithPatience(t.Context(), 5*time.Second)
		defer end()
		for _, answer := range []error{nil, refused{errTimeout}} {
			_ = redisconn.Patiently(ctx, fails(4*time.Second))
			_ = redisconn.Command(ctx, func(context.Context) error { return answer })
			if err := redisconn.Patiently(ctx, fails(4*time.Second)); !errors.Is(err, errTimeout) {
				t.Errorf("after the answer %v: %v", answer, err)
			}
			_ = redisconn.Command(ctx, func(context.Context) error { return nil })
		}
		_ = redisconn.Patiently(ctx, fails(4*time.Second))
		_ = redisconn.Patiently(ctx, func(context.Context) error { return nil })
		if err := redisconn.Patiently(ctx, fails(4*time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after what came from memory: %v", err)
		}
	})
}
