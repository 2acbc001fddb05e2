package testredis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// slots is how many a cluster has.
const slots = 16384

// clusterTimeout is after how long without an answer a node is taken for dead.
const clusterTimeout = time.Second

// busPort is the setting of the port by which nodes talk to one another.
const busPort = "--cluster-port"

// Cluster is a Redis Cluster of durable redis-servers that belongs to one test.
type Cluster struct {
	// Masters are the nodes that the slots were given to, in equal parts, or the replicas that have replaced them. Replicas[i]
	// follows Masters[i].
	Masters, Replicas []*Server

	t     testing.TB
	owner [slots]int // place among Masters
	moved atomic.Int64
}

// StartCluster starts so many masters, each with a replica where replicated is set, and waits until the cluster works. It
// skips the test where there is no redis-server.
func StartCluster(t testing.TB, masters int, replicated bool) *Cluster {
	t.Helper()
	bin := needed(t, "a cluster")
	c := &Cluster{t: t}
	for range masters {
		c.Masters = append(c.Masters, startClusterNode(t, bin))
	}
	if replicated {
		for range masters {
			c.Replicas = append(c.Replicas, startClusterNode(t, bin))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	c.introduce(ctx)
	for i, m := range c.Masters {
		from, to := i*slots/masters, (i+1)*slots/masters
		for s := from; s < to; s++ {
			c.owner[s] = i
		}
		m.must(ctx, "CLUSTER", "ADDSLOTSRANGE", from, to-1)
	}
	for i, r := range c.Replicas {
		r.must(ctx, "CLUSTER", "REPLICATE", c.Masters[i].id(ctx))
	}
	c.AwaitWhole()
	t.Logf("testredis: %s as a cluster on %s", bin, c.Addrs())
	return c
}

func startClusterNode(t testing.TB, bin string) *Server {
	return startWith(t, bin, true, func() []string {
		bus, err := freeAddr()
		if err != nil {
			t.Fatalf("testredis: %v", err)
		}
		_, port, _ := net.SplitHostPort(bus)
		return append(ownArgs(true), "--cluster-enabled", "yes", busPort, port,
			"--cluster-node-timeout", fmt.Sprint(clusterTimeout.Milliseconds()))
	})
}

// introduce has the nodes know one another.
func (c *Cluster) introduce(ctx context.Context) {
	c.t.Helper()
	for i, n := range c.nodes() {
		n.must(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		if i == 0 {
			continue
		}
		host, port, _ := net.SplitHostPort(n.Addr)
		bus := n.args[slices.Index(n.args, busPort)+1]
		c.Masters[0].must(ctx, "CLUSTER", "MEET", host, port, bus)
	}
	until(c.t, startLimit, func() error {
		for _, n := range c.nodes() {
			text, err := n.admin().ClusterNodes(ctx).Result()
			if known := strings.Count(text, " connected"); err != nil || known != len(c.nodes()) || strings.Contains(text, "handshake") {
				return fmt.Errorf("the node on %s knows %d of %d (%v)", n.Addr, known, len(c.nodes()), err)
			}
		}
		return nil
	})
}

// AwaitWhole waits until every node says that all slots are served and, of a replica, that it follows its master.
func (c *Cluster) AwaitWhole() {
	c.t.Helper()
	until(c.t, startLimit, func() error {
		for _, n := range c.nodes() {
			if err := n.whole(); err != nil {
				return err
			}
		}
		for i, r := range c.Replicas {
			if err := r.follows(); err != nil {
				return err
			}
			if err := c.Masters[i].followed(1); err != nil {
				return err
			}
		}
		return nil
	})
}

// whole reports that a node does not say that all slots are served.
func (s *Server) whole() error {
	text, err := s.admin().ClusterInfo(context.Background()).Result()
	if err != nil || !strings.Contains(text, "cluster_state:ok") || !strings.Contains(text, "cluster_slots_ok:16384") {
		return fmt.Errorf("the cluster is not whole for %s: %v", s.Addr, err)
	}
	return nil
}

// AwaitFailed waits until the nodes that run have taken one for dead, so that they refuse commands (CLUSTERDOWN).
func (c *Cluster) AwaitFailed(dead *Server) {
	c.t.Helper()
	until(c.t, startLimit, func() error {
		for _, n := range c.nodes() {
			if n == dead {
				continue
			}
			if text, err := n.admin().ClusterInfo(context.Background()).Result(); err != nil || !strings.Contains(text, "cluster_state:fail") {
				return fmt.Errorf("the cluster has not failed for %s: %v", n.Addr, err)
			}
		}
		return nil
	})
}

// KillMaster kills a master as killReplicated does and returns it when its replica, which is the master in that place now, takes
// writes and every node that runs has the cluster whole. Who restarts the dead one has a replica there again.
func (c *Cluster) KillMaster(place int) (dead *Server) {
	c.t.Helper()
	dead = c.Masters[place]
	dead.killReplicated(1)
	c.Masters[place], c.Replicas[place] = c.Replicas[place], dead
	until(c.t, failoverLimit, func() error {
		for _, n := range c.nodes() {
			if n == dead {
				continue
			}
			if err := n.whole(); err != nil {
				return err
			}
		}
		return c.Masters[place].leads()
	})
	return dead
}

func (c *Cluster) nodes() []*Server {
	return append(c.Masters[:len(c.Masters):len(c.Masters)], c.Replicas...)
}

// Addrs are the nodes as REDIS_CLUSTER_ADDRS takes them.
func (c *Cluster) Addrs() string {
	var list []string
	for _, n := range c.nodes() {
		list = append(list, n.Addr)
	}
	return strings.Join(list, ",")
}

// Client gives a new client, closed with the test.
func (c *Cluster) Client() *redis.ClusterClient {
	rdb := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                      strings.Split(c.Addrs(), ","),
		ContextTimeoutEnabled:      true,
		ClusterStateReloadInterval: clusterTimeout, // a node may be replaced, which is noticed by asking only
		MaintNotificationsConfig:   &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	c.t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// admin is the test's own client of a server, made once.
func (s *Server) admin() *redis.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own == nil {
		s.own = s.Client()
	}
	return s.own
}

func (s *Server) must(ctx context.Context, args ...any) any {
	s.t.Helper()
	v, err := s.admin().Do(ctx, args...).Result()
	if err != nil {
		s.t.Fatalf("testredis: %v on %s: %v", args, s.Addr, err)
	}
	return v
}

// id is a cluster node's name.
func (s *Server) id(ctx context.Context) string {
	s.t.Helper()
	return fmt.Sprint(s.must(ctx, "CLUSTER", "MYID"))
}
