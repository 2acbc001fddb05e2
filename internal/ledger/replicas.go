package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
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
		return l.wait(ctx, conn, "the intent", "nothing was sent")
	})
	return reply, err
}

// wait has so many replicas what its connection has written.
func (l *Ledger) wait(ctx context.Context, conn connection, what, so string) error {
	got, err := conn.Wait(ctx, l.opt.WaitReplicas, replicaPatience).Result()
	if err != nil {
		return fmt.Errorf("waiting for replicas: %w", err)
	}
	if int(got) < l.opt.WaitReplicas {
		return fmt.Errorf("only %d of %d replicas have %s (REDIS_WAIT_REPLICAS); %s", got, l.opt.WaitReplicas, what, so)
	}
	return nil
}

// Replicated waits until so many replicas have the records of an intake (Options.WaitReplicas), whoever made them: a receipt must
// outlast the failover of its Redis.
func (l *Ledger) Replicated(ctx context.Context, refs []order.Ref) error {
	if l.opt.WaitReplicas == 0 || len(refs) == 0 {
		return nil
	}
	nodes, err := l.perNode(ctx, refs)
	if err != nil {
		return err
	}
	for _, r := range nodes {
		err := l.onConnection(ctx, keys.Record(r), func(conn connection) error {
			// WAIT is about writes of its own connection. What was written before is replicated before.
			if err := conn.Set(ctx, keys.Replicated(r), "", replicaPatience).Err(); err != nil {
				return fmt.Errorf("waiting for replicas: %w", err)
			}
			return l.wait(ctx, conn, "the record", "it is not known to outlast a failover")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// perNode are one record of each node that has some of the records.
func (l *Ledger) perNode(ctx context.Context, refs []order.Ref) (one []order.Ref, err error) {
	c, clustered := l.rdb.(*redis.ClusterClient)
	if !clustered {
		return refs[:1], nil
	}
	seen := map[*redis.Client]bool{}
	for _, r := range refs {
		node, err := c.MasterForKey(ctx, keys.Record(r))
		if err != nil {
			return nil, fmt.Errorf("waiting for replicas: %w", err)
		}
		if !seen[node] {
			seen[node] = true
			one = append(one, r)
		}
	}
	return one, nil
}

// connection is one connection to one server.
type connection interface {
	redis.Scripter
	Wait(ctx context.Context, replicas int, timeout time.Duration) *redis.IntCmd
	Set(ctx context.Context, key string, value any, expiration time.Duration) *redis.StatusCmd
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
