package handlertest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"issuance/internal/handlertest"
	"issuance/internal/testredis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spy keeps the bench's cleanup from failing a test that leaks on purpose.
type spy struct {
	testing.TB
	errors int
}

func (s *spy) Errorf(string, ...any) { s.errors++ }

func TestEveryCanaryIsSeenWhereverItIs(t *testing.T) {
	for _, canary := range handlertest.Canaries() {
		for where, put := range map[string]func(b *handlertest.Bench){
			"a log":    func(b *handlertest.Bench) { b.Log.Info("x", "field", "about "+canary) },
			"an error": func(b *handlertest.Bench) { _ = b.Run(failing("about "+canary), asynq.NewTask("t", nil)) },
			"Redis":    func(b *handlertest.Bench) { b.RDB.HSet(context.Background(), "h", "f", "about "+canary) },
		} {
			b := handlertest.New(&spy{TB: t}, testredis.Mini(t))
			if n := len(b.Leaks()); n != 0 {
				t.Fatalf("%d leaks in an empty bench", n)
			}
			put(b)
			if len(b.Leaks()) == 0 {
				t.Errorf("a canary in %s is not seen", where)
			}
		}
	}
}

func failing(text string) asynq.Handler {
	return asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return errors.New(text) })
}

func TestAWorkerCanDie(t *testing.T) {
	b := handlertest.Mini(t)
	h := asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error { handlertest.Dies(ctx); return nil })
	if err := b.Run(h, asynq.NewTask("t", nil)); !errors.Is(err, handlertest.ErrDied) {
		t.Errorf("got %v", err)
	}
}
