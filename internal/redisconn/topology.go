package redisconn

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// topology has a cluster's client ask anew who holds which slots as soon as a node gives no answer, or says that the cluster is
// down: a replica may have taken its place. By itself the library asks once a minute, and when a node says that a slot is
// elsewhere, which a dead one does not. While it fails the question is repeated about every 200 ms.
type topology struct {
	dialing
	cluster *redis.ClusterClient
}

// follow hooks the nodes that the client has and will have.
func follow(c *redis.ClusterClient) {
	c.OnNewNode(func(node *redis.Client) { node.AddHook(topology{cluster: c}) })
}

// ProcessHook implements redis.Hook.
func (t topology) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return t.noted(ctx, next(ctx, cmd)) }
}

// ProcessPipelineHook implements redis.Hook.
func (t topology) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return t.noted(ctx, next(ctx, cmds)) }
}

func (t topology) noted(ctx context.Context, err error) error {
	var answer redis.Error
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, redis.ErrClosed):
	case !errors.As(err, &answer) || redis.HasErrorPrefix(err, "CLUSTERDOWN"):
		t.cluster.ReloadState(ctx)
	}
	return err
}
