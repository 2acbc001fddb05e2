package testredis

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// MasterName is what Sentinels call the master that they watch.
const MasterName = "mymaster"

// Sentinel is a master with two replicas, watched by three Sentinels, that belongs to one test.
type Sentinel struct {
	// Servers are the master and its replicas, as they were started.
	Servers   []*Server
	Sentinels []*Server

	t testing.TB
}

// StartSentinel starts all of it and waits until a master that dies would be replaced. It skips the test where there is no
// redis-server.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	bin := needed(t, "Sentinel")
	master := startReal(t, bin, true)
	host, port, _ := net.SplitHostPort(master.Addr)
	s := &Sentinel{t: t, Servers: []*Server{master}}
	for range 2 {
		s.Servers = append(s.Servers, startArgs(t, bin, true, append(ownArgs(true), "--replicaof", host+" "+port)))
	}
	conf := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 2\nsentinel down-after-milliseconds %[1]s 1000\nsentinel failover-timeout %[1]s 5000\n", MasterName, host, port)
	for range 3 {
		path := filepath.Join(t.TempDir(), "sentinel.conf") // a Sentinel writes into it
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Sentinels = append(s.Sentinels, startArgs(t, bin, false, []string{path, "--sentinel"}))
	}
	s.AwaitWhole()
	t.Logf("testredis: %s with Sentinels: %s", bin, s.URL())
	return s
}

// AwaitWhole waits until every Sentinel knows the others and two replicas that follow.
func (s *Sentinel) AwaitWhole() {
	s.t.Helper()
	until(s.t, failoverLimit, func() error {
		for _, n := range s.Sentinels {
			list, err := n.watched(context.Background())
			if err != nil || list["num-slaves"] != "2" || list["num-other-sentinels"] != "2" || list["flags"] != "master" {
				return fmt.Errorf("the Sentinel on %s knows %s replicas and %s Sentinels of a %s: %v", n.Addr, list["num-slaves"], list["num-other-sentinels"], list["flags"], err)
			}
		}
		return s.Master().followed(2)
	})
}

// watched is what a Sentinel says about the master.
func (s *Server) watched(ctx context.Context) (map[string]string, error) {
	cmd := redis.NewMapStringStringCmd(ctx, "SENTINEL", "MASTER", MasterName)
	err := s.admin().Process(ctx, cmd)
	return cmd.Val(), err
}

// Master is the server that the Sentinels take for the master.
func (s *Sentinel) Master() *Server {
	s.t.Helper()
	at, err := s.Sentinels[0].watched(context.Background())
	if err != nil {
		s.t.Fatalf("testredis: %v", err)
	}
	for _, n := range s.Servers {
		if n.Addr == net.JoinHostPort(at["ip"], at["port"]) {
			return n
		}
	}
	s.t.Fatalf("testredis: the master is at %s:%s, which is none of ours", at["ip"], at["port"])
	return nil
}

// KillMaster kills the master as killReplicated does and returns it when every Sentinel has another one, which takes writes.
func (s *Sentinel) KillMaster() (dead *Server) {
	s.t.Helper()
	dead = s.Master()
	host, port, _ := net.SplitHostPort(dead.Addr)
	dead.killReplicated(len(s.Servers) - 1)
	until(s.t, failoverLimit, func() error {
		for _, n := range s.Sentinels {
			at, err := n.watched(context.Background())
			if err != nil || at["ip"] == host && at["port"] == port {
				return fmt.Errorf("the Sentinel on %s still has the dead master: %v", n.Addr, err)
			}
		}
		return s.Master().leads()
	})
	return dead
}

// URL is where the Sentinels are, as REDIS_URL takes it.
func (s *Sentinel) URL() string {
	return "redis-sentinel://" + strings.Join(s.addrs(), ",") + "/0?master=" + MasterName
}

func (s *Sentinel) addrs() (list []string) {
	for _, n := range s.Sentinels {
		list = append(list, n.Addr)
	}
	return list
}

// Client gives a new client of whoever is master, closed with the test.
func (s *Sentinel) Client() *redis.Client {
	c := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:            MasterName,
		SentinelAddrs:         s.addrs(),
		ContextTimeoutEnabled: true,
	})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}
