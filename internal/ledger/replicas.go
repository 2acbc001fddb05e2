package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// replicaPatience bounds how long an intent waits for replicas.
const replicaPatience = time.Second

// runReplicated runs a script and then WAITs on the same connection, because WAIT counts the
// replicas that have the writes of its own connection.
func (l *Ledger) runReplicated(ctx context.Context, name string, keys []string, args ...any) (reply []string, err error) {
	err = l.onConnection(ctx, keys[0], func(conn connection) (err error) {
		if reply, err = scripts[name].Run(ctx, conn, keys, l.args(args)...).StringSlice(); err != nil {
			return err
		}
		got, err := conn.Wait(ctx, l.opt.WaitReplicas, replicaPatience).Result()
		if err != nil {
			return fmt.Errorf("waiting for replicas: %w", err)
		}
		if int(got) < l.opt.WaitReplicas {
			return fmt.Errorf("only %d of %d replicas have the intent (REDIS_WAIT_REPLICAS); nothing was sent", got, l.opt.WaitReplicas)
		}
		return nil
	})
	return reply, err
}

// connection is one connection to one server.
type connection interface {
	redis.Scripter
	Wait(ctx context.Context, replicas int, timeout time.Duration) *redis.IntCmd
}

// onConnection calls f with a connection to the server that holds a key, again after an answer that its slot is being moved.
func (l *Ledger) onConnection(ctx context.Context, key string, f func(connection) error) error {
	switch c := l.rdb.(type) {
	case *redis.Client:
		conn := c.Conn()
		defer conn.Close()
		return f(conn)
	case *redis.ClusterClient:
		for pause := firstPause; ; pause *= 2 {
			// WATCH is for nothing but the way to the node, which may be another one than the client knows of.
			err := c.Watch(ctx, func(tx *redis.Tx) error { return f(tx) }, key)
			if !moving(err) || pause > lastPause {
				return err
			}
			select {
			case <-ctx.Done():
				return err
			case <-time.After(pause):
			}
		}
	default:
		return fmt.Errorf("REDIS_WAIT_REPLICAS does not work with a %T", l.rdb)
	}
}

// The pauses between tries while a slot is being moved: about a second in all.
const (
	firstPause = 16 * time.Millisecond
	lastPause  = 512 * time.Millisecond
)

// moving reports whether an error is the answer of a cluster that has not run a command because the slot of its keys is on its
// way to another node.
func moving(err error) bool {
	return err != nil && (redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK") || redis.HasErrorPrefix(err, "TRYAGAIN"))
}
