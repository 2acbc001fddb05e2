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
// replicas that have the writes of its own connection. In a cluster the connection is that of the
// node that holds the key.
func (l *Ledger) runReplicated(ctx context.Context, name string, keys []string, args ...any) ([]string, error) {
	node, err := l.node(ctx, keys[0])
	if err != nil {
		return nil, fmt.Errorf("ledger: %s: %w", name, err)
	}
	conn := node.Conn()
	defer conn.Close()
	reply, err := scripts[name].Run(ctx, conn, keys, l.args(args)...).StringSlice()
	if err != nil {
		return nil, err
	}
	got, err := conn.Wait(ctx, l.opt.WaitReplicas, replicaPatience).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: %s: waiting for replicas: %w", name, err)
	}
	if int(got) < l.opt.WaitReplicas {
		return nil, fmt.Errorf("ledger: %s: only %d of %d replicas have the intent (REDIS_WAIT_REPLICAS); nothing was sent", name, got, l.opt.WaitReplicas)
	}
	return reply, nil
}

func (l *Ledger) node(ctx context.Context, key string) (*redis.Client, error) {
	switch c := l.rdb.(type) {
	case *redis.Client:
		return c, nil
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, key)
	default:
		return nil, fmt.Errorf("REDIS_WAIT_REPLICAS does not work with a %T", l.rdb)
	}
}
