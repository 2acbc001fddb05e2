package redisconn

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
)

// A node of a cluster that a replica replaces is noticed long before the minute after which the library asks by itself.
func TestAReplacedNodeIsNoticed(t *testing.T) {
	t.Parallel()
	c := testredis.StartCluster(t, 3, true)
	rdb := put(t, Source{ClusterAddrs: c.Addrs()})
	if every := rdb.(*redis.ClusterClient).Options().ClusterStateReloadInterval; every < time.Minute {
		t.Fatalf("the library asks every %s: this proves nothing", every)
	}
	c.KillMaster(c.Holder("k"))
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = rdb.Set(t.Context(), "k", "w", 0).Err(); err == nil {
			return
		}
	}
	t.Fatal(err)
}
