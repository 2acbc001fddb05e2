package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// crash is how a producer dies while it enqueues a document: so many commands of the pipeline with the record
// still reach Redis, and it gets no answer.
type crash struct {
	commands int
	die      context.CancelFunc
}

// crashKey is a crash's in a context.
type crashKey struct{}

// withCrash has a producer die at the first pipeline that it sends with the context.
func withCrash(ctx context.Context, commands int) (context.Context, context.CancelFunc) {
	ctx, die := context.WithCancel(ctx)
	return context.WithValue(ctx, crashKey{}, &crash{commands, die}), die
}

var errCrashed = errors.New("chaos: the producer died")

// crashHook lets producers die between two commands of a pipeline. A redis.Hook.
type crashHook struct{}

// DialHook implements redis.Hook.
func (crashHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (crashHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (crashHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c, dies := ctx.Value(crashKey{}).(*crash)
		if !dies || cmds[0].Name() != "evalsha" { // the intake's script begins the pipeline
			return next(ctx, cmds)
		}
		if n := min(c.commands, len(cmds)); n > 0 {
			_ = next(ctx, cmds[:n]) // the dead get no answer
		}
		c.die()
		for _, cmd := range cmds {
			cmd.SetErr(errCrashed)
		}
		return errCrashed
	}
}

// inSteps is a single Redis that is taken for several nodes: a client over it makes record and task one after
// the other, as in a cluster, where a producer may die in between.
type inSteps struct{ redis.UniversalClient }

// death is how, and for how long, a producer dies with a document.
type death struct {
	inSteps  bool // by the client for a cluster
	commands int
	down     time.Duration // until it enqueues the document again
}

// dies decides whether a producer dies while it enqueues: one in twelve. Half of the dead are back soon and
// repeat the document, as an outbox does; the others so late that the sweeper has to find what they left.
func dies(r *rand.Rand) *death {
	if r.IntN(12) > 0 {
		return nil
	}
	d := &death{inSteps: r.IntN(3) > 0, commands: []int{0, 1, 1, 2}[r.IntN(4)], down: between(r, 0, 2*time.Second)}
	if r.IntN(2) == 0 {
		d.down = between(r, 26*time.Second, 34*time.Second)
	}
	return d
}
